"""Gaze: how far apart images are looked at, which tells a policy that looks from one that always goes the same way."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from foveate.policy.units import ReinforceNormal, units

Size = tuple[int, int]


@dataclass(frozen=True)
class Gaze:
    """How the places of glimpses differ from image to image; index t of a tuple is glimpse t + 1."""

    spread: tuple[float, ...]
    """Root mean square distance in pixels of each image's glimpse from where that glimpse is taken on average."""
    random_spread: float
    """The same distance for places drawn anywhere on the image, in pixels."""
    by_class: float
    """Share of the squared spread that lies between the classes rather than within them, after the first glimpse."""
    at_border: float
    """Share of the glimpses after the first that lie as far out as the locator reaches, along x or y."""

    @property
    def dependence(self) -> tuple[float, ...]:
        """Of each glimpse: spread / random_spread."""
        return tuple(spread / self.random_spread for spread in self.spread)

    @property
    def scanpath_dependence(self) -> float:
        """How much the scanpath depends on the image: 0 is one path for all, 1 differs as much as random places do.

        The root mean square of `dependence` over the glimpses after the first, which is taken when nothing is seen yet.
        """
        chosen = self.dependence[1:]
        return math.sqrt(sum(value * value for value in chosen) / len(chosen)) if chosen else 0.0


def measure_gaze(
    locations: Float[Tensor, "time passes images 2"],
    label: Int64[Tensor, " images"],
    image_size: Size,
    reach: float | Float[Tensor, "..."] = 1.0,
) -> Gaze:
    """Measure how the places of each glimpse differ between images.

    spread_t^2 = mean_i |m_it - mean_i m_it|^2, with m_it the mean over the passes of where glimpse t at image i lies in
    pixels. Passes over one image differ by chance alone: several are told from the image's part, as in an analysis
    of variance, by taking off the variance within images / passes. One sampled pass cannot tell them apart.

    Convention:
        location is (x, y) in [-1, 1]; an image size is (height, width), and 1 is half a side in pixels.

    Args:
        locations: where each image was looked at, in each of several passes.
        label: the images' classes.
        image_size: pixels.
        reach: the location, one number or (x, y), that the locator's 1 stands for; see `foveate.glimpse.location`.

    Example:
        >>> apart = torch.tensor([[0.0, 0.0], [0.0, 0.0], [-0.5, 0.0], [0.5, 0.0]]).view(2, 1, 2, 2)
        >>> measure_gaze(apart, torch.tensor([0, 1]), (28, 28), reach=0.5)
        Gaze(spread=(0.0, 7.0), random_spread=11.43..., by_class=1.0, at_border=1.0)
    """
    half = torch.tensor([image_size[1] / 2, image_size[0] / 2], dtype=torch.float64, device=locations.device)
    places = locations.double() * half
    passes = places.shape[1]
    mean = places.mean(1)
    squared = mean.var(1, correction=0).sum(-1)
    if passes > 1:
        squared = (squared - places.var(1).sum(-1).mean(1) / passes).clamp(min=0)
    after = locations[1:].abs()
    at_border = (after >= 0.999 * torch.as_tensor(reach, device=after.device)).any(-1).double()
    return Gaze(
        spread=tuple(squared.sqrt().tolist()),
        random_spread=math.hypot(*image_size) / math.sqrt(12),
        by_class=_between(mean[1:], label),
        at_border=float(at_border.mean()) if len(after) else 0.0,
    )


def policy_metrics(model: nn.Module, gaze: Gaze | None) -> dict[str, float]:
    """What the locator has come to, for the epoch's line: how it looks, and how it explores.

    The entropy of a normal distribution is sum_d log(s_d sqrt(2 pi e)), that of a location before it is bounded.
    """
    found: dict[str, float] = {}
    if gaze is not None:
        found = {"scanpath_dependence": gaze.scanpath_dependence, "at_border": gaze.at_border}
    for unit in units(model):
        if isinstance(unit, ReinforceNormal):
            std = unit.std.detach().expand(2).double()
            found["policy_std"] = float(std.mean())
            found["policy_entropy"] = float((std.log() + (math.log(2 * math.pi) + 1) / 2).sum())
    return found


def _between(places: Float[Tensor, "time images 2"], label: Int64[Tensor, " images"]) -> float:
    """Share of the variance of places that their classes explain, all glimpses together."""
    _, index, count = label.unique(return_inverse=True, return_counts=True)
    centred = places - places.mean(1, keepdim=True)
    sums = centred.new_zeros(len(places), len(count), 2).index_add(1, index, centred)
    whole = float(centred.square().sum())
    return float((sums.square() / count.view(-1, 1)).sum()) / whole if whole > 1e-9 else 0.0
