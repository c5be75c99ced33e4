"""Evaluation: the error rate under a stated policy, with its interval."""

import math
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from foveate.data.batches import batches
from foveate.data.records import Images
from foveate.policy.locator import Given, Raster, Uniform
from foveate.policy.units import stochastic, units
from foveate.training.gaze import Gaze, measure_gaze
from foveate.training.seeds import generator

STAND_INS = ("random", "centre", "raster")
POLICIES = ("mean", "sampled", *STAND_INS)


@dataclass(frozen=True)
class Evaluation:
    """What an evaluation found; rates are fractions."""

    policy: str
    """"mean" (each location is its distribution's mean), "sampled", or what stands in: "random", "centre", "raster"."""
    num_rollouts: int
    """Rollouts for each image, whose class probabilities were averaged."""
    num_glimpses: int
    """Glimpses in each rollout."""
    n: int
    """Images."""
    wrong: int
    """Images that were answered wrongly after the last glimpse."""
    confusion: Int64[Tensor, "classes classes"]
    """Images by label (row) and answer (column)."""
    wrong_by_glimpse: tuple[int, ...]
    """Images that would have been answered wrongly after each glimpse."""
    gaze: Gaze | None
    """How much where it looks depends on the image; None where a place is not (x, y)."""

    @property
    def error_rate(self) -> float:
        """wrong / n."""
        return self.wrong / self.n

    @property
    def interval(self) -> tuple[float, float]:
        """95 % interval of the error rate."""
        return wilson(self.wrong, self.n)

    @property
    def name(self) -> str:
        """What the number should be called."""
        if self.num_rollouts == 1:
            return f"{self.policy} policy, one pass"
        return f"{self.policy} policy, mean of the probabilities of {self.num_rollouts} passes"


def wilson(wrong: int, n: int, z: float = 1.959964) -> tuple[float, float]:
    """The Wilson score interval of a fraction, which stays within [0, 1] and holds near 0.

    >>> [round(bound, 4) for bound in wilson(10, 1000)]
    [0.0054, 0.0183]

    Source: Wilson 1927.
    """
    p, z2 = wrong / n, z * z
    middle = (p + z2 / (2 * n)) / (1 + z2 / n)
    half = z / (1 + z2 / n) * math.sqrt(p * (1 - p) / n + z2 / (4 * n * n))
    return max(0.0, middle - half), min(1.0, middle + half)


@dataclass(frozen=True)
class Answered:
    """What was made of some images."""

    label: Int64[Tensor, " images"]
    """Their classes."""
    probabilities: Float[Tensor, "time images classes"]
    """Of each class after each glimpse, the mean over the passes."""
    locations: Float[Tensor, "time passes images place"]
    """Where each glimpse was taken."""


def evaluate(
    model: nn.Module,
    images: Images,
    *,
    policy: str | None = None,
    num_rollouts: int = 1,
    num_glimpses: int | None = None,
    seed: int = 0,
    batch_size: int = 500,
) -> Evaluation:
    """Answer every image and count the errors.

    Args:
        model: a `RecurrentAttention`.
        images: a split, such as `load("digits").test`.
        policy: "mean", "sampled", or None for the model's own (mean, unless it was built `stochastic`); or what stands
            in for it: "random" (uniform within its reach), "centre", or "raster" (row by row over its reach).
        num_rollouts: passes for each image, whose class *probabilities* are averaged; they differ only when sampled.
        num_glimpses: more or fewer than trained.
        seed: of the sampled locations.
        batch_size: images at a time.

    Raises:
        ValueError: if `policy` is unknown or the set is empty.

    Example:
        >>> import foveate
        >>> from foveate.data.sources import load
        >>> digits = load("digits")
        >>> model = foveate.build(foveate.config.Model(image=digits.test.shape, classes=digits.classes))
        >>> evaluate(model, digits.test).name
        'mean policy, one pass'
    """
    policy, totals, places = named_policy(model, policy), [], []
    for seen in answer(model, images, policy, num_rollouts, num_glimpses, seed, batch_size):
        totals.append(_count(seen))
        places.append(seen.locations)
    wrong, confusion = (torch.stack(counts).sum(0).cpu() for counts in zip(*totals, strict=True))
    gaze = gaze_of(model, images, torch.cat(places, 2))
    counts = int(wrong[-1]), confusion, tuple(wrong.tolist())
    return Evaluation(policy, num_rollouts, len(wrong), len(images), *counts, gaze)


def named_policy(model: nn.Module, policy: str | None) -> str:
    """The policy asked for, or else the model's own: "mean" or "sampled"."""
    if policy not in (None, *POLICIES):
        raise ValueError(f"`policy` should be one of {', '.join(map(repr, POLICIES))}. Found `policy = {policy!r}`.")
    return policy or ("sampled" if any(unit.stochastic for unit in units(model)) else "mean")


def answer(
    model: nn.Module,
    images: Images,
    policy: str,
    num_rollouts: int = 1,
    num_glimpses: int | None = None,
    seed: int = 0,
    batch_size: int = 500,
) -> Iterator[Answered]:
    """Look at every image, in order, a batch at a time; see `evaluate`."""
    if not len(images):
        raise ValueError("The set to evaluate should hold at least one image. Found none.")
    device = next(model.parameters()).device
    draws = generator(seed, "evaluation", device=device)
    with _evaluating(model, policy, num_glimpses):
        for batch in batches(images, batch_size, shuffle=False):
            with torch.no_grad():  # here and not around the loop, whose body is the caller's
                rollout = model(
                    batch.image.to(device), num_glimpses=num_glimpses, num_rollouts=num_rollouts, generator=draws
                )
            shape = num_rollouts, len(batch.label)
            probabilities = rollout.logits.softmax(-1).unflatten(1, shape).mean(1)
            yield Answered(batch.label.to(device), probabilities, rollout.locations.unflatten(1, shape))


def gaze_of(model: nn.Module, images: Images, locations: Float[Tensor, "time passes images place"]) -> Gaze | None:
    """The gaze, where a place is a location on an image."""
    if locations.shape[-1] != 2:
        return None
    locator = getattr(model, "locator", None)
    label = images.label.to(locations.device)
    return measure_gaze(locations, label, images.shape[1:], getattr(locator, "reach", 1.0))


@contextmanager
def _evaluating(model: Any, policy: str, num_glimpses: int | None) -> Iterator[None]:
    """Evaluation mode, looking as `policy` says; afterwards every part is as it was, whatever happened."""
    modes = [(module, module.training) for module in model.modules()]
    locator = getattr(model, "locator", None)
    try:
        with stochastic(model, policy == "sampled") if any(units(model)) else nullcontext():
            model.eval()
            if policy in STAND_INS:
                model.locator = StandIn(policy, locator, num_glimpses or model.num_glimpses)
            yield
    finally:
        if policy in STAND_INS:
            model.locator = locator
        for module, mode in modes:
            module.training = mode


class StandIn(nn.Module):
    """A locator that has learned nothing, within the reach of the one whose place it takes."""

    def __init__(self, policy: str, locator: Any, num_glimpses: int) -> None:
        super().__init__()
        reach = getattr(locator, "reach", 1.0)
        self.places = {
            "random": lambda: Uniform(reach),
            "centre": lambda: Given(torch.zeros(2)),
            "raster": lambda: Raster(num_glimpses, reach),
        }[policy]()

    def forward(self, hidden: Tensor, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
        """Where to look, whatever was seen."""
        return self.places(hidden, generator)


def _count(seen: Answered) -> tuple[Tensor, Tensor]:
    """Wrong answers after each glimpse, and the confusion matrix after the last."""
    classes = seen.probabilities.shape[-1]
    answers = seen.probabilities.argmax(-1)
    pairs = seen.label * classes + answers[-1]
    confusion = torch.bincount(pairs, minlength=classes * classes).view(classes, classes)
    return (answers != seen.label).sum(1), confusion
