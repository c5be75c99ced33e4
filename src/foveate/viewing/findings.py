"""The data of a report: every number, and the looks that it shows."""

import platform
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from typing import Any, cast

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from foveate.config import Config
from foveate.data.records import Images
from foveate.policy.fixed import FIXED_POLICIES
from foveate.settings import to_dict
from foveate.training.build import Attention
from foveate.training.evaluate import (
    Answers,
    Evaluation,
    evaluate,
    mistake,
    multiply_adds,
    surest_mistakes,
    wilson,
)
from foveate.training.stopping import StopPoint, choose_stop, curve_of, last_glimpse, stop_point, stopping_curve
from foveate.viewing.density import count_fixations, grid_size
from foveate.viewing.look import look
from foveate.viewing.record import Look

NUM_ROLLOUTS = 10  # averaged by default
MAX_CLASSES = 10  # with a scanpath and a density of their own
MAX_MISTAKES = 12
STOP = 0.9  # without validation images to choose it
NUM_EXAMPLES = 6  # of the easiest and of the hardest images


@dataclass(frozen=True)
class ReportData:
    """Everything that a report shows."""

    modes: tuple[Evaluation, ...]
    """Mean policy, sampled policy, average of sampled passes; details are reported for the first."""
    stand_ins: tuple[Evaluation, ...]
    """Fixed policies in place of the learned one."""
    sample: tuple[Look, ...]
    """Scanpaths over the first image of each class."""
    mistakes: tuple[Look, ...]
    """Scanpaths over the wrongly answered images of the highest probability."""
    fixations: Int64[Tensor, "groups time rows columns"]
    """Fixation counts: of all images, then of each shown class."""
    easiest: tuple[Look, ...]
    """Images that were sure after the fewest glimpses, the surest first."""
    hardest: tuple[Look, ...]
    """Images that took the most glimpses, the least sure first."""
    facts: dict[str, Any]
    """Every number, ready for JSON."""


def collect(
    model: Attention,
    images: Images,
    *,
    validation: Images | None = None,
    num_rollouts: int = NUM_ROLLOUTS,
    num_glimpses: int | None = None,
    progress: Callable[[str], None] = lambda what: None,
) -> ReportData:
    """Evaluate a model in every mode, and collect scanpaths and fixations.

    Args:
        model: a trained model.
        images: the split to answer.
        validation: images that choose the probability at which to stop; 0.9 without them.
        num_rollouts: passes that the last mode averages.
        num_glimpses: more or fewer than trained.
        progress: is told what comes next.
    """
    kinds = (("mean", 1), ("sampled", 1), ("sampled", num_rollouts), *((policy, 1) for policy in FIXED_POLICIES))
    modes = []
    for policy, passes in kinds:
        progress(f"{policy} policy, {passes} {'pass' if passes == 1 else 'passes'} over {len(images):,} images")
        modes.append(evaluate(model, images, policy=policy, num_rollouts=passes, num_glimpses=num_glimpses))
    progress("scanpaths")
    answers = cast(Answers, modes[0].answers)
    label = answers.label
    names = model.config.classes
    firsts = [int((label == c).nonzero()[0]) for c in label.unique().tolist()[:MAX_CLASSES]]
    worst = surest_mistakes(answers, MAX_MISTAKES)

    def look_at(index: int, stop: float | None = None) -> Look:
        pixels = images.read(torch.tensor([index], device=images.label.device))[0]
        return look(model, pixels, label=names[int(label[index])], num_glimpses=num_glimpses, stop=stop, policy="mean")

    fixations = _fixations(answers.locations[:, 0].float(), label, images.shape[1:])
    sample = tuple(map(look_at, firsts))
    curve = None
    if validation is not None:
        progress(f"mean policy, 1 pass over {len(validation):,} validation images")
        curve = stopping_curve(model, validation, policy="mean", num_glimpses=num_glimpses)
    stopping = _stopping(answers, curve, multiply_adds(model))
    facts = {
        "n": len(images),
        "modes": [_mode(mode) for mode in modes[:3]],
        "stand_ins": [_mode(mode) for mode in modes[3:]],
        "classes": class_table(modes[0], names),
        "confusion": modes[0].confusion.tolist(),
        "gaze": _gaze(modes[0]),
        "stopping": stopping,
        "fixations": {"groups": ["all", *(names[int(label[i])] for i in firsts)], "counts": fixations.tolist()},
        "sample": [{"index": i, **seen.to_dict()} for i, seen in zip(firsts, sample, strict=True)],
        "mistakes": [mistake(i, answers, names, images) for i in worst],
    }
    stop_at = partial(look_at, stop=stopping["stop"])
    easiest = tuple(map(stop_at, stopping["easiest"]))
    hardest = tuple(map(stop_at, stopping["hardest"]))
    mistakes = tuple(map(look_at, worst))
    return ReportData(tuple(modes[:3]), tuple(modes[3:]), sample, mistakes, fixations, easiest, hardest, facts)


def _stopping(answers: Answers, validation: list[StopPoint] | None, multiply_adds: int) -> dict[str, Any]:
    """What stopping when sure gives, with the threshold that the validation images choose, as JSON."""
    stop = choose_stop(validation).stop if validation else STOP
    point = stop_point(answers.confidence, answers.wrong, stop)
    last = last_glimpse(answers.confidence, stop)
    final = answers.confidence.gather(0, last.unsqueeze(0))[0]
    order = (last - final.double()).argsort(stable=True)  # by glimpses, then by the surest
    steps = len(answers.confidence)
    return {
        **asdict(point),
        "num_stops_by_glimpse": torch.bincount(last, minlength=steps).tolist(),
        "multiply_adds": round(multiply_adds * point.mean_glimpses),
        "multiply_adds_of_all": multiply_adds * steps,
        "curve": list(map(asdict, curve_of(answers))),
        "validation_curve": list(map(asdict, validation or ())),
        "easiest": order[:NUM_EXAMPLES].tolist(),
        "hardest": order.flip(0)[:NUM_EXAMPLES].tolist(),
    }


def surroundings(config: Config, command: str) -> dict[str, Any]:
    """What it takes to reproduce a report: settings, versions and the command."""
    return {"config": to_dict(config), "versions": versions(), "command": command}


def versions() -> dict[str, str]:
    """Versions of this package, its dependencies and the system."""
    found = {}
    for name in ("foveate", "torch", "numpy", "matplotlib", "pillow"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "unknown"
    found["torch"] = torch.__version__  # includes the hardware it was built for
    return {**found, "python": platform.python_version(), "system": platform.platform(terse=True)}


def class_table(mode: Evaluation, names: Sequence[str]) -> list[dict[str, Any]]:
    """Number of images, errors and most frequent mistake of each class."""
    rows = []
    for i, counts in enumerate(mode.confusion.tolist()):
        n, wrong = sum(counts), sum(counts) - counts[i]
        others = [(count, -j) for j, count in enumerate(counts) if j != i and count]
        times, taken = max(others, default=(0, 0))
        rows.append(
            {
                "name": names[i],
                "n": n,
                "num_errors": wrong,
                "error_rate": wrong / n if n else None,
                "interval": wilson(wrong, n) if n else None,
                "taken_for": names[-taken] if times else None,
                "times": times,
            }
        )
    return rows


def _fixations(
    locations: Float[Tensor, "time images 2"], label: Int64[Tensor, " images"], image_size: tuple[int, int]
) -> Int64[Tensor, "groups time rows columns"]:
    """Count fixations of all images and of each shown class."""
    size = grid_size(image_size)
    groups = [torch.ones_like(label, dtype=torch.bool), *(label == c for c in label.unique()[:MAX_CLASSES])]
    return torch.stack([count_fixations(locations[:, group], size) for group in groups])


def _mode(mode: Evaluation) -> dict[str, Any]:
    """The errors of a mode as JSON."""
    return {
        "policy": mode.policy,
        "num_rollouts": mode.num_rollouts,
        "num_glimpses": mode.num_glimpses,
        "num_errors": mode.num_errors,
        "error_rate": mode.error_rate,
        "interval": list(mode.interval),
        "error_by_glimpse": [wrong / mode.n for wrong in mode.num_errors_by_glimpse],
    }


def _gaze(mode: Evaluation) -> dict[str, Any]:
    """How much the gaze depends on the image, as JSON."""
    if mode.gaze is None:
        raise ValueError("The model should look at locations (x, y). Found one that looks elsewhere.")
    gaze = asdict(mode.gaze)
    return {**gaze, "dependence": mode.gaze.dependence, "scanpath_dependence": mode.gaze.scanpath_dependence}
