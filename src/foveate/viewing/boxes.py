"""Boxes: the pixels of the image that each scale of a glimpse covers."""

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from foveate.glimpse.location import Size, window_origin


def boxes(
    location: Float[Tensor, "*batch 2"], image_size: Size, windows: tuple[Size, ...]
) -> Int64[Tensor, "*batch depth 4"]:
    """Box (x0, y0, x1, y1) in pixels of the window of every scale; it covers the pixels x0 <= x < x1, y0 <= y < y1.

    Convention:
        location is (x, y) in [-1, 1], sizes are (height, width), boxes are (x, y) from the image's top left corner, and
        reach beyond the image where the window does (see `foveate.glimpse.location`).

    Example:
        >>> boxes(torch.tensor([-1.0, 1.0]), (28, 20), ((3, 3), (6, 6)))  # around the bottom left pixel
        tensor([[-1, 26,  2, 29],
                [-2, 24,  4, 30]])
    """
    corner = window_origin(location, image_size, windows)
    sides = torch.tensor([(width, height) for height, width in windows], device=corner.device)
    return torch.cat([corner, corner + sides], dim=-1)
