"""Direct reader of glimpses from bytes: copies the rows of each window, then pools by matrix products.

A window that reaches beyond the image is moved inside, so that each of its rows is a contiguous run of memory. Pooling
is a matrix product on either side, with 1/s where a pixel of the window belongs to a pixel of the patch and 0
elsewhere. The distance that the window was moved selects a slice of a longer matrix, the *band*: pixels outside the
true window meet zeros, and pixels outside the image are black, so they need not be added.

The cost depends on the pixels in the window, not on the size of the image. Sums of bytes are exact in float32, so the
glimpses equal the results of `foveate.glimpse.foveate` to the bit, for blocks of up to 256 x 256.
"""

import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor

from foveate.data.placement import Size
from foveate.glimpse.location import constant, padding, window_origin


def has_byte_rows(image: Tensor) -> bool:
    """Whether the image is of bytes with contiguous rows; other strides are free. An exported program keeps none."""
    return image.dtype == torch.uint8 and image.stride(-1) == 1 and not torch.compiler.is_exporting()


def read_runs(
    image: UInt8[Tensor, "images channels height width"],
    location: Float[Tensor, "batch 2"],
    size: Size,
    windows: tuple[Size, ...],
) -> Float[Tensor, "batch planes h w"]:
    """Glimpses at each location, in [0, 1]. `windows` are `size` times 1, 2, 4, ...; the image `has_byte_rows`."""
    batch = location.shape[0]
    device = location.device
    channels, height, width = image.shape[1:]
    room, pads = _room((height, width), windows, device)
    corner = window_origin(location, (height, width), windows)
    corner = corner.unsqueeze(1).expand(-1, channels, -1, -1).flatten(0, 1)  # one window per channel
    inside = torch.minimum(corner.clamp(min=0), room)
    x, y = inside.unbind(-1)
    start = y * image.stride(2) + x + _planes(image, batch)
    shift_x, shift_y = (inside - corner + pads).unbind(-1)
    patches = []
    for depth, (tall, wide) in enumerate(windows):
        h = min(tall, height)
        w = min(wide, width)
        pixels = _read(image, start[:, depth], (h, w)).float()
        rows = _slices(_band(size[0], tall, h, device), h, shift_y[:, depth])
        columns = _slices(_band(size[1], wide, w, device), w, shift_x[:, depth])
        patch = _product(_product(rows.transpose(1, 2), pixels), columns)
        patches.append(patch.view(batch, channels, *size))
    return torch.cat(patches, dim=1) / 255


def _planes(image: UInt8[Tensor, "images channels height width"], batch: int) -> Int64[Tensor, "planes 1"]:
    """Offsets in memory of the channels that each location reads."""
    images = torch.arange(batch, device=image.device) % image.shape[0] * image.stride(0)
    channels = torch.arange(image.shape[1], device=image.device) * image.stride(1)
    return (images.unsqueeze(1) + channels).view(-1, 1)


def _read(
    image: UInt8[Tensor, "images channels height width"], start: Int64[Tensor, " windows"], size: Size
) -> UInt8[Tensor, "windows tall wide"]:
    """Windows whose first pixels are at the offsets `start`; each row is copied as one run."""
    tall, wide = size
    rows = start.unsqueeze(-1) + torch.arange(tall, device=start.device) * image.stride(2)
    last = sum((count - 1) * stride for count, stride in zip(image.shape, image.stride(), strict=True))
    runs = image.as_strided((last + 2 - wide, wide), (1, 1))
    return runs.index_select(0, rows.flatten()).view(-1, tall, wide)


def _slices(
    band: Float[Tensor, "length size"], pixels: int, begin: Int64[Tensor, " windows"]
) -> Float[Tensor, "windows pixels size"]:
    """Slices of `pixels` rows of the band, from the row `begin` of each window."""
    length, size = band.shape
    runs = band.as_strided((length + 1 - pixels, pixels * size), (size, 1))
    return runs.index_select(0, begin).view(-1, pixels, size)


def _product(
    left: Float[Tensor, "windows rows inner"], right: Float[Tensor, "windows inner columns"]
) -> Float[Tensor, "windows rows columns"]:
    """Batched matrix product into given memory, which autocast leaves in float32."""
    return torch.bmm(left, right, out=left.new_empty(left.shape[0], left.shape[1], right.shape[2]))


@constant
def _band(size: int, window: int, pixels: int, device: torch.device) -> Float[Tensor, "length {size}"]:
    """Pooling matrix along one axis, with a row per pixel and enough more for every shift of a window."""
    pad = (window - 1) // 2
    each = window // size
    block = torch.arange(-pad, pixels + pad, device=device).div(each, rounding_mode="floor")
    return (block.unsqueeze(1) == torch.arange(size, device=device)).to(torch.float32) / each


@constant
def _room(
    image_size: Size, windows: tuple[Size, ...], device: torch.device
) -> tuple[Int64[Tensor, "depth 2"], Int64[Tensor, "depth 2"]]:
    """Largest corner (x, y) of each window that lies inside the image, and the padding of the windows."""
    height, width = image_size
    pads = padding(windows)
    last = [(max(0, width - wide), max(0, height - tall)) for tall, wide in windows]
    return (
        torch.tensor(last, dtype=torch.int64, device=device),
        torch.tensor([pad[::-1] for pad in pads], dtype=torch.int64, device=device),
    )
