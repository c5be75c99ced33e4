"""Fixations over many images, counted on a grid, and mean images."""

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from foveate.data.placement import Size
from foveate.data.records import Images

MAX_CELLS = 28  # of a grid, along the longer side
MAX_IMAGES = 2000  # that are averaged


def grid_size(image_size: Size) -> Size:
    """Rows and columns of the grid: one cell per pixel, or square cells where there are many pixels.

    >>> grid_size((8, 8)), grid_size((60, 120))
    ((8, 8), (14, 28))
    """
    height, width = image_size
    share = min(1.0, MAX_CELLS / max(image_size))
    return max(1, round(height * share)), max(1, round(width * share))


def count_fixations(locations: Float[Tensor, "time images 2"], size: Size) -> Int64[Tensor, "time rows columns"]:
    """Count the glimpses of each step in the cells of a grid of `size` (rows, columns) over the image.

    Convention:
        location is (x, y) in [-1, 1], x right, y down; -1 and 1 are the edges of the image.

    Example:
        >>> count_fixations(torch.tensor([[[-1.0, -1.0], [0.9, -0.9], [0.9, 0.9]]]), (2, 2))
        tensor([[[1, 1],
                 [0, 1]]])
    """
    rows, columns = size
    cells = ((locations + 1) / 2 * locations.new_tensor([columns, rows])).long()
    column = cells[..., 0].clamp(0, columns - 1)
    row = cells[..., 1].clamp(0, rows - 1)
    counts = torch.zeros(len(locations), rows * columns, dtype=torch.int64, device=locations.device)
    counts.scatter_add_(1, row * columns + column, torch.ones_like(row))
    return counts.view(-1, rows, columns)


def mean_images(images: Images, classes: int) -> Float[Tensor, "classes height width"]:
    """Average the first images of each class in gray, in [0, 1]; black for a class without images."""
    _, height, width = images.shape
    sums = torch.zeros(classes, height, width)
    counts = torch.zeros(classes)
    for index in torch.arange(min(len(images), MAX_IMAGES), device=images.label.device).split(100):
        gray = images.read(index).float().mean(1).cpu() / 255
        label = images.label[index].cpu()
        sums.index_add_(0, label, gray)
        counts += label.bincount(minlength=classes)
    return sums / counts.clamp(min=1).view(-1, 1, 1)


def mean_of_all(means: Float[Tensor, "classes height width"], images: Images) -> Float[Tensor, "height width"]:
    """Average all images, given the means of the classes."""
    share = images.label.cpu().bincount(minlength=len(means)) / len(images)
    return (means * share.view(-1, 1, 1)).sum(0)
