"""Where many images are looked at: fixations counted on a grid, and drawn over the mean of the images."""

from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn import functional

from foveate.data.records import Images

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

Size = tuple[int, int]
CELLS = 28  # of a grid, along the longer side at most
SIDE = 112  # pixels: the longer side of a panel
LOOKED_THROUGH = 2000  # images whose mean is taken
DIM = 0.55  # of the mean image under the density
FEW, MANY = (255, 110, 20), (255, 236, 150)


def grid_size(image_size: Size) -> Size:
    """Rows and columns: a cell a pixel, or square cells where there are many pixels.

    >>> grid_size((8, 8)), grid_size((60, 120))
    ((8, 8), (14, 28))
    """
    height, width = image_size
    share = min(1.0, CELLS / max(image_size))
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
    column, row = cells[..., 0].clamp(0, columns - 1), cells[..., 1].clamp(0, rows - 1)
    counts = torch.zeros(len(locations), rows * columns, dtype=torch.int64, device=locations.device)
    counts.scatter_add_(1, row * columns + column, torch.ones_like(row))
    return counts.view(-1, rows, columns)


def mean_images(images: Images, classes: int) -> Float[Tensor, "classes height width"]:
    """The mean of each class in grey, in [0, 1], over the first images; where a class has none, black."""
    _, height, width = images.shape
    sums, counts = torch.zeros(classes, height, width), torch.zeros(classes)
    for index in torch.arange(min(len(images), LOOKED_THROUGH), device=images.label.device).split(100):
        grey = images.read(index).float().mean(1).cpu() / 255
        label = images.label[index].cpu()
        sums.index_add_(0, label, grey)
        counts += label.bincount(minlength=classes)
    return sums / counts.clamp(min=1).view(-1, 1, 1)


def mean_of_all(means: Float[Tensor, "classes height width"], images: Images) -> Float[Tensor, "height width"]:
    """The mean of all images from those of the classes."""
    share = images.label.cpu().bincount(minlength=len(means)) / len(images)
    return (means * share.view(-1, 1, 1)).sum(0)


def density_panel(counts: Int64[Tensor, "rows columns"], under: Float[Tensor, "height width"]) -> "Picture":
    """The density of fixations, smoothed, over an image in grey: orange where there are few, light where most are."""
    from PIL import Image

    high, wide = under.shape
    zoom = SIDE / max(high, wide)
    size = max(1, round(high * zoom)), max(1, round(wide * zoom))
    density = functional.interpolate(_blurred(counts.float())[None, None], size, mode="bicubic", align_corners=False)[
        0, 0
    ]
    share = (density / density.amax().clamp(min=1e-9)).clamp(0, 1).sqrt().numpy()[..., None]
    small = Image.fromarray((under.clamp(0, 1) * 255 * DIM).byte().numpy())
    ground = np.asarray(small.resize((size[1], size[0]), Image.Resampling.BICUBIC), dtype=np.float32)[..., None]
    heat = np.asarray(FEW) * (1 - share) + np.asarray(MANY) * share
    alpha = np.clip(1.15 * share, 0, 0.95)
    return Image.fromarray((ground * (1 - alpha) + heat * alpha).round().astype(np.uint8))


def _blurred(counts: Float[Tensor, "rows columns"]) -> Float[Tensor, "rows columns"]:
    """Each count spread over its neighbours."""
    kernel = torch.tensor([0.06, 0.24, 0.4, 0.24, 0.06])
    spread = functional.conv2d(counts[None, None], torch.outer(kernel, kernel)[None, None], padding=2)
    return spread[0, 0]
