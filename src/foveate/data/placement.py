"""Where things go on a canvas: the draws of a scene, apart from its rendering, so that they can be repeated."""

import dataclasses

import torch
from jaxtyping import Int64
from torch import Tensor

Size = tuple[int, int]


@dataclasses.dataclass(frozen=True)
class Clutter:
    """The distractors of a batch of scenes: which image each is cut from, where it is cut, and where it is placed.

    Convention: `cut` and `place` are (x, y) of a piece's top-left pixel, in the image it comes from and on the canvas.
    """

    source: Int64[Tensor, "batch distractors"]
    cut: Int64[Tensor, "batch distractors 2"]
    place: Int64[Tensor, "batch distractors 2"]
    piece: int  # pixels: side of the square pieces


def draw_place(
    shape: tuple[int, ...], size: Size, canvas: Size, generator: torch.Generator
) -> Int64[Tensor, "*shape 2"]:
    """Draw uniformly the (x, y) of the top-left pixels of things of `size` (height, width), whole on a `canvas`."""
    drawn = [
        torch.randint(outer - inner + 1, shape, generator=generator, device=generator.device)
        for inner, outer in ((size[1], canvas[1]), (size[0], canvas[0]))
    ]
    return torch.stack(drawn, dim=-1)


def draw_clutter(
    shape: tuple[int, int], pool: int, piece: int, image: Size, canvas: Size, generator: torch.Generator
) -> Clutter:
    """Draw `shape` = (batch, distractors) pieces, each of a uniformly chosen one of `pool` images."""
    return Clutter(
        source=torch.randint(pool, shape, generator=generator, device=generator.device),
        cut=draw_place(shape, (piece, piece), image, generator),
        place=draw_place(shape, (piece, piece), canvas, generator),
        piece=piece,
    )


def centre(batch: int, size: Size, canvas: Size, device: torch.device) -> Int64[Tensor, "batch 2"]:
    """Return the (x, y) of the top-left pixel that puts `size` in the middle, or half a pixel up and left of it."""
    (height, width), (tall, wide) = size, canvas
    x, y = (wide - width) // 2, (tall - height) // 2
    return torch.stack([torch.full((batch,), x, device=device), torch.full((batch,), y, device=device)], dim=-1)
