"""Images made ready to be looked at many times: summed over blocks once, then read run by run.

A patch of scale k holds means over blocks of s x s pixels, s = 2^k, lying s pixels apart. A pyramid holds the sum over
the block at *every* pixel. All its images lie in one line of memory, row behind row, with as many zeros between rows
and between images as a window can reach beyond an edge. So the sums are additions of the line to itself, shifted by
pixels and by rows, and a row of a patch, wherever it lies, is one run of the line, of which every s-th pixel counts.

That pays where the glimpses read more pixels than the images have. In a large image the direct reads of
`foveate.glimpse.runs` are cheaper; `worthwhile` decides. Both give the same glimpse to the bit.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Shaped, UInt8
from torch import Tensor

from foveate.glimpse.location import Size, window_origin


@dataclass(frozen=True)
class Pyramid:
    """A batch of images, ready to be looked at."""

    lines: tuple[Shaped[Tensor, " _"], ...]
    """The line of each scale: sums over blocks of side 1, 2, 4, ..."""
    shape: tuple[int, int, int, int]
    """Images, channels, height and width."""
    size: Size
    """Height and width in pixels of a patch."""
    windows: tuple[Size, ...]
    """Height and width in pixels of the window of each scale."""


def worthwhile(image_size: Size, windows: tuple[Size, ...], num_glimpses: int) -> bool:
    """Whether building a pyramid costs less than it saves on `num_glimpses` direct reads.

    Building passes over every padded pixel of every scale. A direct read costs about twice that for every pixel of the
    windows, and as much as another 400 pixels for every scale (measured, see docs/lab-notes.md).
    """
    rows, columns = pitch(image_size, windows)
    read = sum(height * width + 400 for height, width in windows)
    return len(windows) * rows * columns <= 2 * num_glimpses * read


def build_pyramid(
    image: UInt8[Tensor, "images channels height width"], size: Size, windows: tuple[Size, ...]
) -> Pyramid:
    """Sum images over the blocks of every scale; `windows` are `size` times 1, 2, 4, ..."""
    images, channels, height, width = image.shape
    rows, columns = pitch((height, width), windows)
    above, before = rows - height, columns - width
    blocks = [2**depth for depth in range(len(windows))]
    pixels = images * channels * rows * columns
    reach = (above + blocks[-1]) * (columns + 1)  # what blocks and windows at the end of the last image may touch
    line = image.new_zeros(pixels + reach, dtype=_sum_type(blocks[-1]))
    line[:pixels].view(images * channels, rows, columns)[:, above:, before:] = image.flatten(0, 1)
    lines = [line]
    for block in blocks[:-1]:
        sums = lines[-1][:-block] + lines[-1][block:]
        lines.append(sums[: -block * columns] + sums[block * columns :])
    return Pyramid(tuple(lines), (images, channels, height, width), size, windows)


def read_pyramid(pyramid: Pyramid, location: Float[Tensor, "batch 2"]) -> Float[Tensor, "batch planes h w"]:
    """The glimpses at each location, in [0, 1], just as `foveate.glimpse.runs` reads them."""
    (images, channels, height, width), (h, w) = pyramid.shape, pyramid.size
    rows, columns = pitch((height, width), pyramid.windows)
    x, y = window_origin(location, (height, width), pyramid.windows).unbind(-1)
    device = location.device
    which = torch.arange(len(location), device=device).remainder(images)
    plane = which.unsqueeze(-1) * channels + torch.arange(channels, device=device)
    origin = plane * (rows * columns) + (rows - height) * columns + columns - width
    patches = []
    for depth, line in enumerate(pyramid.lines):
        block = 2**depth
        corner = origin + (y[:, depth] * columns + x[:, depth]).unsqueeze(-1)
        start = corner.unsqueeze(-1) + torch.arange(0, h * block * columns, block * columns, device=device)
        run = (w - 1) * block + 1
        runs = line.as_strided((len(line) - run + 1, run), (1, 1)).index_select(0, start.flatten())
        patches.append((runs[:, ::block] / (255.0 * block**2)).view(len(location), channels, h, w))
    return patches[0] if len(patches) == 1 else torch.cat(patches, dim=1)


def pitch(image_size: Size, windows: tuple[Size, ...]) -> Size:
    """Rows from one image to the next, and pixels from one row to the next: with the zeros that both share."""
    block = 2 ** (len(windows) - 1)
    height, width = (side + max(extent // 2, block - 1) for side, extent in zip(image_size, windows[-1], strict=True))
    return height, width


def _sum_type(block: int) -> torch.dtype:
    """The smallest type that holds the sum over a block of uint8 pixels."""
    return {1: torch.uint8, 2: torch.int16, 4: torch.int16, 8: torch.int16}.get(block, torch.int32)
