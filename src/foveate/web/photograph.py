"""Photographs of handwriting: the ink of a picture as large and as placed as in the images that a model has learned."""

from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from foveate.web.handwriting import Hand

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

LARGEST = 512  # pixels: the longer side that is looked through; what is finer than that is no stroke


def written(picture: "Picture", hand: Hand) -> UInt8[Tensor, "1 height width"]:
    """The bright ink of a picture on black: fitted into the `hand`'s box, centred as it has it, its whitest pixel 255.

    Example:
        >>> from PIL import Image
        >>> from foveate.web.handwriting import HANDS
        >>> sheet = np.full((90, 60), 40, np.uint8)
        >>> sheet[70:80, 10:14] = 200
        >>> image = written(Image.fromarray(sheet), HANDS["mnist"])
        >>> image[0].nonzero().amin(0).tolist(), image[0].nonzero().amax(0).tolist()  # 20x8 pixels around (14, 14)
        ([4, 10], [23, 17])
    """
    picture = picture.convert("L")
    picture.thumbnail((LARGEST, LARGEST))
    ink = _ink(np.array(picture))
    rows, columns = (np.flatnonzero(ink.any(axis)) for axis in (1, 0))
    if not len(rows):
        return torch.zeros(1, *hand.size, dtype=torch.uint8)
    return _placed(_fitted(ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1], hand), hand)


def threshold(pixels: UInt8[np.ndarray, "height width"]) -> int:
    """The value that parts dark pixels from brighter ones with the greatest variance between both (Otsu 1979).

    >>> threshold(np.array([[10, 20, 20], [200, 220, 15]], np.uint8))
    20
    """
    counts = np.bincount(pixels.ravel(), minlength=256)
    below, sums = counts.cumsum().astype(float), (counts * np.arange(256)).cumsum().astype(float)
    between = (below * sums[-1] - below[-1] * sums) ** 2 / np.maximum(below * (below[-1] - below), 1)
    return int(between.argmax())


def _ink(pixels: UInt8[np.ndarray, "height width"]) -> Float[np.ndarray, "height width"]:
    """How much brighter each pixel is than the paper; 0 where it is nearer to the paper than to the ink."""
    level = threshold(pixels)
    dark = pixels <= level
    return np.where(dark, 0.0, pixels - (pixels[dark].mean() if dark.any() else 0.0))


def _fitted(ink: Float[np.ndarray, "tall wide"], hand: Hand) -> Float[np.ndarray, "height width"]:
    """The ink with its longer side as long as the box."""
    from PIL import Image

    scale = hand.box / max(ink.shape)
    height, width = (max(1, round(side * scale)) for side in ink.shape)
    small = Image.fromarray(ink.astype(np.float32)).resize((width, height), Image.Resampling.BOX)
    pixels = np.asarray(small, dtype=np.float64)
    return pixels * (255 / pixels.max())


def _placed(ink: Float[np.ndarray, "tall wide"], hand: Hand) -> UInt8[Tensor, "1 height width"]:
    """The ink moved by whole pixels until its centre comes as near to the hand's middle as it can inside the image."""
    image = np.zeros(hand.size, np.uint8)
    corner = []
    for axis, (side, room) in enumerate(zip(ink.shape, hand.size, strict=True)):
        weight = ink.sum(1 - axis) if hand.centre == "mass" else np.ones(side)
        centre = float((weight * (np.arange(side) + 0.5)).sum() / weight.sum())
        corner.append(int(np.clip(round(hand.middle - centre), 0, room - side)))
    y, x = corner
    image[y : y + ink.shape[0], x : x + ink.shape[1]] = ink.round()
    return torch.from_numpy(image).unsqueeze(0)
