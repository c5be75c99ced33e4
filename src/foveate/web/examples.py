"""Ten digits as strokes: examples for users who cannot draw, and sources of clutter."""

from functools import cache

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from foveate.data.handwriting import InkStyle
from foveate.web.handwriting import write

Points = list[tuple[float, float]]

# A few points of each stroke, in percent of the pad; a smooth curve goes through them.
DIGITS: dict[str, list[Points]] = {
    "0": [[(56, 18), (40, 22), (30, 42), (31, 66), (43, 82), (58, 79), (69, 60), (68, 36), (58, 20), (50, 19)]],
    "1": [[(40, 32), (48, 25), (55, 15), (53, 38), (51, 62), (50, 85)]],
    "2": [[(31, 34), (37, 21), (52, 16), (65, 24), (64, 40), (52, 57), (34, 80), (48, 78), (60, 80), (72, 78)]],
    "3": [[(33, 24), (47, 16), (63, 22), (62, 37), (47, 47), (63, 53), (68, 68), (55, 82), (40, 83), (30, 75)]],
    "4": [[(47, 15), (39, 36), (29, 60), (48, 61), (71, 58)], [(62, 38), (60, 56), (57, 86)]],
    "5": [
        [(38, 19), (36, 32), (34, 45), (50, 42), (65, 50), (66, 68), (53, 82), (33, 79)],
        [(38, 19), (52, 19), (67, 16)],
    ],
    "6": [[(60, 15), (44, 30), (34, 52), (35, 72), (48, 84), (63, 77), (63, 61), (50, 54), (37, 63)]],
    "7": [[(29, 21), (48, 21), (69, 17), (60, 38), (51, 60), (45, 85)], [(38, 50), (53, 50), (68, 48)]],
    "8": [
        [(62, 24), (49, 16), (36, 25), (42, 40), (60, 56), (64, 73), (50, 84), (36, 75), (41, 58), (59, 40), (63, 27)]
    ],
    "9": [[(64, 28), (52, 17), (38, 24), (36, 40), (48, 48), (62, 38), (65, 26), (63, 52), (58, 84)]],
}
STEPS_PER_CURVE = 8  # of the curve between two points


def strokes(digit: str) -> list[Points]:
    """The strokes of a digit, as points close enough to be joined by lines."""
    return [_curve(stroke) for stroke in DIGITS[digit]]


def _curve(points: Points) -> Points:
    """The Catmull-Rom curve through the points, in [0, 1]."""
    knots = np.array([points[0], *points, points[-1]]) / 100
    t = np.linspace(0, 1, STEPS_PER_CURVE, endpoint=False)[:, None]
    before = knots[:-3, None]
    start = knots[1:-2, None]
    end = knots[2:-1, None]
    after = knots[3:, None]
    bend = 2 * before - 5 * start + 4 * end - after, 3 * (start - end) + after - before
    curve = start + (t * (end - before) + t**2 * bend[0] + t**3 * bend[1]) / 2
    return [(float(x), float(y)) for x, y in [*curve.reshape(-1, 2).round(4), knots[-1]]]


@cache
def example_images(style: InkStyle) -> UInt8[Tensor, "10 1 height width"]:
    """All ten digits as images."""
    return torch.stack([write(strokes(digit), style)[0] for digit in DIGITS])
