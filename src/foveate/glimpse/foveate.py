"""Plain reader of glimpses: pure functions from image and location to patches, batched, without a padded copy.

Each pixel of a patch is a weighted mean of a few pixels of its window, the *taps*: all of its 2^k x 2^k
pixels if the scale is 2 (average pooling), otherwise the four nearest (bilinear). Only these pixels are read, so the
cost does not depend on the size of the image.
"""

import torch
from jaxtyping import Float, Int64, Shaped
from torch import Tensor

from foveate.data.placement import Size
from foveate.glimpse.location import constant, window_origin, window_sizes


def foveate(
    image: Shaped[Tensor, "images channels height width"],
    location: Float[Tensor, "batch 2"],
    *,
    size: Size,
    depth: int,
    scale: float,
) -> Float[Tensor, "batch {depth}*channels h w"]:
    """Patches of growing windows around each location, all `size` pixels, fine scale first.

    With M * B locations for B images, location i looks at image i mod B.

    Convention: see `foveate.glimpse.location`. Pixels outside the image are 0. uint8 images are scaled to [0, 1].

    >>> image = torch.arange(25.0).view(1, 1, 5, 5)
    >>> foveate(image, torch.zeros(1, 2), size=(1, 1), depth=1, scale=2.0)
    tensor([[[[12.]]]])

    Source: Mnih et al. 2014, section 3.1 A; Torch7 `SpatialGlimpse`.
    """
    windows = window_sizes(size, depth, scale)
    corners = window_origin(location, (image.shape[-2], image.shape[-1]), windows).unbind(-2)
    patches = [
        read_window(image, corner, size, window, pooled=scale == 2)
        for corner, window in zip(corners, windows, strict=True)
    ]
    glimpse = patches[0] if depth == 1 else torch.cat(patches, dim=1)
    return glimpse / 255 if image.dtype == torch.uint8 else glimpse


def read_window(
    image: Shaped[Tensor, "images channels height width"],
    corner: Int64[Tensor, "batch 2"],
    size: Size,
    window: Size,
    *,
    pooled: bool,
) -> Float[Tensor, "batch channels h w"]:
    """Patch of `size` pixels from the window whose first pixel is `corner` (x, y)."""
    (row_taps, row_weights), (column_taps, column_weights) = (
        taps(after, before, pooled, corner.device, image.dtype if image.is_floating_point() else torch.float32)
        for after, before in zip(size, window, strict=True)
    )
    (height, rows_each), (width, columns_each) = row_taps.shape, column_taps.shape
    pixels = read_pixels(image, corner[:, 1:] + row_taps.flatten(), corner[:, :1] + column_taps.flatten())
    pixels = pixels if pixels.is_floating_point() else pixels.float()
    if window == size:
        return pixels
    blocks = pixels.view(*pixels.shape[:2], height, rows_each, width, columns_each)
    if pooled:
        return blocks.mean(dim=(-3, -1))
    return torch.einsum("bcytxs,yt,xs->bcyx", blocks, row_weights, column_weights)


def read_pixels(
    image: Shaped[Tensor, "images channels height width"],
    rows: Int64[Tensor, "batch h"],
    columns: Int64[Tensor, "batch w"],
) -> Shaped[Tensor, "batch channels h w"]:
    """Pixels at all pairs of rows and columns; 0 outside the image."""
    images, _, height, width = image.shape
    inside = ((rows >= 0) & (rows < height)).unsqueeze(-1) & ((columns >= 0) & (columns < width)).unsqueeze(-2)
    which = torch.arange(images, device=rows.device).repeat(rows.shape[0] // images)
    pixels = image[
        which.view(-1, 1, 1),
        :,
        rows.clamp(0, height - 1).unsqueeze(-1),
        columns.clamp(0, width - 1).unsqueeze(-2),
    ].movedim(-1, 1)
    return pixels * inside.unsqueeze(1)


@constant
def taps(
    size: int, window: int, pooled: bool, device: torch.device, dtype: torch.dtype
) -> tuple[Int64[Tensor, "size taps"], Float[Tensor, "size taps"]]:
    """Taps along one axis: the pixels of the window that make each of `size` pixels, and their weights.

    Pooled, they are all pixels of a block. Otherwise they are the two next to
    position = i * (window - 1) / (size - 1), as in Torch7's `SpatialReSampling` (`align_corners=True` today).
    """
    if window == size:
        return torch.arange(size, device=device).view(size, 1), torch.ones(size, 1, device=device, dtype=dtype)
    if pooled:
        each = window // size
        offsets = torch.arange(window, device=device).view(size, each)
        return offsets, torch.full((size, each), 1 / each, device=device, dtype=dtype)
    position = torch.arange(size, dtype=torch.float64, device="cpu") * ((window - 1) / max(1, size - 1))
    first = position.floor().clamp(max=max(0, window - 2))
    fraction = (position - first).clamp(max=1)
    offsets = torch.stack([first, (first + 1).clamp(max=window - 1)], dim=1).long()
    return offsets.to(device), torch.stack([1 - fraction, fraction], dim=1).to(device, dtype)
