"""Diagnosis of runs and models: common faults in words, and how much the gaze depends on the image."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from foveate.config import Model
from foveate.data.placement import Size
from foveate.policy.units import ReinforceNormal, units

MIN_DEPENDENCE = 0.05  # least normal scanpath dependence
MAX_AT_BORDER = 0.9  # greatest normal share of glimpses at the border
SHRUNK, GROWN = 0.01, 1.0  # bounds of the policy's normal standard deviation, in the locator's units
STUCK = 0.98  # share of log(classes) below which the loss has begun to fall
LASTING = 5  # least number of epochs that a fault of the policy must last to be reported
AT_BORDER_EPOCHS = 3  # epochs at the border that count as collapse in runs of any length: the bound passes no gradient
MOVED, FELL = 0.9, 0.8  # factors below which the validation error has moved and the training error has fallen
OVERFIT = 1.5  # ratio of validation to training error


def diagnose(history: Sequence[dict[str, Any]], model: Model, lasting: int = LASTING) -> dict[str, str]:
    """Faults of a run by kind, in words, from its lines of metrics.jsonl; the last line is the current epoch.

    Args:
        history: lines with some of the fields of metrics.jsonl.
        model: the settings of the model.
        lasting: number of last lines that must all show a fault of the policy.

    Example:
        >>> import foveate
        >>> model = foveate.config.Model(image=(1, 60, 60), unit_pixels=2.0)
        >>> print(diagnose([{"loss": 1.0, "scanpath_dependence": 0.01}], model, lasting=1)["alike"])
        Where it looks hardly depends on the image: ... Found 1 % of what places at random would. `unit_pixels` lets ...
    """
    if not history:
        return {}
    now = history[-1]
    broken = [name for name, value in now.items() if isinstance(value, float) and not math.isfinite(value)]
    if broken:
        words = f"`{broken[0]}` is {now[broken[0]]}: the run has diverged. Try a smaller `learning_rate`, or a "
        return {"diverged": words + "`max_grad_norm` such as 1."}
    checks = {
        "alike": (_alike, lasting),
        "at_border": (_at_border, min(lasting, AT_BORDER_EPOCHS)),
        "narrow": (_narrow, lasting),
        "wide": (_wide, lasting),
    }
    found: dict[str, str] = {}
    stuck = _stuck(history, model)
    if stuck:
        found["stuck"] = stuck
        del checks["alike"]  # a model that has learned nothing has no gaze to speak of
    if model.gaze != "learned":
        checks = {}
    for kind, (check, epochs) in checks.items():
        lines = history[-epochs:]
        words = check(now, model)
        if words and len(lines) == epochs and all(check(line, model) for line in lines):
            found[kind] = words
    words = _no_generalization(history)
    if words:
        found["no_generalization"] = words
    return found


def _stuck(history: Sequence[dict[str, Any]], model: Model) -> str | None:
    """Fault: a loss that stays at log(classes), as with equal probabilities."""
    if len(model.classes) < 2 or len(history) < LASTING:
        return None
    equal = math.log(len(model.classes))
    losses = [line.get("classification_loss", 0.0) / model.ensemble for line in history]
    if min(losses) < STUCK * equal:
        return None
    return (
        f"The loss is still {losses[-1]:.3f} after {len(history)} epochs: guessing among {len(model.classes)} classes "
        f"costs {equal:.3f}, so nothing is learned yet. Try a third of `learning_rate`, larger glimpses "
        "(`glimpse_size`, `depth`), `standardize`, or fewer pixels (`image_size`)."
    )


def lasting_in(epochs: int) -> int:
    """Epochs that a fault must last in a run of `epochs`: a tenth, since every policy begins with one path."""
    return max(LASTING, epochs // 10)


def _alike(line: dict[str, Any], model: Model) -> str | None:
    """Fault: one scanpath for all images."""
    found = line.get("scanpath_dependence", 1.0)
    if found >= MIN_DEPENDENCE or model.num_glimpses == 1:
        return None
    side = min(model.image[1:])
    hint = (
        f"`unit_pixels` lets it look no farther than {model.unit_pixels:g} of {side / 2:g} pixels from the middle: "
        "try a larger one."
        if model.unit_pixels < side / 4
        else "Every model starts this way; if it lasts, try a larger `std`, or more `num_rollouts`."
    )
    return (
        "Where it looks hardly depends on the image: it takes nearly the same path over every one. "
        f"Found {100 * found:.0f} % of what places at random would. {hint}"
    )


def _at_border(line: dict[str, Any], model: Model) -> str | None:
    """Fault: locations that have run into the bounds."""
    found = line.get("at_border", 0.0)
    if found < MAX_AT_BORDER:
        return None
    return (
        f"{100 * found:.0f} % of the glimpses lie as far out as the locator reaches: the policy has collapsed to its "
        "bounds, where it gets no gradient and stays. Try a smaller `learning_rate` or `policy_weight`, a `dampening` "
        "of 0.9 with the optimizer `sgd`, or a larger `unit_pixels`."
    )


def _no_generalization(history: Sequence[dict[str, Any]]) -> str | None:
    """Fault: a validation error that has not moved since the first epoch while the training error falls."""
    lines = [line for line in history if "validation_error" in line and "train_error" in line]
    if len(lines) < LASTING:
        return None
    first = lines[0]
    now = lines[-1]
    least = min(line["validation_error"] for line in lines)
    moved = least < MOVED * first["validation_error"]
    fell = now["train_error"] < FELL * first["train_error"]
    if moved or not fell or now["validation_error"] < OVERFIT * now["train_error"]:
        return None
    return (
        f"The training error has fallen from {first['train_error']:.1%} to {now['train_error']:.1%}, but the "
        f"validation error is still {now['validation_error']:.1%}, as after epoch {first.get('epoch', 1)}: the model "
        "overfits. Try more images, `dropout` or `weight_decay`."
    )


def _narrow(line: dict[str, Any], model: Model) -> str | None:
    """Fault: a policy that explores too little."""
    found = line.get("policy_std", 1.0)
    if found > SHRUNK:
        return None
    return (
        f"The policy's standard deviation is {found:.2g}: it tries nothing new, so it learns nothing about where "
        "to look. Try a larger `std`, or leave out `learn_std`."
    )


def _wide(line: dict[str, Any], model: Model) -> str | None:
    """Fault: a policy that looks almost anywhere."""
    found = line.get("policy_std", 0.0)
    if found < GROWN:
        return None
    return (
        f"The policy's standard deviation is {found:.2g} times what the locator reaches: it looks almost anywhere, "
        "whatever it has seen. Try a smaller `std`, or leave out `learn_std`."
    )


@dataclass(frozen=True)
class Gaze:
    """Variation of the glimpses' locations from image to image; index t of a tuple is glimpse t + 1."""

    spread: tuple[float, ...]
    """Root mean square distance in pixels of each image's glimpse from the mean location of that glimpse."""
    random_spread: float
    """The same distance for locations drawn uniformly on the image, in pixels."""
    by_class: float
    """Share of the squared spread that lies between the classes rather than within them, after the first glimpse."""
    at_border: float
    """Share of the glimpses after the first that lie at the limit of the locator's reach, along x or y."""

    @property
    def dependence(self) -> tuple[float, ...]:
        """spread / random_spread of each glimpse."""
        return tuple(spread / self.random_spread for spread in self.spread)

    @property
    def scanpath_dependence(self) -> float:
        """How much the scanpath depends on the image: 0 is one path for all, 1 varies as much as random locations.

        The root mean square of `dependence` over the glimpses after the first, which sees nothing before it.
        """
        chosen = self.dependence[1:]
        return math.sqrt(sum(value * value for value in chosen) / len(chosen)) if chosen else 0.0


def measure_gaze(
    locations: Float[Tensor, "time passes images 2"],
    label: Int64[Tensor, " images"],
    image_size: Size,
    reach: float | Float[Tensor, "..."] = 1.0,
) -> Gaze:
    """Measure how much the location of each glimpse varies between images.

    spread_t^2 = mean_i |m_it - mean_i m_it|^2, with m_it the location in pixels of glimpse t at image i, averaged over
    the passes. Passes over one image differ by chance alone. With several passes, this part is removed as in an
    analysis of variance, by subtracting the variance within images / passes. One sampled pass includes it.

    Convention:
        location is (x, y) in [-1, 1]; an image size is (height, width), and 1 is half a side in pixels.

    Args:
        locations: each glimpse's location at each image, in one or more passes.
        label: the images' classes.
        image_size: pixels.
        reach: the location, one number or (x, y), that an output of 1 of the locator means; see
            `foveate.glimpse.location`.

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
        by_class=_between(mean[1:].cpu(), label.cpu()),  # a GPU would add in another order each time
        at_border=float(at_border.mean()) if len(after) else 0.0,
    )


def policy_metrics(model: nn.Module, gaze: Gaze | None) -> dict[str, float]:
    """Metrics of the policy for the epoch's line: its gaze, its standard deviation and its entropy.

    Entropy of the normal distribution before locations are bounded, sum_d log(s_d sqrt(2 pi e)).
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
    """Share of the locations' variance that the classes explain, over all glimpses together."""
    _, index, count = label.unique(return_inverse=True, return_counts=True)
    centered = places - places.mean(1, keepdim=True)
    sums = centered.new_zeros(len(places), len(count), 2).index_add(1, index, centered)
    whole = float(centered.square().sum())
    return float((sums.square() / count.view(-1, 1)).sum()) / whole if whole > 1e-9 else 0.0
