"""Reading glimpses of many images by a loop in C: one pass over the bytes of each window, and nothing made ready.

What the image's memory holds is read where it lies, whatever lies between rows, channels and images. Sums of bytes are
whole numbers, so the glimpse is that of `foveate.glimpse.runs` to the bit.
"""

from ctypes import c_int64
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from foveate.glimpse.compiler import address, int64s, load
from foveate.glimpse.location import Size, window_origin

SOURCE = Path(__file__).with_suffix(".c")
MANY = 32  # images at once: fewer are hardly trained on, and compiling would take longer than it saves
SCALES = range(2, 10)  # a single scale needs no sums; those of nine, over 256 x 256 pixels, are exact yet


@dataclass(frozen=True)
class Windows:
    """A batch of images that a loop reads."""

    image: UInt8[Tensor, "images channels height width"]
    size: Size
    """Height and width in pixels of a patch."""
    windows: tuple[Size, ...]
    """Height and width in pixels of the window of each scale: `size` times 1, 2, 4, ..."""


def readable(image: UInt8[Tensor, "images channels height width"], size: Size, depth: int) -> bool:
    """Whether a loop pays for these images, whose rows are runs of memory, and could be compiled: here and now."""
    pays = image.device.type == "cpu" and len(image) >= MANY and depth in SCALES
    return pays and load(SOURCE, h=size[0], w=size[1]) is not None


def read_windows(images: Windows, location: Float[Tensor, "batch 2"]) -> Float[Tensor, "batch planes h w"]:
    """The glimpses at each location, in [0, 1], just as `foveate.glimpse.runs` reads them."""
    image, (height, width) = images.image, images.size
    corner = window_origin(location, (image.shape[2], image.shape[3]), images.windows)
    return _read(image, corner, height, width)


# As one operation, `torch.compile` takes the call as it is.
@torch.library.custom_op(
    "foveate::read_windows",
    mutates_args=(),
    device_types="cpu",
    schema="(Tensor image, Tensor corner, SymInt h, SymInt w) -> Tensor",
)
def _read(image: Tensor, corner: Tensor, h: int, w: int) -> Tensor:
    loop = load(SOURCE, h=h, w=w)
    assert loop is not None  # `readable` has asked for it
    corner, (batch, depth) = corner.contiguous(), corner.shape[:2]
    glimpse = _empty(image, corner, h, w)
    loop.read_windows(
        address(image),
        int64s(*image.shape),
        int64s(*image.stride()),
        address(corner),
        *map(c_int64, (batch, depth, torch.get_num_threads())),
        address(glimpse),
    )
    return glimpse


@_read.register_fake
def _empty(image: Tensor, corner: Tensor, h: int, w: int) -> Tensor:
    """Memory for the glimpses, in the type that the loop writes."""
    (batch, depth), channels = corner.shape[:2], image.shape[1]
    return torch.empty(batch, depth * channels, h, w, dtype=torch.float32, device=image.device)
