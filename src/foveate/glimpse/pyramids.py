"""Reader of glimpses of images too large to load: each scale from the level of a pyramid that matches it."""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from foveate.data.placement import Size
from foveate.data.pyramid import Pixels, Pyramid
from foveate.glimpse.location import boxes, coverage, window_origin

AT_ONCE = 2**22  # pixels that are averaged at once


class Pyramids:
    """A batch of images too large to load, in place of a tensor of images. Their sizes may differ.

    Args:
        pyramids: all with the same channels, see `foveate.data.pyramid.Pyramid`.
        device: where glimpses go.

    Raises:
        ValueError: if there is none, or their channels differ.

    Example:
        >>> import foveate, numpy as np
        >>> from foveate.data.pyramid import ArrayPyramid
        >>> model = foveate.build(foveate.config.Model(image=(1, 28, 28), classes=("a", "b")))
        >>> images = Pyramids([ArrayPyramid(np.zeros((5000, 4000, 1), np.uint8))])
        >>> model(images).logits.shape
        torch.Size([7, 1, 2])
    """

    def __init__(self, pyramids: Sequence[Pyramid], device: torch.device | str = "cpu") -> None:
        channels = {pyramid.shape[2] for pyramid in pyramids}
        if len(channels) != 1:
            raise ValueError(f"`pyramids` should have one number of channels. Found {sorted(channels) or 'none'}.")
        self.pyramids = list(pyramids)
        self.channels: int = channels.pop()
        self.device = torch.device(device)

    def __len__(self) -> int:
        return len(self.pyramids)

    @property
    def batch_size(self) -> int:
        """Number of images."""
        return len(self.pyramids)

    def __call__(self, hidden: Tensor) -> "Pyramids":
        """The same images at every step, as a `Scene` is asked for."""
        return self

    def index_select(self, dim: int, index: Int64[Tensor, " kept"]) -> "Pyramids":
        """The images of these numbers, as of a tensor."""
        return Pyramids([self.pyramids[i] for i in index.tolist()], self.device)


def read_pyramids(
    images: Pyramids, location: Float[Tensor, "batch 2"], size: Size, windows: tuple[Size, ...]
) -> tuple[Float[Tensor, "batch planes h w"], Float[Tensor, "batch depth h w"]]:
    """Glimpses at each location, and the share of each pixel that lies inside the image.

    Scale k has a window of `size` pixels in the level that is 2^k times smaller than level 0, placed there as in an
    image of that size. Where this level is missing, blocks of the next finer one are averaged.

    Convention: see `foveate.glimpse.location`. With M * B locations for B images, location i looks at image i mod B.
    """
    place = location.detach().cpu()
    groups: dict[tuple[Size, ...], list[int]] = {}
    for row in range(len(place)):
        levels = tuple(images.pyramids[row % len(images)].levels)
        groups.setdefault(levels, []).append(row)
    glimpse = torch.empty(len(place), len(windows), images.channels, *size)
    inside = torch.empty(len(place), len(windows), *size)
    for levels, rows in groups.items():
        for k, (height, _) in enumerate(windows):
            level, block = level_of(levels, height // size[0])
            window = (size[0] * block, size[1] * block)
            corners = window_origin(place[rows], levels[level], (window,))[:, 0].tolist()
            inside[rows, k] = coverage(place[rows], levels[level], size, (window,))[:, 0].to(inside.dtype)
            many = max(1, AT_ONCE // (window[0] * window[1]))
            for first in range(0, len(rows), many):
                some = rows[first : first + many]
                pixels = np.zeros((len(some), *window, images.channels), np.uint8)
                for place_in, row, (x, y) in zip(pixels, some, corners[first:], strict=False):
                    _fill(place_in, images.pyramids[row % len(images)], level, y, x)
                blocks = torch.from_numpy(pixels).movedim(3, 1).float()
                blocks = blocks.reshape(len(some), -1, size[0], block, size[1], block)
                glimpse[some, k] = blocks.mean(dim=(-3, -1)) / 255
    return glimpse.flatten(1, 2).to(location.device), inside.to(location.device)


def pyramid_boxes(
    location: Float[Tensor, "batch 2"], levels: Sequence[Size], windows: tuple[Size, ...], shown: Size
) -> Int64[Tensor, "batch depth 4"]:
    """Box (x0, y0, x1, y1) of the window of every scale on a picture of the whole image, of (height, width) `shown`.

    Convention: see `foveate.glimpse.location.boxes`. A window smaller than a pixel of the picture has a box of one.
    """
    found = []
    for height, _ in windows:
        level, block = level_of(levels, height // windows[0][0])
        window = (windows[0][0] * block, windows[0][1] * block)
        high, wide = levels[level]
        zoom = torch.tensor([shown[1] / wide, shown[0] / high], dtype=torch.float64, device=location.device)
        box = boxes(location, levels[level], (window,))[:, 0].double()
        found.append(torch.cat([(box[:, :2] * zoom).floor(), (box[:, 2:] * zoom).ceil()], dim=1).long())
    return torch.stack(found, dim=1)


def level_of(levels: Sequence[Size], factor: int) -> tuple[int, int]:
    """The coarsest level that is at most `factor` times smaller than level 0, and how many of its pixels make one.

    Levels whose sides are not those of level 0 divided by a power of 2, rounded down or up, are passed over.

    >>> level_of([(1000, 1000), (250, 250)], 8)
    (1, 2)
    """
    found = (0, factor)
    for number, size in enumerate(levels):
        for power in range(factor.bit_length()):
            halvings = 2**power
            exact = [
                side in (full // halvings, -(-full // halvings)) for side, full in zip(size, levels[0], strict=True)
            ]
            if all(exact) and factor // halvings < found[1]:
                found = (number, factor // halvings)
    return found


def _fill(window: Pixels, pyramid: Pyramid, level: int, y: int, x: int) -> None:
    """Copy the pixels of a level from row y, column x on into a window of zeros; what lies outside stays 0."""
    height, width = pyramid.levels[level]
    top = max(0, y)
    left = max(0, x)
    high = min(height, y + len(window)) - top
    wide = min(width, x + window.shape[1]) - left
    if high > 0 and wide > 0:
        window[top - y : top - y + high, left - x : left - x + wide] = pyramid.read(level, top, left, high, wide)
