"""The one home of coordinates: what a location means in pixels.

Convention:
    A location is (x, y) in [-1, 1], x to the right, y down, as in `torch.nn.functional.grid_sample`.
    -1 and +1 put the centre of an odd window on the first and the last pixel; an even window's centre
    lies half a pixel inside. Sizes are (height, width), as everywhere in PyTorch.
"""

from collections.abc import Callable
from functools import lru_cache, wraps
from typing import ParamSpec, TypeVar

import torch
from jaxtyping import Float, Int64
from torch import Tensor

Size = tuple[int, int]
ENDLESS = 2**62  # pixels: wider than anything, and still a whole number

Arguments = ParamSpec("Arguments")
Value = TypeVar("Value")


def constant(make: Callable[Arguments, Value]) -> Callable[Arguments, Value]:
    """Keep what `make` gives: made anew in every step it would cost a copy, and on a GPU a host synchronisation.

    What `torch.compile` makes of a function keeps its constants by itself.
    """
    kept = lru_cache(maxsize=64)(make)

    @wraps(make)
    def get(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Value:
        return make(*args, **kwargs) if torch.compiler.is_compiling() else kept(*args, **kwargs)

    return get


def window_sizes(size: Size, depth: int, scale: float) -> tuple[Size, ...]:
    """Height and width in pixels of the window of each scale: g_0 = size, g_k = floor(g_{k-1} * scale).

    >>> window_sizes((8, 6), depth=3, scale=1.5)
    ((8, 6), (12, 9), (18, 13))

    Source: Torch7 `SpatialGlimpse`.
    """
    windows = [size]
    for _ in range(depth - 1):
        height, width = windows[-1]
        windows.append((int(min(height * scale, ENDLESS)), int(min(width * scale, ENDLESS))))
    return tuple(windows)


def window_origin(
    location: Float[Tensor, "*batch 2"], image_size: Size, windows: tuple[Size, ...]
) -> Int64[Tensor, "*batch depth 2"]:
    """Pixel (x, y) of the top left corner of every window; negative where a window begins outside the image.

    With padding p = floor((g - 1) / 2) and u = (l + 1) / 2, the corner is
    floor(clamp(u * (H + 2p - g), 0, H + 2p - g)) - p, each axis with its own side.

    Convention: see the module. Locations beyond [-1, 1] are clamped.

    >>> window_origin(torch.tensor([[-1.0, 1.0]]), (28, 20), ((3, 3),))  # centred on the bottom left pixel
    tensor([[[-1, 26]]])
    """
    travel, pads = _travel(image_size, windows, location.device)
    position = (location.unsqueeze(-2) + 1) / 2 * travel
    position = position.nan_to_num(0.0)  # a model that diverged should be told so, not read outside its memory
    return torch.minimum(position.clamp(min=0), travel).floor().long() - pads


def reach(unit_pixels: float, image_size: Size) -> tuple[float, float]:
    """Location (x, y) that lies `unit_pixels` pixels from the image's centre: 2 * unit_pixels / side.

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
    """How many pixels (x, y) each window's corner can move, and its padding."""
    travel = [
        [max(0, side + 2 * pad - extent) for side, pad, extent in zip(image_size, before, window, strict=True)][::-1]
        for before, window in zip(padding(windows), windows, strict=True)
    ]
    pads = [before[::-1] for before in padding(windows)]
    return torch.tensor(travel, dtype=torch.float32, device=device), torch.tensor(pads, device=device)
