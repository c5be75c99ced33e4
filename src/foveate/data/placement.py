"""Random positions of images and distractors on a canvas, drawn separately from the rendering."""

import dataclasses

import torch
from jaxtyping import Int64
from torch import Tensor

Size = tuple[int, int]


@dataclasses.dataclass(frozen=True)
class Clutter:
    """Distractors of a batch of scenes: the image each is cut from, where it is cut, and where it is placed.

    Convention: `cut` and `place` are (x, y) of a piece's top-left pixel, in the image it comes from and on the canvas.
    """

    source: Int64[Tensor, "batch distractors"]
    cut: Int64[Tensor, "batch distractors 2"]
    place: Int64[Tensor, "batch distractors 2"]
    piece: int  # pixels: side of the square pieces


def draw_place(
    shape: tuple[int, ...], size: Size, canvas: Size, generator: torch.Generator
) -> Int64[Tensor, "*shape 2"]:
    """Draw the uniform (x, y) of the top-left pixels of rectangles of `size` (height, width) inside a `canvas`."""
    x = torch.randint(canvas[1] - size[1] + 1, shape, generator=generator, device=generator.device)
    y = torch.randint(canvas[0] - size[0] + 1, shape, generator=generator, device=generator.device)
    return torch.stack([x, y], dim=-1)


def draw_clutter(
    shape: tuple[int, int], pool: int, piece: int, image: Size, canvas: Size, generator: torch.Generator
) -> Clutter:
    """Draw `shape` = (batch, distractors) pieces, each from a uniformly random one of `pool` images."""
    return Clutter(
        source=torch.randint(pool, shape, generator=generator, device=generator.device),
        cut=draw_place(shape, (piece, piece), image, generator),
        place=draw_place(shape, (piece, piece), canvas, generator),
        piece=piece,
    )


def center(batch: int, size: Size, canvas: Size, device: torch.device) -> Int64[Tensor, "batch 2"]:
    """Return the (x, y) of the top-left pixel that centers `size` on a canvas, rounded up and to the left."""
    x = (canvas[1] - size[1]) // 2
    y = (canvas[0] - size[0]) // 2
    return torch.stack([torch.full((batch,), x, device=device), torch.full((batch,), y, device=device)], dim=-1)
