"""Evaluation: error rate of a model under a given policy, with its confidence interval."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, cast

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from foveate.data.batches import batches
from foveate.data.records import Images
from foveate.policy.fixed import FIXED_POLICIES, fixed_policy
from foveate.policy.units import units
from foveate.recurrent.attention import check_unit_range
from foveate.recurrent.inference import eval_view
from foveate.training.diagnostics import Gaze, measure_gaze
from foveate.training.seeds import generator

POLICIES = ("mean", "sampled", *FIXED_POLICIES)


@dataclass(frozen=True)
class Answers:
    """What was answered to each image after the last glimpse, and where the model looked."""

    label: Int64[Tensor, " images"]
    """Class of each image."""
    prediction: Int64[Tensor, " images"]
    """Most probable class."""
    probability: Float[Tensor, " images"]
    """Probability of the prediction."""
    probability_of_label: Float[Tensor, " images"]
    """Probability of the true class."""
    locations: Float[Tensor, "time passes images place"]
    """Location of each glimpse; NaN after an image has stopped."""
    num_glimpses: Int64[Tensor, " images"]
    """Glimpses that each image took."""
    confidence: Float[Tensor, "time images"]
    """Probability of the most probable class after each glimpse."""
    wrong: Bool[Tensor, "time images"]
    """Whether that class is wrong."""


@dataclass(frozen=True)
class Evaluation:
    """Result of an evaluation. Rates are fractions."""

    policy: str
    """"mean" (each location is the mean of its distribution), "sampled", or fixed: "random", "center", "raster"."""
    num_rollouts: int
    """Rollouts of each image, whose class probabilities were averaged."""
    num_glimpses: int
    """Glimpses in each rollout."""
    n: int
    """Images."""
    num_errors: int
    """Images with a wrong prediction after the last glimpse."""
    confusion: Int64[Tensor, "classes classes"]
    """Images by label (row) and prediction (column)."""
    num_errors_by_glimpse: tuple[int, ...]
    """Images with a wrong prediction after each glimpse."""
    gaze: Gaze | None
    """Statistics of the locations; None if a location is not (x, y), or if images stopped early."""
    stop: float | None = None
    """Probability at which an image stopped; None if all took all glimpses."""
    num_stops_by_glimpse: tuple[int, ...] = ()
    """Images that took exactly so many glimpses; empty if all took all."""
    answers: Answers | None = field(default=None, repr=False)
    """Answer to each image, in order; None where only the counts are known."""

    @property
    def mean_glimpses(self) -> float:
        """Glimpses of an image, on average."""
        if not self.num_stops_by_glimpse:
            return float(self.num_glimpses)
        return sum(count * number for count, number in enumerate(self.num_stops_by_glimpse, 1)) / self.n

    @property
    def error_rate(self) -> float:
        """num_errors / n."""
        return self.num_errors / self.n

    @property
    def recall(self) -> tuple[float, ...]:
        """Share of each class's images that were answered rightly; NaN for a class without images."""
        right = self.confusion.diagonal().double() / self.confusion.sum(1)
        return tuple(right.tolist())

    @property
    def balanced_error(self) -> float:
        """Error rate if every class had equally many images: 1 - the mean recall of the classes that have any."""
        return 1 - float(torch.tensor(self.recall, dtype=torch.float64).nanmean())

    @property
    def at_chance(self) -> bool:
        """Whether always answering the most frequent class is within the interval of the error, or better."""
        error_of_always = 1 - int(self.confusion.sum(1).max()) / self.n
        return self.interval[1] >= error_of_always

    @property
    def interval(self) -> tuple[float, float]:
        """95 % interval of the error rate."""
        return wilson(self.num_errors, self.n)

    @property
    def name(self) -> str:
        """Name of the error rate."""
        if self.num_rollouts == 1:
            return f"{self.policy} policy, one pass"
        return f"{self.policy} policy, mean of the probabilities of {self.num_rollouts} passes"

    def to_dict(self) -> dict[str, Any]:
        """Everything except the answers to the images, ready for JSON."""
        counts = asdict(replace(self, answers=None))
        del counts["answers"]
        counts["confusion"] = self.confusion.tolist()
        counts["mean_glimpses"] = self.mean_glimpses
        counts["recall"] = [None if math.isnan(share) else share for share in self.recall]
        counts["balanced_error"] = self.balanced_error
        return counts | {"error_rate": self.error_rate, "interval": self.interval}


def wilson(wrong: int, n: int, z: float = 1.959964) -> tuple[float, float]:
    """Wilson score interval of a fraction, which lies within [0, 1] and is valid near 0.

    >>> [round(bound, 4) for bound in wilson(10, 1000)]
    [0.0054, 0.0183]

    Source: Wilson 1927.
    """
    p, z2 = wrong / n, z * z
    middle = (p + z2 / (2 * n)) / (1 + z2 / n)
    half = z / (1 + z2 / n) * math.sqrt(p * (1 - p) / n + z2 / (4 * n * n))
    return max(0.0, middle - half), min(1.0, middle + half)


@dataclass(frozen=True)
class Predictions:
    """Predictions for a batch of images."""

    label: Int64[Tensor, " images"]
    """Classes of the images."""
    probabilities: Float[Tensor, "time images classes"]
    """Probability of each class after each glimpse, averaged over the passes."""
    locations: Float[Tensor, "time passes images place"]
    """Location of each glimpse; NaN after an image has stopped."""
    num_glimpses: Int64[Tensor, " images"]
    """Glimpses that each image took."""


def evaluate(
    model: nn.Module,
    images: Images,
    *,
    policy: str | None = None,
    num_rollouts: int = 1,
    num_glimpses: int | None = None,
    stop: float | None = None,
    seed: int = 0,
    batch_size: int = 500,
) -> Evaluation:
    """Classify every image and count the errors.

    Args:
        model: a `RecurrentAttention`.
        images: a split, such as `load("digits").test`.
        policy: "mean", "sampled", or None for the model's own (mean, unless it was built `stochastic`); or a fixed one:
            "random" (uniform within its reach), "center", or "raster" (row by row over its reach).
        num_rollouts: passes over each image, whose class *probabilities* are averaged; they differ only if sampled.
        num_glimpses: may differ from the number in training.
        stop: probability at which an image takes no more glimpses; see `choose_stop`.
        seed: seed of the random locations.
        batch_size: images per batch.

    Raises:
        ValueError: if `policy` is unknown, the set is empty, or images of floats are in 0..255.

    Example:
        >>> import foveate
        >>> from foveate.data.sources import load
        >>> digits = load("digits")
        >>> model = foveate.build(foveate.config.Model(image=digits.test.shape, classes=digits.classes))
        >>> evaluate(model, digits.test).name
        'mean policy, one pass'
    """
    policy = named_policy(model, policy)
    totals = []
    batches_of_answers = []
    for found in predict(model, images, policy, num_rollouts, num_glimpses, seed, batch_size, stop):
        totals.append(_count(found))
        batches_of_answers.append(_answers(found))
    wrong, confusion = (torch.stack(counts).sum(0).cpu() for counts in zip(*totals, strict=True))
    answers = _concat(batches_of_answers)
    return Evaluation(
        policy=policy,
        num_rollouts=num_rollouts,
        num_glimpses=len(wrong),
        n=len(images),
        num_errors=int(wrong[-1]),
        confusion=confusion,
        num_errors_by_glimpse=tuple(wrong.tolist()),
        gaze=None if stop is not None else gaze_of(model, images, answers.locations),
        stop=stop,
        num_stops_by_glimpse=() if stop is None else _count_stops(answers.num_glimpses, len(wrong)),
        answers=answers,
    )


def named_policy(model: nn.Module, policy: str | None) -> str:
    """Name of the policy: the given one, or the model's own, "mean" or "sampled"."""
    if policy not in (None, *POLICIES):
        raise ValueError(f"`policy` should be one of {', '.join(map(repr, POLICIES))}. Found `policy = {policy!r}`.")
    if policy is not None:
        return policy
    return "sampled" if any(unit.stochastic for unit in units(model)) else "mean"


def predict(
    model: nn.Module,
    images: Images,
    policy: str,
    num_rollouts: int = 1,
    num_glimpses: int | None = None,
    seed: int = 0,
    batch_size: int = 500,
    stop: float | None = None,
) -> Iterator[Predictions]:
    """Predictions for all images, in order, batch by batch; see `evaluate`."""
    if not len(images):
        raise ValueError("The set to evaluate should hold at least one image. Found none.")
    device = next(model.parameters()).device
    draws = generator(seed, "evaluation", device=device)
    choice = _choice(model, policy, num_glimpses)
    model = eval_view(model)
    steps = 0
    if stop is not None:
        choice["stop"] = stop
        steps = num_glimpses or cast(int, model.num_glimpses)
    for batch in batches(images, batch_size, shuffle=False):
        if getattr(model, "unit_range", False):  # here too: compiled, or on a GPU, the model does not see the values
            check_unit_range(batch.image, wait=True)
        with torch.no_grad():  # not around the loop, whose body belongs to the caller
            rollout = model(
                batch.image.to(device), num_glimpses=num_glimpses, num_rollouts=num_rollouts, generator=draws, **choice
            )
        logits = rollout.logits.to(torch.promote_types(rollout.logits.dtype, torch.float32))
        count = len(batch.label)
        probabilities = logits.softmax(-1).unflatten(1, (num_rollouts, count)).mean(1)
        locations = rollout.locations.unflatten(1, (num_rollouts, count))
        taken = torch.full((count,), len(logits), device=device)
        if stop is not None:
            taken = rollout.num_glimpses[:count]
            missing = steps - len(logits)  # glimpses that no image of the batch took
            probabilities = torch.cat([probabilities, probabilities[-1:].expand(missing, -1, -1)])
            nowhere = torch.full_like(locations[-1:], torch.nan)
            locations = torch.cat([locations, nowhere.expand(missing, -1, -1, -1)])
        yield Predictions(batch.label.to(device), probabilities, locations, taken)


def surest_mistakes(answers: Answers, most: int) -> list[int]:
    """Indices of the wrong answers, the most probable first."""
    wrong = (answers.prediction != answers.label).nonzero().flatten()
    order = answers.probability[wrong].argsort(descending=True, stable=True)
    return wrong[order][:most].tolist()


def mistake(index: int, answers: Answers, classes: Sequence[str], images: Images) -> dict[str, Any]:
    """One wrong answer as JSON, with the file of the image if it has one."""
    names = getattr(images, "names", ())
    return {
        "index": index,
        "file": names[index] if names else None,
        "label": classes[int(answers.label[index])],
        "answer": classes[int(answers.prediction[index])],
        "probability": float(answers.probability[index]),
        "probability_of_label": float(answers.probability_of_label[index]),
    }


def multiply_adds(model: nn.Module) -> int:
    """Multiplications of one glimpse with the weights that answer: all layers but the baseline's.

    Example:
        >>> import foveate
        >>> multiply_adds(foveate.from_pretrained("mnist-paper"))
        208128
    """
    parts = ("glimpse.", "core.", "locator.", "classifier.")
    return sum(
        weight.numel() for name, weight in model.named_parameters() if weight.ndim > 1 and name.startswith(parts)
    )


def gaze_of(model: nn.Module, images: Images, locations: Float[Tensor, "time passes images place"]) -> Gaze | None:
    """Statistics of the locations, if they are locations (x, y) on an image."""
    if locations.shape[-1] != 2:
        return None
    locator = getattr(model, "locator", None)
    label = images.label.to(locations.device)
    return measure_gaze(locations, label, images.shape[1:], getattr(locator, "reach", 1.0))


def _choice(model: Any, policy: str, num_glimpses: int | None) -> dict[str, Any]:
    """Arguments of `RecurrentAttention.forward` for a policy."""
    if policy not in FIXED_POLICIES:
        return {"sample": policy == "sampled"}
    reach = getattr(model.locator, "reach", 1.0)
    return {"locator": fixed_policy(policy, num_glimpses or model.num_glimpses, reach)}


def _answers(predictions: Predictions) -> Answers:
    """Answers of a batch."""
    confidence, predicted = predictions.probabilities.max(-1)
    return Answers(
        label=predictions.label,
        prediction=predicted[-1],
        probability=confidence[-1],
        probability_of_label=predictions.probabilities[-1].gather(1, predictions.label.view(-1, 1)).flatten(),
        locations=predictions.locations,
        num_glimpses=predictions.num_glimpses,
        confidence=confidence,
        wrong=predicted != predictions.label,
    )


def _concat(parts: list[Answers]) -> Answers:
    """Answers of several batches as one, on the CPU."""
    return Answers(
        label=torch.cat([part.label for part in parts]).cpu(),
        prediction=torch.cat([part.prediction for part in parts]).cpu(),
        probability=torch.cat([part.probability for part in parts]).cpu(),
        probability_of_label=torch.cat([part.probability_of_label for part in parts]).cpu(),
        locations=torch.cat([part.locations for part in parts], 2).cpu(),
        num_glimpses=torch.cat([part.num_glimpses for part in parts]).cpu(),
        confidence=torch.cat([part.confidence for part in parts], 1).cpu(),
        wrong=torch.cat([part.wrong for part in parts], 1).cpu(),
    )


def _count_stops(num_glimpses: Int64[Tensor, " images"], most: int) -> tuple[int, ...]:
    """Images that took exactly 1, 2, ... glimpses."""
    return tuple(torch.bincount(num_glimpses - 1, minlength=most).tolist())


def _count(predictions: Predictions) -> tuple[Tensor, Tensor]:
    """Wrong predictions after each glimpse, and the confusion matrix after the last."""
    classes = predictions.probabilities.shape[-1]
    predicted = predictions.probabilities.argmax(-1)
    pairs = predictions.label * classes + predicted[-1]
    confusion = torch.bincount(pairs, minlength=classes * classes).view(classes, classes)
    return (predicted != predictions.label).sum(1), confusion
