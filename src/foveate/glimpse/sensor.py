"""SpatialGlimpse: the retina, a module that checks what it is given and reads it as fast as it can."""

import math

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn

from foveate.glimpse.foveate import foveate
from foveate.glimpse.location import Size, window_sizes
from foveate.glimpse.pyramid import Pyramid, build_pyramid, read_pyramid, worthwhile
from foveate.glimpse.runs import in_runs, read_runs
from foveate.glimpse.windows import Windows, read_windows, readable

Prepared = Shaped[Tensor, "*images channels height width"] | Pyramid | Windows
"""Images as they are, or made ready to be looked at many times."""
WIDEST = 2**16  # pixels: beyond any image, and far below what overflows


class SpatialGlimpse(nn.Module):
    """A glimpse rho(x, l): `depth` patches of `size` pixels around a location, each seeing `scale` times as far.

    Convention:
        location is (x, y) in [-1, 1], x right, y down; -1 and +1 put an odd window's centre on the first and the
        last pixel. Locations beyond are clamped, pixels outside the image are 0. Fine scale first, so that
        `chunk(depth, dim=1)` unrolls the scales.

    The image may be uint8 (read as [0, 1]) or floating point. The glimpse has a gradient to the image and exactly
    none to the location, which is learned by REINFORCE.

    Args:
        size: side in pixels of every patch, or (height, width).
        depth: number of patches.
        scale: ratio of successive windows, at least 1. 2 averages blocks of pixels, anything else is bilinear.

    Raises:
        ValueError: if size, depth or scale is too small, or if image and location do not fit each other.

    Example:
        >>> import torch
        >>> sensor = SpatialGlimpse(size=64, depth=3, scale=2)
        >>> sensor(torch.rand(3, 512, 512), torch.zeros(2)).shape
        torch.Size([9, 64, 64])

    Source: Mnih et al. 2014, section 3.1 A and figure 1; Torch7 `dpnn/SpatialGlimpse.lua`.
    """

    def __init__(self, size: int | Size, depth: int = 3, scale: float = 2) -> None:
        super().__init__()
        sides = (size, size) if isinstance(size, int) else tuple(size) if isinstance(size, (tuple, list)) else ()
        if len(sides) != 2 or not all(isinstance(side, int) for side in sides):
            raise ValueError(f"`size` should be a whole number or (height, width). Found `size = {size}`.")
        if min(sides) < 1:
            raise ValueError(f"`size` should be at least 1. Found `size = {size}`.")
        self.size: Size = (sides[0], sides[1])
        self.depth, self.scale = depth, float(scale)
        if depth < 1:
            raise ValueError(f"`depth` should be at least 1. Found `depth = {depth}`.")
        if not (math.isfinite(scale) and scale >= 1):
            raise ValueError(f"`scale` should be at least 1. Found `scale = {scale}`.")
        self.windows = window_sizes(self.size, depth, self.scale)
        if max(self.windows[-1]) > WIDEST:
            raise ValueError(
                f"`depth` and `scale` should keep windows within {WIDEST} pixels. "
                f"Found a window of {max(self.windows[-1])} with `depth = {depth}` and `scale = {scale}`."
            )

    def forward(self, image: Prepared, location: Float[Tensor, "*batch 2"]) -> Float[Tensor, "*batch planes h w"]:
        """The glimpse of each image at its location: batched or single; M * B locations look M times at B images."""
        if isinstance(image, Pyramid):
            return read_pyramid(image, location)
        if isinstance(image, Windows):
            self._check(image.image, location)
            return read_windows(image, location)
        single = image.ndim == 3
        if single:
            image, location = image.unsqueeze(0), location.unsqueeze(0)
        self._check(image, location)
        if self.pooled and in_runs(image):
            glimpse = read_runs(image, location, self.size, self.windows)
        else:
            glimpse = foveate(image, location, size=self.size, depth=self.depth, scale=self.scale)
        return glimpse.squeeze(0) if single else glimpse

    def prepare(self, image: Shaped[Tensor, "images channels height width"], num_glimpses: int) -> Prepared:
        """Images to be looked at `num_glimpses` times each: for a loop in C, as a pyramid, or as they are."""
        if not (self.pooled and image.dtype == torch.uint8):
            return image
        if in_runs(image) and readable(image, self.size, self.depth):
            return Windows(image, self.size, self.windows)
        if worthwhile((image.shape[-2], image.shape[-1]), self.windows, num_glimpses):
            return build_pyramid(image, self.size, self.windows)
        return image

    @property
    def pooled(self) -> bool:
        """Whether every patch is made of means over blocks of pixels, rather than of interpolated pixels."""
        return self.scale == 2 or self.depth == 1

    def _check(self, image: Tensor, location: Tensor) -> None:
        """Refuse what cannot be looked at, in one sentence."""
        if image.ndim != 4 or 0 in image.shape:
            raise ValueError(
                f"`image` should be (batch, channels, height, width), none of them 0. Found {tuple(image.shape)}."
            )
        if location.ndim != 2 or location.shape[1] != 2 or len(location) % len(image):
            raise ValueError(
                f"`location` should be one (x, y) for each of the {len(image)} images, or a multiple. "
                f"Found the shape {tuple(location.shape)}."
            )

    def extra_repr(self) -> str:
        """What `print` shows."""
        return f"size={self.size}, depth={self.depth}, scale={self.scale:g}"
