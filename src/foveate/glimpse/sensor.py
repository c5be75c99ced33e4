"""SpatialGlimpse: the sensor as a module, which checks its inputs and chooses the fastest reader."""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn

from foveate.data.placement import Size
from foveate.glimpse.foveate import foveate
from foveate.glimpse.location import coverage, window_sizes
from foveate.glimpse.pyramids import Pyramids, read_pyramids
from foveate.glimpse.runs import has_byte_rows, read_runs
from foveate.glimpse.windows import can_read_natively, read_windows

TYPES = (torch.uint8, torch.bool, torch.float16, torch.bfloat16, torch.float32, torch.float64)
MAX_WINDOW = 2**16  # pixels; larger than any image, and far from an overflow


class SpatialGlimpse(nn.Module):
    """A glimpse rho(x, l): `depth` patches of `size` pixels around a location, each seeing `scale` times as far.

    Convention:
        location is (x, y) in [-1, 1], x right, y down; -1 and +1 put an odd window's center on the first and the
        last pixel. Locations beyond are clamped, pixels outside the image are 0. Fine scale first, so that
        `chunk(depth, dim=1)` unrolls the scales.

    The image may be uint8 (scaled to [0, 1]), bool or floating point. The glimpse has a gradient to the image and none
    to the location, which is learned by REINFORCE.

    With `mean` and `std` the glimpse is standardized: rho((x - mean) / std, l), pixels outside the image still 0.

    Args:
        size: side in pixels of every patch, or (height, width).
        depth: number of patches.
        scale: ratio of successive windows, at least 1. With 2 blocks of pixels are averaged, otherwise it is bilinear.
        mean: of each channel over the training images, which are in [0, 1].
        std: their standard deviation.

    Raises:
        ValueError: if size, depth, scale or std is too small, the image is of another type, or shapes do not match.

    Example:
        >>> import torch
        >>> sensor = SpatialGlimpse(size=64, depth=3, scale=2)
        >>> sensor(torch.rand(3, 512, 512), torch.zeros(2)).shape
        torch.Size([9, 64, 64])

    Source: Mnih et al. 2014, section 3.1 A and figure 1; Torch7 `dpnn/SpatialGlimpse.lua`.
    """

    mean: Tensor | None
    std: Tensor | None

    def __init__(
        self,
        size: int | Size,
        depth: int = 3,
        scale: float = 2,
        *,
        mean: Sequence[float] = (),
        std: Sequence[float] = (),
    ) -> None:
        super().__init__()
        sides: tuple[int, ...] = ()
        if isinstance(size, int):
            sides = (size, size)
        elif isinstance(size, (tuple, list)):
            sides = tuple(size)
        if len(sides) != 2 or not all(isinstance(side, int) for side in sides):
            raise ValueError(f"`size` should be a whole number or (height, width). Found `size = {size}`.")
        if min(sides) < 1:
            raise ValueError(f"`size` should be at least 1. Found `size = {size}`.")
        self.size: Size = (sides[0], sides[1])
        self.depth = depth
        self.scale = float(scale)
        if depth < 1:
            raise ValueError(f"`depth` should be at least 1. Found `depth = {depth}`.")
        if not (math.isfinite(scale) and scale >= 1):
            raise ValueError(f"`scale` should be at least 1. Found `scale = {scale}`.")
        self.windows = window_sizes(self.size, depth, self.scale)
        if max(self.windows[-1]) > MAX_WINDOW:
            raise ValueError(
                f"`depth` and `scale` should keep windows within {MAX_WINDOW} pixels. "
                f"Found a window of {max(self.windows[-1])} with `depth = {depth}` and `scale = {scale}`."
            )
        if len(mean) != len(std) or not all(value > 0 for value in std):
            raise ValueError(
                f"`mean` and `std` should have one number for each channel, `std` above 0. Found {mean} and {std}."
            )
        for name, values in (("mean", mean), ("std", std)):
            self.register_buffer(name, torch.tensor(values).view(-1, 1, 1) if values else None)

    def forward(
        self, image: Shaped[Tensor, "*images channels height width"] | Pyramids, location: Float[Tensor, "*batch 2"]
    ) -> Float[Tensor, "*batch planes h w"]:
        """Glimpse of each image at its location, batched or single. M * B locations read each of B images M times."""
        if isinstance(image, Pyramids):
            return self._read_pyramids(image, location)
        single = image.ndim == 3
        if single:
            image = image.unsqueeze(0)
            location = location.unsqueeze(0)
        self._check(image, location)
        if self.pooled and can_read_natively(image, self.size, self.depth):
            glimpse = read_windows(image, location, self.size, self.windows)
        elif self.pooled and has_byte_rows(image):
            glimpse = read_runs(image, location, self.size, self.windows)
        else:
            glimpse = foveate(image, location, size=self.size, depth=self.depth, scale=self.scale)
        if self.mean is not None:
            glimpse = self._standardize(glimpse, self._inside(glimpse, location, (image.shape[2], image.shape[3])))
        return glimpse.squeeze(0) if single else glimpse

    def _read_pyramids(self, images: Pyramids, location: Tensor) -> Tensor:
        """Glimpse of images too large to load."""
        self._check_location(location, len(images))
        self._check_channels(images.channels)
        if not self.pooled:
            raise ValueError(f"`scale` should be 2 where levels of an image are read. Found `scale = {self.scale:g}`.")
        glimpse, inside = read_pyramids(images, location, self.size, self.windows)
        return glimpse if self.mean is None else self._standardize(glimpse, inside)

    def _inside(self, glimpse: Tensor, location: Tensor, image_size: Size) -> Tensor:
        """Share of each pixel of a glimpse that lies inside the image."""
        if self.pooled:
            return coverage(location, image_size, self.size, self.windows)
        ones = glimpse.new_ones(1, 1, *image_size)
        return foveate(ones, location, size=self.size, depth=self.depth, scale=self.scale)

    def _standardize(self, glimpse: Tensor, inside: Tensor) -> Tensor:
        """Glimpse of (x - mean) / std: of a mean only what lies inside the image is subtracted."""
        if self.mean is None or self.std is None:
            return glimpse
        inside = inside.to(glimpse.dtype).unsqueeze(2)
        planes = glimpse.unflatten(1, (self.depth, len(self.mean)))
        return ((planes - self.mean.to(glimpse.dtype) * inside) / self.std.to(glimpse.dtype)).flatten(1, 2)

    @property
    def pooled(self) -> bool:
        """Whether patches are means over blocks of pixels, not interpolated."""
        return self.scale == 2 or self.depth == 1

    def _check(self, image: Tensor, location: Tensor) -> None:
        """Check types and shapes."""
        if image.ndim != 4 or 0 in image.shape:
            raise ValueError(
                f"`image` should be (batch, channels, height, width), none of them 0. Found {tuple(image.shape)}."
            )
        if image.dtype not in TYPES:
            advice = (
                "`image.float()` reads [0, 1]" if image.is_floating_point() else "`image.to(torch.uint8)` reads 0..255"
            )
            raise ValueError(
                f"`image` should be uint8 in 0..255, or floating point in [0, 1]. Found {image.dtype}; {advice}."
            )
        self._check_location(location, image.shape[0])
        self._check_channels(image.shape[1])

    def _check_location(self, location: Tensor, num_images: int) -> None:
        """Check the shape of the locations."""
        if location.ndim != 2 or location.shape[1] != 2 or location.shape[0] % num_images:
            raise ValueError(
                f"`location` should be one (x, y) for each of the {num_images} images, or a multiple. "
                f"Found the shape {tuple(location.shape)}."
            )

    def _check_channels(self, channels: int) -> None:
        """Check that there is a mean for each channel."""
        if self.mean is not None and channels != len(self.mean):
            raise ValueError(f"`image` should have {len(self.mean)} channel(s), as `mean` has. Found {channels}.")

    def extra_repr(self) -> str:
        """Arguments in the output of `print`."""
        return f"size={self.size}, depth={self.depth}, scale={self.scale:g}"
