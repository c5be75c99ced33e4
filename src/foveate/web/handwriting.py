"""Handwriting: from the strokes of a pen to pixels as the images of MNIST or of `digits` were made from ink."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

Size = tuple[int, int]
Strokes = Sequence[Sequence[tuple[float, float]]]

FINE = 8  # subpixels along each side of a pixel
SMALLEST = 0.08  # of the pad: what is drawn smaller stays small, or a dot would fill the image


@dataclass(frozen=True)
class Hand:
    """How a data set made images of ink: each as large as a box, and centred on another image."""

    size: Size
    """Height and width of an image in pixels."""
    box: float
    """Longer side of the ink in pixels."""
    pen: float
    """Width of a stroke in pixels."""
    middle: float
    """Where the ink is centred, in pixels from the left and from the top."""
    centre: str
    """What is centred there: the centre of "mass" of the ink, or that of its "box"."""


# MNIST: fitted into 20x20 pixels, then the centre of mass on the pixel (14, 14) of 28x28 (LeCun et al. 1998, III A).
# digits: bitmaps that the digit fills, summed over blocks to 8x8. The pens give both the brightness of the real images.
HANDS = {"mnist": Hand((28, 28), 20, 2.6, 14.5, "mass"), "digits": Hand((8, 8), 8, 1.2, 4.0, "box")}


@dataclass(frozen=True)
class Placed:
    """Where the pad has gone: its point (x, y) in [0, 1] lies at `scale * (x, y) + (x0, y0)` pixels of the image."""

    scale: float
    x0: float
    y0: float
    pen: float
    """Width of a stroke in pixels."""


def write(strokes: Strokes, hand: Hand) -> tuple[UInt8[Tensor, "1 height width"], Placed]:
    """White strokes on black, of one width, smooth at their edges, as large and as placed as the `hand` has it.

    Convention:
        A point of a stroke is (x, y), x right, y down, (0, 0) and (1, 1) being corners of the pad.

    Example:
        >>> image, placed = write([[(0.1, 0.1), (0.1, 0.3)]], HANDS["mnist"])
        >>> image.shape, round(placed.scale * 0.2 + placed.pen)  # 20 pixels high
        (torch.Size([1, 28, 28]), 20)
    """
    points = np.array([point for stroke in strokes for point in stroke], dtype=np.float64)
    low, high = points.min(0), points.max(0)
    scale = float((hand.box - 1 / FINE - hand.pen) / max(*(high - low), SMALLEST))  # a subpixel is left to rounding
    x0, y0 = (hand.middle - scale * (low + high) / 2).tolist()
    placed = Placed(scale, x0, y0, hand.pen)
    if hand.centre == "mass":
        placed = _recentred(placed, ink(strokes, placed, hand.size), hand)
    return _reduced(ink(strokes, placed, hand.size)), placed


def trace(strokes: Strokes, size: Size, pen: float = 0.07) -> tuple[UInt8[Tensor, "1 height width"], Placed]:
    """The pad as it is, as large as an image of `size` (height, width) allows; the pen is a share of the pad."""
    height, width = size
    side = min(size)
    placed = Placed(side, (width - side) / 2, (height - side) / 2, pen * side)
    return _reduced(ink(strokes, placed, size)), placed


def ink(strokes: Strokes, placed: Placed, size: Size) -> UInt8[np.ndarray, "tall wide"]:
    """The strokes in 0 and 255, in subpixels."""
    from PIL import Image, ImageDraw

    height, width = size
    sheet = Image.new("L", (width * FINE, height * FINE))
    draw, radius = ImageDraw.Draw(sheet), (placed.pen * FINE - 1) / 2  # and a line from one to the next is 2 wide
    for stroke in strokes:
        path = [(placed.scale * x + placed.x0, placed.scale * y + placed.y0) for x, y in stroke]
        path = [(x * FINE - 0.5, y * FINE - 0.5) for x, y in path]  # pillow's (0, 0) is the middle of a pixel
        draw.line(path, fill=255, width=round(2 * radius) + 1)
        for x, y in path:
            draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=255)
    return np.asarray(sheet)


def _recentred(placed: Placed, sheet: UInt8[np.ndarray, "tall wide"], hand: Hand) -> Placed:
    """Moved so that the centre of mass comes as near to the middle as it can, the ink beginning with a whole pixel.

    As in MNIST, whose images were made before they were moved; ink that would leave the image stays inside.
    """
    inked = np.argwhere(sheet)[:, ::-1] / FINE
    first, mass, extent = inked.min(0), inked.mean(0) + 0.5 / FINE, np.ptp(inked, 0) + 1 / FINE
    corner = np.clip(np.round(first + hand.middle - mass), 0, np.floor(np.array(hand.size[::-1]) - extent))
    x, y = (corner - first).tolist()
    return Placed(placed.scale, placed.x0 + x, placed.y0 + y, placed.pen)


def _reduced(sheet: UInt8[np.ndarray, "tall wide"]) -> UInt8[Tensor, "1 height width"]:
    """The mean of the subpixels of every pixel."""
    tall, wide = sheet.shape
    pixels = sheet.reshape(tall // FINE, FINE, wide // FINE, FINE).mean((1, 3))
    return torch.from_numpy(pixels.round().astype(np.uint8)).unsqueeze(0)
