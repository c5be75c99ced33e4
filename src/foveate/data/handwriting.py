"""Handwriting: ink scaled and centered as the images of MNIST or of `digits` have it."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from foveate.data.placement import Size


@dataclass(frozen=True)
class InkStyle:
    """How a data set makes images of handwriting: bright ink on black, scaled to a box, centered."""

    size: Size
    """Height and width of an image in pixels."""
    box: float
    """Longer side of the ink in pixels."""
    pen: float
    """Width of a stroke in pixels."""
    middle: float
    """Pixels from the left and from the top to where the ink is centered."""
    center: Literal["mass", "box"]
    """What is centered: the ink's center of mass, or the center of its bounding box."""
    brightness: tuple[float, float]
    """Smallest and largest mean of an image that passes for one of the data set, from 0 (black) to 1 (white)."""


# MNIST: scaled to 20x20 pixels, center of mass on the pixel (14, 14) of 28x28 (LeCun et al. 1998, III A).
# digits: bitmaps filled by the digit, summed over blocks to 8x8. Each pen gives the brightness of the real images.
INK_STYLES = {
    "mnist": InkStyle((28, 28), 20, 2.6, 14.5, "mass", (0.025, 0.4)),
    "digits": InkStyle((8, 8), 8, 1.2, 4.0, "box", (0.08, 0.45)),
}


def fit_ink(ink: Float[np.ndarray, "height width"], style: InkStyle) -> tuple[UInt8[Tensor, "1 high wide"], float]:
    """Scale ink to the box of a style and center it, its brightest pixel 255; the second value is the scale.

    Example:
        >>> sheet = np.zeros((90, 60))
        >>> sheet[70:80, 10:14] = 160
        >>> image, scale = fit_ink(sheet, INK_STYLES["mnist"])
        >>> image[0].nonzero().amin(0).tolist(), image[0].nonzero().amax(0).tolist()  # 20x8 pixels around (14, 14)
        ([4, 10], [23, 17])
    """
    rows = np.flatnonzero(ink.any(1))
    columns = np.flatnonzero(ink.any(0))
    if not len(rows):
        return torch.zeros(1, *style.size, dtype=torch.uint8), 1.0
    ink = ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return _center(_scale_to_box(ink, style.box), style), style.box / max(ink.shape)


def _scale_to_box(ink: Float[np.ndarray, "tall wide"], box: float) -> Float[np.ndarray, "height width"]:
    """Scale ink until its longer side is `box` pixels."""
    from PIL import Image

    scale = box / max(ink.shape)
    height = max(1, round(ink.shape[0] * scale))
    width = max(1, round(ink.shape[1] * scale))
    small = Image.fromarray(ink.astype(np.float32)).resize((width, height), Image.Resampling.BOX)
    pixels = np.asarray(small, dtype=np.float64)
    return pixels * (255 / pixels.max())


def _center(ink: Float[np.ndarray, "tall wide"], style: InkStyle) -> UInt8[Tensor, "1 height width"]:
    """Move ink by whole pixels until its center is as near to the style's middle as the image allows."""
    corner = []
    for axis in (0, 1):
        side = ink.shape[axis]
        weight = ink.sum(1 - axis) if style.center == "mass" else np.ones(side)
        center = float((weight * (np.arange(side) + 0.5)).sum() / weight.sum())
        corner.append(int(np.clip(round(style.middle - center), 0, style.size[axis] - side)))
    top, left = corner
    image = np.zeros(style.size, np.uint8)
    image[top : top + ink.shape[0], left : left + ink.shape[1]] = ink.round()
    return torch.from_numpy(image).unsqueeze(0)


def brightness_warning(image: Tensor, style: InkStyle, name: str) -> str:
    """Why an image is unlike the images of a data set of handwriting, as a sentence; empty where it is like them."""
    mean = float(image.double().mean()) / (1 if image.is_floating_point() else 255)
    low, high = style.brightness
    if low <= mean <= high:
        return ""
    what = "darker" if mean < low else "brighter"
    return f"The image is {what} than any of `{name}`, which are bright ink on black, with a mean of {low} to {high}."
