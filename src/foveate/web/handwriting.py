"""Strokes on the pad as an image: handwriting as in MNIST or `digits`, or the whole pad for other models."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from foveate.data.handwriting import InkStyle
from foveate.data.placement import Size

Strokes = Sequence[Sequence[tuple[float, float]]]

SUBPIXELS = 8  # along each side of a pixel
MIN_EXTENT = 0.08  # of the pad: smaller drawings are not enlarged further, or a dot would fill the image


@dataclass(frozen=True)
class PadPosition:
    """Where the pad lies on an image: (x, y) in [0, 1] of the pad is pixel `scale * (x, y) + (x0, y0)` of the image."""

    scale: float
    x0: float
    y0: float
    pen: float
    """Width of a stroke in pixels."""


def write(strokes: Strokes, style: InkStyle) -> tuple[UInt8[Tensor, "1 height width"], PadPosition]:
    """Draw white strokes on black, of one width, antialiased, scaled and centered as in a data set.

    Convention:
        A point of a stroke is (x, y), x right, y down, (0, 0) and (1, 1) being corners of the pad.

    Example:
        >>> from foveate.data.handwriting import INK_STYLES
        >>> image, position = write([[(0.1, 0.1), (0.1, 0.3)]], INK_STYLES["mnist"])
        >>> image.shape, round(position.scale * 0.2 + position.pen)  # 20 pixels high
        (torch.Size([1, 28, 28]), 20)
    """
    points = np.array([point for stroke in strokes for point in stroke], dtype=np.float64)
    low = points.min(0)
    high = points.max(0)
    room = style.box - style.pen - 1 / SUBPIXELS  # one subpixel is left for rounding
    scale = float(room / max(*(high - low), MIN_EXTENT))
    x0, y0 = (style.middle - scale * (low + high) / 2).tolist()
    position = PadPosition(scale, x0, y0, style.pen)
    if style.center == "mass":
        position = _center_mass(position, draw_ink(strokes, position, style.size), style)
    return _average_subpixels(draw_ink(strokes, position, style.size)), position


def draw_on_pad(strokes: Strokes, size: Size, pen: float = 0.07) -> tuple[UInt8[Tensor, "1 height width"], PadPosition]:
    """Draw the whole pad, as large as fits into `size` (height, width); the pen is a share of the pad."""
    height, width = size
    side = min(size)
    position = PadPosition(side, (width - side) / 2, (height - side) / 2, pen * side)
    return _average_subpixels(draw_ink(strokes, position, size)), position


def draw_ink(strokes: Strokes, position: PadPosition, size: Size) -> UInt8[np.ndarray, "tall wide"]:
    """Draw strokes in 0 and 255, in subpixels."""
    from PIL import Image, ImageDraw

    height, width = size
    sheet = Image.new("L", (width * SUBPIXELS, height * SUBPIXELS))
    draw = ImageDraw.Draw(sheet)
    radius = max(0.0, (position.pen * SUBPIXELS - 1) / 2)  # pillow's lines are a pixel wider than 2 * radius
    for stroke in strokes:
        path = [(position.scale * x + position.x0, position.scale * y + position.y0) for x, y in stroke]
        path = [(x * SUBPIXELS - 0.5, y * SUBPIXELS - 0.5) for x, y in path]  # pillow's (0, 0) is a pixel's center
        draw.line(path, fill=255, width=round(2 * radius) + 1)
        for x, y in path:
            draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=255)
    return np.asarray(sheet)


def _center_mass(position: PadPosition, sheet: UInt8[np.ndarray, "tall wide"], style: InkStyle) -> PadPosition:
    """Move the center of mass as near to the middle as the image allows, the ink starting at a whole pixel.

    Whole pixels, because MNIST's images were rendered before they were moved.
    """
    inked = np.argwhere(sheet)[:, ::-1] / SUBPIXELS
    first = inked.min(0)
    mass = inked.mean(0) + 0.5 / SUBPIXELS
    extent = np.ptp(inked, 0) + 1 / SUBPIXELS
    last = np.floor(np.array(style.size[::-1]) - extent)
    corner = np.clip(np.round(first + style.middle - mass), 0, last)
    x, y = (corner - first).tolist()
    return PadPosition(position.scale, position.x0 + x, position.y0 + y, position.pen)


def _average_subpixels(sheet: UInt8[np.ndarray, "tall wide"]) -> UInt8[Tensor, "1 height width"]:
    """Average the subpixels of every pixel."""
    tall, wide = sheet.shape
    pixels = sheet.reshape(tall // SUBPIXELS, SUBPIXELS, wide // SUBPIXELS, SUBPIXELS).mean((1, 3))
    return torch.from_numpy(pixels.round().astype(np.uint8)).unsqueeze(0)
