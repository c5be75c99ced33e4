"""Reading glimpses of bytes run by run: rows of a window are copied as they lie in memory, then pooled by products.

A window that reaches beyond the image is moved inside, so that every row of it is one run of the image's memory.
Pooling is a product from either side, with 1/s where a pixel lies in the block of s pixels that a pixel of the patch
stands for, and 0 elsewhere. How far the window was moved decides which slice of a longer matrix, the *band*, that is:
pixels that the window should not have seen meet zeros, and what it should have seen outside the image is black anyway.

The cost is that of the pixels in the window, however large the image is. Sums of bytes are exact in float32, so the
glimpse is that of `foveate.glimpse.foveate` to the bit, for blocks of up to 256 x 256.
"""

import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor

from foveate.glimpse.location import Size, constant, padding, window_origin


def in_runs(image: Tensor) -> bool:
    """Whether these are bytes whose rows are runs of memory, whatever lies between rows, channels and images."""
    return image.dtype == torch.uint8 and image.stride(-1) == 1


def read_runs(
    image: UInt8[Tensor, "images channels height width"],
    location: Float[Tensor, "batch 2"],
    size: Size,
    windows: tuple[Size, ...],
) -> Float[Tensor, "batch planes h w"]:
    """The glimpses at each location, in [0, 1]; `windows` are `size` times 1, 2, 4, ..., and the image is `in_runs`."""
    batch, device, (channels, height, width) = len(location), location.device, image.shape[1:]
    room, pads = _room((height, width), windows, device)
    corner = window_origin(location, (height, width), windows)
    corner = corner.unsqueeze(1).expand(-1, channels, -1, -1).flatten(0, 1)  # each channel is looked at by itself
    inside = torch.minimum(corner.clamp(min=0), room)
    x, y = inside.unbind(-1)
    start = y * image.stride(2) + x + _planes(image, batch)
    beside, above = (inside - corner + pads).unbind(-1)
    patches = []
    for depth, (tall, wide) in enumerate(windows):
        h, w = min(tall, height), min(wide, width)
        pixels = _read(image, start[:, depth], (h, w)).float()
        rows = _slices(_band(size[0], tall, h, device), h, above[:, depth])
        columns = _slices(_band(size[1], wide, w, device), w, beside[:, depth])
        patch = _product(_product(rows.transpose(1, 2), pixels), columns)
        patches.append(patch.view(batch, channels, *size))
    return torch.cat(patches, dim=1) / 255


def _planes(image: UInt8[Tensor, "images channels height width"], batch: int) -> Int64[Tensor, "planes 1"]:
    """Where the channels of the image that each location looks at begin in memory."""
    images, channels = (
        torch.arange(count, device=image.device) % size * stride
        for count, size, stride in zip((batch, image.shape[1]), image.shape, image.stride(), strict=False)
    )
    return (images.unsqueeze(1) + channels).view(-1, 1)


def _read(
    image: UInt8[Tensor, "images channels height width"], start: Int64[Tensor, " windows"], size: Size
) -> UInt8[Tensor, "windows tall wide"]:
    """The windows whose first pixels lie at `start` in the image's memory: one index a row, copied whole."""
    (tall, wide), pitch = size, image.stride(2)
    rows = start.unsqueeze(-1) + torch.arange(tall, device=start.device) * pitch
    last = sum((count - 1) * stride for count, stride in zip(image.shape, image.stride(), strict=True))
    runs = image.as_strided((last + 2 - wide, wide), (1, 1))
    return runs.index_select(0, rows.flatten()).view(-1, tall, wide)


def _slices(
    band: Float[Tensor, "length size"], pixels: int, begin: Int64[Tensor, " windows"]
) -> Float[Tensor, "windows pixels size"]:
    """The `pixels` rows of the band from each of `begin`."""
    length, size = band.shape
    runs = band.as_strided((length + 1 - pixels, pixels * size), (size, 1))
    return runs.index_select(0, begin).view(-1, pixels, size)


def _product(
    left: Float[Tensor, "windows rows inner"], right: Float[Tensor, "windows inner columns"]
) -> Float[Tensor, "windows rows columns"]:
    """The product of each pair, into memory that is there: anywhere else autocast would round it."""
    return torch.bmm(left, right, out=left.new_empty(len(left), left.shape[1], right.shape[2]))


@constant
def _band(size: int, window: int, pixels: int, device: torch.device) -> Float[Tensor, "length {size}"]:
    """What pools `pixels` of a window along one axis, a row for each, with as many more as a window is moved."""
    pad, each = (window - 1) // 2, window // size
    block = torch.arange(-pad, pixels + pad, device=device).div(each, rounding_mode="floor")
    return (block.unsqueeze(1) == torch.arange(size, device=device)) / each


@constant
def _room(
    image_size: Size, windows: tuple[Size, ...], device: torch.device
) -> tuple[Int64[Tensor, "depth 2"], Int64[Tensor, "depth 2"]]:
    """The last pixel (x, y) at which each window, or all of the image, lies inside; and the windows' padding."""
    (height, width), pads = image_size, padding(windows)
    last = [(max(0, width - wide), max(0, height - tall)) for tall, wide in windows]
    return torch.tensor(last, device=device), torch.tensor([pad[::-1] for pad in pads], device=device)
