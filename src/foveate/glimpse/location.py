"""Coordinates: what a location means in pixels.

Convention:
    A location is (x, y) in [-1, 1], x to the right, y down, as in `torch.nn.functional.grid_sample`.
    -1 and +1 put the center of an odd window on the first and the last pixel; an even window's center
    lies half a pixel inside. Sizes are (height, width), as everywhere in PyTorch.
"""

from collections.abc import Callable
from functools import lru_cache, wraps
from typing import ParamSpec, TypeVar

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.utils._python_dispatch import is_in_torch_dispatch_mode

from foveate.data.placement import Size

UNBOUNDED = 2**62  # pixels; keeps the side of a window an integer of 64 bits

Arguments = ParamSpec("Arguments")
Value = TypeVar("Value")


def constant(make: Callable[Arguments, Value]) -> Callable[Arguments, Value]:
    """Cache the tensors that `make` returns, since copying them to a GPU in every step would wait for it.

    Only ordinary tensors are cached. `make` runs outside of inference mode and should name the device and the type of
    every tensor, so that the cached value is right in any mode. Fake tensors and compiled code get their own.
    """

    @lru_cache(maxsize=64)
    def cached(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Value:
        with torch.inference_mode(False):
            return make(*args, **kwargs)

    @wraps(make)
    def get(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Value:
        if torch.compiler.is_compiling() or _makes_fake_tensors():
            return make(*args, **kwargs)
        return cached(*args, **kwargs)

    return get


def _makes_fake_tensors() -> bool:
    """Whether new tensors have no values now, as under `FakeTensorMode`."""
    return is_in_torch_dispatch_mode() and type(torch.empty(0, device="cpu")) is not Tensor


def window_sizes(size: Size, depth: int, scale: float) -> tuple[Size, ...]:
    """Height and width in pixels of the window of each scale: g_0 = size, g_k = floor(g_{k-1} * scale).

    >>> window_sizes((8, 6), depth=3, scale=1.5)
    ((8, 6), (12, 9), (18, 13))

    Source: Torch7 `SpatialGlimpse`.
    """
    windows = [size]
    for _ in range(depth - 1):
        height, width = windows[-1]
        windows.append((int(min(height * scale, UNBOUNDED)), int(min(width * scale, UNBOUNDED))))
    return tuple(windows)


def window_origin(
    location: Float[Tensor, "*batch 2"], image_size: Size, windows: tuple[Size, ...]
) -> Int64[Tensor, "*batch depth 2"]:
    """Pixel (x, y) of the top left corner of every window; negative where a window begins outside the image.

    With padding p = floor((g - 1) / 2) and u = (l + 1) / 2, the corner is
    floor(clamp(u * (H + 2p - g), 0, H + 2p - g)) - p, each axis with its own side.

    Convention: see the module. Locations beyond [-1, 1] are clamped.

    >>> window_origin(torch.tensor([[-1.0, 1.0]]), (28, 20), ((3, 3),))  # centered on the bottom left pixel
    tensor([[[-1, 26]]])
    """
    travel, pads = _travel(image_size, windows, location.device)
    position = (location.unsqueeze(-2) + 1) / 2 * travel
    position = position.nan_to_num(0.0)  # a diverged model must not read outside the image's memory
    return torch.minimum(position.clamp(min=0), travel).floor().long() - pads


def reach(unit_pixels: float, image_size: Size) -> tuple[float, float]:
    """Location (x, y) at a distance of `unit_pixels` pixels from the image's center: 2 * unit_pixels / side.

    >>> reach(14, (28, 56))
    (0.5, 1.0)

    Source: the Torch7 script's `unitPixels`; its 13 on 28 px is 0.93.
    """
    height, width = image_size
    return 2 * unit_pixels / width, 2 * unit_pixels / height


def padding(windows: tuple[Size, ...]) -> tuple[Size, ...]:
    """Zeros on each side of the image for each window: p = floor((g - 1) / 2), as (height, width)."""
    return tuple(((height - 1) // 2, (width - 1) // 2) for height, width in windows)


@constant
def _travel(
    image_size: Size, windows: tuple[Size, ...], device: torch.device
) -> tuple[Float[Tensor, "depth 2"], Int64[Tensor, "depth 2"]]:
    """Pixels (x, y) that each window's corner can move, and its padding."""
    rows, columns = image_size
    travel = []
    pads = []
    for (height, width), (above, left) in zip(windows, padding(windows), strict=True):
        travel.append((max(0, columns + 2 * left - width), max(0, rows + 2 * above - height)))
        pads.append((left, above))
    return (
        torch.tensor(travel, dtype=torch.float32, device=device),
        torch.tensor(pads, dtype=torch.int64, device=device),
    )


def coverage(
    location: Float[Tensor, "*batch 2"], image_size: Size, size: Size, windows: tuple[Size, ...]
) -> Float[Tensor, "*batch depth h w"]:
    """Share of each pixel of a patch that lies inside the image, where a patch averages blocks of its window.

    It is what a reader gives for an image of ones.

    Convention: see the module. `windows` are `size` times whole numbers.

    >>> coverage(torch.tensor([-1.0, 0.0]), (4, 4), (2, 2), ((4, 4),))  # the left half of the window lies outside
    tensor([[[0.5000, 1.0000],
             [0.5000, 1.0000]]])
    """
    corners = window_origin(location, image_size, windows).unbind(-2)
    shares = []
    for corner, (height, width) in zip(corners, windows, strict=True):
        rows = _overlap(corner[..., 1], size[0], height // size[0], image_size[0])
        columns = _overlap(corner[..., 0], size[1], width // size[1], image_size[1])
        shares.append(rows.unsqueeze(-1) * columns.unsqueeze(-2))
    return torch.stack(shares, dim=-3)


def _overlap(start: Int64[Tensor, "*batch"], count: int, block: int, side: int) -> Float[Tensor, "*batch count"]:
    """Share of each of `count` blocks in a row, from pixel `start` on, that lies within [0, side)."""
    first = start.unsqueeze(-1) + block * torch.arange(count, device=start.device)
    inside = (first + block).clamp(max=side) - first.clamp(min=0)
    return inside.clamp(min=0).float() / block


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
