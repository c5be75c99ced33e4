"""Distortion: every training image turned, slanted, scaled, moved and bent, another way each time it is shown."""

import dataclasses
import math

import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from torch.nn import functional as F

KNOTS = 5  # to a side: the points that an elastic distortion moves, each by itself; the rest follows smoothly
MOST = {"rotation": 180.0, "slant": 89.0, "zoom": 0.99, "shift": math.inf, "elastic": math.inf}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Distortion:
    """How far an image may be turned and slanted (degrees), scaled (a fraction), moved and bent (pixels), either way.

    Every image of a batch is drawn its own angles, factors of width and height, and shift, each uniform in its range;
    and where it is bent, 5 x 5 points are moved up to `elastic` pixels across and down, and the rest follows smoothly.
    Pixels are interpolated bilinearly; what comes in from beyond the edge is black.

    Source: Simard, Steinkraus, Platt, *Best Practices for Convolutional Neural Networks*, ICDAR 2003 (elastic; theirs
    blurs a draw at every pixel).

    Raises:
        ValueError: if a range is negative, a turn exceeds 180 degrees, a slant 89, or a zoom is not below 1.

    Example:
        >>> image = torch.zeros(1, 1, 5, 5, dtype=torch.uint8)
        >>> Distortion(rotation=10, zoom=0.1)(image, torch.Generator().manual_seed(0)).shape
        torch.Size([1, 1, 5, 5])
    """

    rotation: float = 0.0
    slant: float = 0.0
    zoom: float = 0.0
    shift: float = 0.0
    elastic: float = 0.0

    def __post_init__(self) -> None:
        for name, most in MOST.items():
            value = getattr(self, name)
            if not 0 <= value <= most:
                raise ValueError(f"`{name}` should be between 0 and {most:g}. Found `{name} = {value:g}`.")

    @property
    def keeps(self) -> bool:
        """Whether images are shown as they are."""
        return not any(getattr(self, name) for name in MOST)

    def __call__(
        self, image: UInt8[Tensor, "batch channels height width"], generator: torch.Generator
    ) -> UInt8[Tensor, "batch channels height width"]:
        """Distort every image of a batch; the generator is on its device."""
        if self.keeps:
            return image
        height, width = image.shape[-2:]

        def uniform(*shape: int) -> Tensor:
            return torch.rand(len(image), *shape, generator=generator, device=image.device) * 2 - 1

        draws = uniform(5)
        # Drawn only where it is asked for, so that the runs from before there was a slant stay as they were.
        lean = uniform(1) if self.slant else draws.new_zeros(len(image), 1)
        shift = (2 * self.shift / width, 2 * self.shift / height)
        theta = affine(torch.cat([draws, lean], 1), self.rotation, self.slant, self.zoom, shift, width / height)
        grid = F.affine_grid(theta, list(image.shape), align_corners=False)
        if self.elastic:
            grid = grid + bend(uniform(2, KNOTS, KNOTS), self.elastic, (height, width))
        return F.grid_sample(image.float(), grid, align_corners=False).round_().to(torch.uint8)


def affine(
    draws: Float[Tensor, "batch 6"],
    rotation: float,
    slant: float,
    zoom: float,
    shift: tuple[float, float],
    aspect: float,
) -> Float[Tensor, "batch 2 3"]:
    """Where each point of the distorted image lies in the original, for draws in [-1, 1].

    Convention:
        (x, y) in [-1, 1], x to the right and y down, -1 and 1 the image's outer edges (`align_corners=False`).
        A positive draw turns the image clockwise, enlarges it, moves it to the right and down, and slants it to the
        right, as italics are: what stands upright leans by the angle, what lies flat stays.
    """
    turn, wider, taller, right, down, lean = draws.unbind(1)
    angle = turn * math.radians(rotation)
    cos, sin, tan = angle.cos(), angle.sin(), (lean * math.radians(slant)).tan()
    across, along = 1 / (1 + wider * zoom), 1 / (1 + taller * zoom)
    # Backwards: undo the shift, then the turn and the slant (in pixels, hence the aspect), then the scale.
    upper = torch.stack([(cos - tan * sin) * across, (sin + tan * cos) * across / aspect], 1)
    matrix = torch.stack([upper, torch.stack([-sin * along * aspect, cos * along], 1)], 1)
    offset = torch.stack([right * shift[0], down * shift[1]], 1)
    return torch.cat([matrix, -matrix @ offset.unsqueeze(2)], dim=2)


def bend(
    draws: Float[Tensor, "batch 2 knots knots"], elastic: float, size: tuple[int, int]
) -> Float[Tensor, "batch height width 2"]:
    """How much further along each point of the distorted image lies in the original, for draws in [-1, 1].

    Convention:
        (x, y) as in `affine`; a draw of 1 takes the pixel under the knot from `elastic` pixels further right or down.
        The knots lie evenly from the first pixel to the last.
    """
    height, width = size
    # Two small products: five times as fast as `F.interpolate` of the whole batch, which does the same.
    field = _cubic(height, draws) @ draws @ _cubic(width, draws).mT
    return torch.stack([field[:, 0] * (2 * elastic / width), field[:, 1] * (2 * elastic / height)], dim=-1)


def _cubic(side: int, draws: Tensor) -> Float[Tensor, "side knots"]:
    """The weight of every knot at every pixel of a side."""
    knots = draws.shape[-1]
    knot = torch.eye(knots, dtype=draws.dtype, device=draws.device)
    return F.interpolate(knot[None, None], (side, knots), mode="bicubic", align_corners=True)[0, 0]
