"""Images made ready to be looked at many times: summed over blocks once, then read run by run.

A patch of scale k holds means over blocks of s x s pixels, s = 2^k, lying s pixels apart. A pyramid holds the sum over
the block at *every* pixel, padded with zeros, each row split into its s phases (pixels x, x + s, x + 2s, ...). So a row
of a patch, wherever it lies, is one run of memory, and reading a glimpse is one `index_select` of short runs.

That pays where the glimpses read about as many pixels as the images have. In a large image the direct reads of
`saccade.glimpse.foveate` are cheaper; `worthwhile` decides. Both give the same glimpse to the bit.
"""

from dataclasses import dataclass
from functools import lru_cache

import torch
from jaxtyping import Float, Int64, Shaped, UInt8
from torch import Tensor
from torch.nn import functional as F

from saccade.glimpse.location import Size, padding, window_origin


@dataclass(frozen=True)
class Level:
    """One scale of a pyramid: how its pixels lie in memory."""

    block: int
    """Side s of the blocks that are summed."""
    pad: Size
    """Zeros before the first row and the first column."""
    rows: int
    """Rows, with padding."""
    run: int
    """Pixels in one phase of a row."""
    base: int
    """Where the level begins."""

    @property
    def image(self) -> int:
        """Pixels of one channel of one image."""
        return self.rows * self.block * self.run


@dataclass(frozen=True)
class Pyramid:
    """A batch of images, ready to be looked at."""

    memory: Shaped[Tensor, " pixels"]
    """The sums, one level after the other."""
    levels: tuple[Level, ...]
    """How the memory is laid out."""
    shape: tuple[int, int, int, int]
    """Images, channels, height and width."""
    size: Size
    """Height and width in pixels of a patch."""
    windows: tuple[Size, ...]
    """Height and width in pixels of the window of each scale."""


def worthwhile(image_size: Size, windows: tuple[Size, ...], num_glimpses: int) -> bool:
    """Whether building a pyramid costs less than `num_glimpses` direct reads.

    Building passes over every padded pixel of every level in order; a direct read gathers every pixel of every window,
    at about three times the price a pixel (measured, see docs/lab-notes.md).
    """
    build = sum((image_size[0] + height) * (image_size[1] + width) for height, width in windows)
    read = num_glimpses * sum(height * width for height, width in windows)
    return build <= 3 * read


def build_pyramid(
    image: UInt8[Tensor, "images channels height width"], size: Size, windows: tuple[Size, ...]
) -> Pyramid:
    """Sum images over the blocks of every scale; `windows` are `size` times 1, 2, 4, ..."""
    images, channels, height, width = image.shape
    levels = _layout(images * channels, (height, width), size, windows)
    last = levels[-1]
    memory = torch.zeros(last.base + images * channels * last.image, dtype=_sum_type(last.block), device=image.device)
    margin = last.block - 1
    sums = F.pad(image.flatten(0, 1), (margin,) * 4).to(memory.dtype) if margin else image.flatten(0, 1)
    for level in levels:
        if level.block > 1:
            half = level.block // 2
            sums = sums[:, :, :-half] + sums[:, :, half:]
            sums = sums[:, :-half] + sums[:, half:]
        _write(memory, level, sums, margin, (height, width))
    return Pyramid(memory, levels, (images, channels, height, width), size, windows)


def read_pyramid(pyramid: Pyramid, location: Float[Tensor, "batch 2"]) -> Float[Tensor, "batch planes h w"]:
    """The glimpses at each location, in [0, 1], just as `saccade.glimpse.foveate.foveate` gives them."""
    (images, channels, height, width), (h, w) = pyramid.shape, pyramid.size
    block, pad, image, row, run, offset, divisor = _constants(pyramid.levels, channels, h, location.device)
    x, y = (window_origin(location, (height, width), pyramid.windows) + pad).unbind(-1)
    which = torch.arange(len(location), device=location.device).remainder(images).unsqueeze(-1)
    start = which * image + y * row + x.remainder(block) * run + x // block
    runs = pyramid.memory.as_strided((pyramid.memory.numel() - w + 1, w), (1, 1))
    sums = runs.index_select(0, (start[..., None] + offset).flatten())
    return (sums.view(len(location), -1, channels * h * w) / divisor).view(len(location), -1, h, w)


def _layout(planes: int, image_size: Size, size: Size, windows: tuple[Size, ...]) -> tuple[Level, ...]:
    """The levels of `planes` channels of images, one behind the other."""
    levels: list[Level] = []
    for depth, (window, pad) in enumerate(zip(windows, padding(windows), strict=True)):
        block = 2**depth
        rows, columns = (
            max(0, side + 2 * before - extent) + extent - block + 1
            for side, before, extent in zip(image_size, pad, window, strict=True)
        )
        base = levels[-1].base + planes * levels[-1].image if levels else 0
        levels.append(Level(block, pad, rows, -(-columns // block), base))
    return tuple(levels)


def _sum_type(block: int) -> torch.dtype:
    """The smallest type that holds the sum over a block of uint8 pixels."""
    return {1: torch.uint8, 2: torch.int16, 4: torch.int16, 8: torch.int16}.get(block, torch.int32)


def _write(memory: Tensor, level: Level, sums: Tensor, margin: int, image_size: Size) -> None:
    """Put the sums, which begin `margin` pixels before the image, into their place, phase by phase."""
    place = memory[level.base : level.base + len(sums) * level.image]
    place = place.view(len(sums), level.rows, level.block, level.run)
    before = [min(level.block - 1, pad) for pad in level.pad]  # blocks that begin before the image reach into it
    bottom = min(level.rows, level.pad[0] + image_size[0])
    right = min(level.run * level.block, level.pad[1] + image_size[1])
    top, left = level.pad[0] - before[0], level.pad[1] - before[1]
    source = sums[:, margin - before[0] :, margin - before[1] :]
    for step in range(min(level.block, right - left)):
        run, phase = divmod(left + step, level.block)
        columns = source[:, : bottom - top, step : right - left : level.block]
        place[:, top:bottom, phase, run : run + columns.shape[-1]] = columns


@lru_cache(maxsize=64)  # as in `saccade.glimpse.location`
def _constants(
    levels: tuple[Level, ...], channels: int, h: int, device: torch.device
) -> tuple[Int64[Tensor, "*shape"] | Float[Tensor, "depth 1"], ...]:
    """The layout as tensors, by depth: block, padding (x, y), strides of image, row and phase; offsets; divisors."""
    numbers = [(x.block, *reversed(x.pad), channels * x.image, x.block * x.run, x.run) for x in levels]
    block, pad_x, pad_y, image, row, run = torch.tensor(numbers, device=device).T.contiguous()
    bases = torch.tensor([level.base for level in levels], device=device)
    plane = torch.arange(channels, device=device)[:, None] * (image // channels)[:, None, None]
    rows = torch.arange(h, device=device) * (block * row)[:, None, None]
    offset = (bases[:, None, None] + plane + rows).flatten(1)
    divisor = (255.0 * block.square()).unsqueeze(-1)
    return block, torch.stack([pad_x, pad_y], -1), image, row, run, offset, divisor
