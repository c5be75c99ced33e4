"""Rendering of scenes, a whole batch at once, from given positions."""

import torch
from jaxtyping import Int64, UInt8
from torch import Tensor

from foveate.data.placement import Clutter, Size


def render(
    image: UInt8[Tensor, "batch channels height width"],
    size: Size,
    place: Int64[Tensor, "batch 2"],
    clutter: Clutter | None = None,
    others: UInt8[Tensor, "pieces channels height width"] | None = None,
) -> UInt8[Tensor, "batch channels tall wide"]:
    """Render each image at its `place`, and the pieces that `clutter` cuts from `others`, its source images.

    The image is drawn first: saturating sums of non-negative pixels do not depend on the order.
    """
    batch, channels, height, width = image.shape
    tall, wide = size
    canvas = image.new_zeros(batch, channels, tall * wide)
    pixels = _pixels(place, (height, width), wide)[:, None].expand(-1, channels, -1)
    canvas.scatter_(-1, pixels, image.flatten(-2))
    if clutter is not None and others is not None:
        _add_pieces(canvas, wide, clutter, _cut(others, clutter))
    return canvas.unflatten(-1, size)


def _cut(
    others: UInt8[Tensor, "pieces channels height width"], clutter: Clutter
) -> UInt8[Tensor, "batch distractors channels area"]:
    """Cut one piece from each image of `others`."""
    pixels = _pixels(clutter.cut.flatten(0, 1), (clutter.piece, clutter.piece), others.shape[-1])
    cut = others.flatten(-2).gather(-1, pixels[:, None].expand(-1, others.shape[1], -1))
    return cut.unflatten(0, clutter.source.shape)


def _add_pieces(
    canvas: UInt8[Tensor, "batch channels pixels"],
    wide: int,
    clutter: Clutter,
    pieces: UInt8[Tensor, "batch distractors channels area"],
) -> None:
    """Add the pieces to the canvas in place, saturating at 255.

    The loop runs over the distractors, which may overlap, and touches only their pixels. It is twice as fast as one
    sum in int16, which has to convert and clamp every pixel of the canvas.
    """
    places = _pixels(clutter.place, (clutter.piece, clutter.piece), wide)
    for part, inside in zip(pieces.unbind(1), places.unbind(1), strict=True):
        pixels = inside[:, None].expand(-1, canvas.shape[1], -1)
        below = canvas.gather(-1, pixels)
        canvas.scatter_(-1, pixels, below + torch.minimum(part, 255 - below))


def _pixels(place: Int64[Tensor, "*shape 2"], size: Size, stride: int) -> Int64[Tensor, "*shape area"]:
    """Return the flat indices of the pixels of a rectangle at `place` in an image with rows of `stride` pixels."""
    x = torch.arange(size[1], device=place.device)
    y = torch.arange(size[0], device=place.device)
    corner = place[..., 1] * stride + place[..., 0]
    return corner[..., None] + (y[:, None] * stride + x).flatten()
