"""Random augmentation of training images: warps, horizontal flips, brightness, contrast and erasing."""

import dataclasses
import math
from collections.abc import Callable

import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from torch.nn import functional as F

KNOTS = 5  # per side: the control points of an elastic distortion
WARPS = {"degrees": 180.0, "scale": 0.99, "translate": math.inf, "elastic": math.inf}
MAX_RANGE = WARPS | {"brightness": 1.0, "contrast": 1.0, "horizontal_flip": 1.0, "erasing": 1.0}
LEAST_ERASED = 0.02  # area of an erased rectangle as a share of the image, as in torchvision
MOST_ERASED = 0.33
MOST_STRETCHED = 3.3  # ratio of its sides, either way, as in torchvision
GRAY = (0.2989, 0.587, 0.114)  # weights of red, green and blue, as in torchvision


@dataclasses.dataclass(frozen=True, kw_only=True)
class Augmentation:
    """Largest rotation (degrees), scale (fraction), translation and elastic distortion (pixels), and changes of pixels.

    Each image of a batch gets its own parameters, uniform in [-range, range]; width and height are scaled separately.
    `brightness` and `contrast` multiply by a factor in [1 - range, 1 + range], contrast around the mean gray, as
    torchvision's `ColorJitter`. `horizontal_flip` and `erasing` are probabilities, as in `RandomHorizontalFlip` and
    `RandomErasing`; what is erased is black.
    An elastic distortion moves 5 x 5 control points by up to `elastic` pixels in x and y and interpolates between them
    with cubic splines. Pixels are interpolated bilinearly, and pixels outside the image are black.

    Source: Simard, Steinkraus, Platt, *Best Practices for Convolutional Neural Networks*, ICDAR 2003 (elastic; theirs
    blurs a draw at every pixel).

    Raises:
        ValueError: if a range is negative, `degrees` is above 180, `scale` above 0.99, or one of the last four above 1.

    Example:
        >>> image = torch.zeros(1, 1, 5, 5, dtype=torch.uint8)
        >>> Augmentation(degrees=10, scale=0.1)(image, torch.Generator().manual_seed(0)).shape
        torch.Size([1, 1, 5, 5])
    """

    degrees: float = 0.0
    scale: float = 0.0
    translate: float = 0.0
    elastic: float = 0.0
    brightness: float = 0.0
    contrast: float = 0.0
    horizontal_flip: float = 0.0
    erasing: float = 0.0

    def __post_init__(self) -> None:
        for name, most in MAX_RANGE.items():
            value = getattr(self, name)
            if not 0 <= value <= most:
                raise ValueError(f"`{name}` should be between 0 and {most:g}. Found `{name} = {value:g}`.")

    @property
    def is_identity(self) -> bool:
        """Whether images are returned unchanged."""
        return not any(getattr(self, name) for name in MAX_RANGE)

    def __call__(
        self, image: UInt8[Tensor, "batch channels height width"], generator: torch.Generator
    ) -> UInt8[Tensor, "batch channels height width"]:
        """Return a batch of augmented images; the generator is on their device."""

        def uniform(*shape: int) -> Tensor:
            return torch.rand(len(image), *shape, generator=generator, device=image.device) * 2 - 1

        if any(getattr(self, name) for name in WARPS):
            image = self._warp(image, uniform)
        if self.horizontal_flip:
            flipped = uniform(1, 1, 1) < 2 * self.horizontal_flip - 1
            image = torch.where(flipped, image.flip(-1), image)
        if self.brightness or self.contrast:
            image = recolor(image, 1 + self.brightness * uniform(1, 1, 1), 1 + self.contrast * uniform(1, 1, 1))
        if self.erasing:
            image = erase(image, uniform(5), self.erasing)
        return image

    def _warp(self, image: UInt8[Tensor, "batch channels height width"], uniform: Callable[..., Tensor]) -> Tensor:
        """Rotate, scale, move and bend."""
        height, width = image.shape[-2:]
        draws = uniform(5)
        translate = (2 * self.translate / width, 2 * self.translate / height)
        theta = affine(draws, self.degrees, self.scale, translate, width / height)
        grid = F.affine_grid(theta, list(image.shape), align_corners=False)
        if self.elastic:
            grid = grid + bend(uniform(2, KNOTS, KNOTS), self.elastic, (height, width))
        return F.grid_sample(image.float(), grid, align_corners=False).round_().to(torch.uint8)


def recolor(
    image: UInt8[Tensor, "batch channels height width"],
    brightness: Float[Tensor, "batch 1 1 1"],
    contrast: Float[Tensor, "batch 1 1 1"],
) -> UInt8[Tensor, "batch channels height width"]:
    """Multiply by `brightness`, and then the distance from the mean gray by `contrast`, bounded to 0..255."""
    bright = image.float().mul_(brightness).clamp_(0, 255)
    channels = image.shape[1]
    weights = bright.new_tensor(GRAY if channels == 3 else (1 / channels,) * channels)
    mean = (bright.mean((2, 3)) @ weights).view(-1, 1, 1, 1)
    return bright.sub_(mean).mul_(contrast).add_(mean).clamp_(0, 255).round_().to(torch.uint8)


def erase(
    image: UInt8[Tensor, "batch channels height width"], draws: Float[Tensor, "batch 5"], probability: float
) -> UInt8[Tensor, "batch channels height width"]:
    """Blacken a rectangle of some images, for draws in [-1, 1]: whether, area, ratio, row and column."""
    height, width = image.shape[-2:]
    chosen, share, stretch, row, column = draws.view(-1, 5, 1).unbind(1)
    area = height * width * (LEAST_ERASED + (MOST_ERASED - LEAST_ERASED) * (share + 1) / 2)
    ratio = MOST_STRETCHED**stretch
    tall = (area * ratio).sqrt().round().clamp(1, height)
    wide = (area / ratio).sqrt().round().clamp(1, width)
    top = ((row + 1) / 2 * (height - tall + 1)).floor()
    left = ((column + 1) / 2 * (width - wide + 1)).floor()
    y = torch.arange(height, device=image.device)
    x = torch.arange(width, device=image.device)
    rows = (y >= top) & (y < top + tall) & (chosen < 2 * probability - 1)
    columns = (x >= left) & (x < left + wide)
    return image.masked_fill((rows.unsqueeze(2) & columns.unsqueeze(1)).unsqueeze(1), 0)


def affine(
    draws: Float[Tensor, "batch 5"],
    degrees: float,
    scale: float,
    translate: tuple[float, float],
    aspect: float,
) -> Float[Tensor, "batch 2 3"]:
    """Return the matrix from points of the augmented image to points of the original, for draws in [-1, 1].

    Convention:
        (x, y) in [-1, 1], x to the right and y down, -1 and 1 the image's outer edges (`align_corners=False`).
        Positive draws rotate the image clockwise, enlarge it, and move it to the right and down.
    """
    turn, wider, taller, right, down = draws.unbind(1)
    angle = turn * math.radians(degrees)
    cos = angle.cos()
    sin = angle.sin()
    across = 1 / (1 + wider * scale)
    along = 1 / (1 + taller * scale)
    # The inverse map: undo the translation, then the rotation (in pixels, hence the aspect), then the scale.
    upper = torch.stack([cos * across, sin * across / aspect], 1)
    matrix = torch.stack([upper, torch.stack([-sin * along * aspect, cos * along], 1)], 1)
    offset = torch.stack([right * translate[0], down * translate[1]], 1)
    return torch.cat([matrix, -matrix @ offset.unsqueeze(2)], dim=2)


def bend(
    draws: Float[Tensor, "batch 2 knots knots"], elastic: float, size: tuple[int, int]
) -> Float[Tensor, "batch height width 2"]:
    """Return the offset from each point of the augmented image to its point in the original, for draws in [-1, 1].

    Convention:
        (x, y) as in `affine`. A draw of 1 fetches the pixel at the knot from `elastic` pixels further right or down.
        Knots are evenly spaced from the first pixel to the last.
    """
    height, width = size
    # Two small matrix products are five times as fast as `F.interpolate` on the whole batch, with the same result.
    field = _cubic(height, draws) @ draws @ _cubic(width, draws).mT
    return torch.stack([field[:, 0] * (2 * elastic / width), field[:, 1] * (2 * elastic / height)], dim=-1)


def _cubic(side: int, draws: Tensor) -> Float[Tensor, "side knots"]:
    """Return the cubic interpolation weight of every knot at every pixel of one side."""
    knots = draws.shape[-1]
    knot = torch.eye(knots, dtype=draws.dtype, device=draws.device)
    return F.interpolate(knot[None, None], (side, knots), mode="bicubic", align_corners=True)[0, 0]
