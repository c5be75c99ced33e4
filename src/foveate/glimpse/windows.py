"""Native reader of glimpses: a C loop that makes one pass over the pixels of each window.

It takes any strides between rows, channels and images. Sums of bytes are integers, so their glimpses equal the
results of `foveate.glimpse.foveate` to the bit; sums of floats differ in the order of addition.
"""

from ctypes import CDLL, Array, c_int64, c_void_p
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from foveate.data.placement import Size
from foveate.glimpse.compiler import load
from foveate.glimpse.location import window_origin

SOURCE = Path(__file__).with_suffix(".c")
MAX_NATIVE_DEPTH = 9  # with nine scales, sums over blocks of 256 x 256 bytes are still exact
PIXELS = {
    torch.uint8: {"pixel": "uint8_t", "sum": "uint16_t", "total": "int32_t", "white": "255.0f"},
    torch.float32: {"pixel": "float", "sum": "float", "total": "float", "white": "1.0f"},
}


def can_read_natively(image: Shaped[Tensor, "images channels height width"], size: Size, depth: int) -> bool:
    """Whether the native reader takes these images: it can be compiled, and need not compute a gradient to them."""
    if image.device.type != "cpu" or image.dtype not in PIXELS or depth > MAX_NATIVE_DEPTH or image.stride(-1) != 1:
        return False
    if image.requires_grad or torch.compiler.is_exporting():  # an exported program may run where there is no compiler
        return False
    return _is_compiled(*size, is_bytes=image.dtype == torch.uint8)


def _is_compiled(height: int, width: int, *, is_bytes: bool) -> bool:
    return _loop(height, width, torch.uint8 if is_bytes else torch.float32) is not None


# What `torch.compiler.assume_constant_result` does, which would import all of the compiler, and sklearn if it is there.
_is_compiled.__dict__["_dynamo_marked_constant"] = True


def _loop(height: int, width: int, dtype: torch.dtype) -> CDLL | None:
    """The C loop for patches of this size."""
    return load(SOURCE, h=height, w=width, **PIXELS[dtype])


def read_windows(
    image: Shaped[Tensor, "images channels height width"],
    location: Float[Tensor, "batch 2"],
    size: Size,
    windows: tuple[Size, ...],
) -> Float[Tensor, "batch planes h w"]:
    """Glimpses at each location. `windows` are `size` times 1, 2, 4, ...; see `can_read_natively`."""
    corner = window_origin(location, (image.shape[2], image.shape[3]), windows)
    return _read(image, corner, *size)


# A custom operator, which `torch.compile` calls without tracing into it.
@torch.library.custom_op(
    "foveate::read_windows",
    mutates_args=(),
    device_types="cpu",
    schema="(Tensor image, Tensor corner, SymInt h, SymInt w) -> Tensor",
)
def _read(image: Tensor, corner: Tensor, h: int, w: int) -> Tensor:
    loop = _loop(h, w, image.dtype)
    if loop is None:
        raise RuntimeError("A compiled loop should be there, as `can_read_natively` checks. Found none.")
    corner = corner.contiguous()
    batch, depth = corner.shape[:2]
    glimpse = _empty(image, corner, h, w)
    loop.read_windows(
        c_void_p(image.data_ptr()),
        _int64s(image.shape),
        _int64s(image.stride()),
        c_void_p(corner.data_ptr()),
        *map(c_int64, (batch, depth, torch.get_num_threads())),
        c_void_p(glimpse.data_ptr()),
    )
    return glimpse


def _int64s(numbers: tuple[int, ...]) -> Array[c_int64]:
    """C array of 64-bit integers."""
    return (c_int64 * len(numbers))(*numbers)


@_read.register_fake
def _empty(image: Tensor, corner: Tensor, h: int, w: int) -> Tensor:
    """Uninitialized glimpses, of the type that the loop writes."""
    batch, depth = corner.shape[:2]
    channels = image.shape[1]
    return torch.empty(batch, depth * channels, h, w, dtype=torch.float32, device=image.device)


@_read.register_vmap
def _read_each(
    info: Any, in_dims: tuple[int | None, ...], image: Tensor, corner: Tensor, h: int, w: int
) -> tuple[Tensor, int]:
    """Glimpses under `torch.func.vmap`, one call after the other."""
    images, corners = (
        [value] * info.batch_size if dim is None else value.unbind(dim)
        for value, dim in zip((image, corner), in_dims[:2], strict=True)
    )
    return torch.stack([_read(*pair, h, w) for pair in zip(images, corners, strict=True)]), 0
