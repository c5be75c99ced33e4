"""What a report says, found out: every number of it, and the looks that it shows."""

import platform
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from foveate.config import Config
from foveate.data.records import Images
from foveate.settings import to_dict
from foveate.training.build import Attention
from foveate.training.evaluate import STAND_INS, Evaluation, answer, evaluate, wilson
from foveate.viewing.density import count_fixations, grid_size
from foveate.viewing.look import Look, look

SAMPLED = 10  # passes that are averaged, if nothing else is asked for
SHOWN = 10  # classes that are looked at closely: a scanpath and a density of each
MISTAKES = 12


@dataclass(frozen=True)
class Findings:
    """What a report is made of."""

    modes: tuple[Evaluation, ...]
    """Mean policy; sampled; sampled and averaged. All but the errors of the others is told of the first."""
    stand_ins: tuple[Evaluation, ...]
    """Places that nobody learned, in the policy's stead."""
    sample: tuple[Look, ...]
    """Scanpaths over the first test image of each class."""
    mistakes: tuple[Look, ...]
    """Scanpaths over the images that were answered wrongly with the greatest probability."""
    fixations: Int64[Tensor, "groups time rows columns"]
    """Glimpses counted over the image: of all images, then of each shown class."""
    facts: dict[str, Any]
    """Every number, ready for JSON."""


@dataclass(frozen=True)
class _Answers:
    """One pass of the mean policy, image by image."""

    answer: Int64[Tensor, " images"]
    probability: Float[Tensor, " images"]
    of_label: Float[Tensor, " images"]
    locations: Float[Tensor, "time images 2"]


def find_out(
    model: Attention,
    images: Images,
    *,
    num_rollouts: int = SAMPLED,
    num_glimpses: int | None = None,
    progress: Callable[[str], None] = lambda what: None,
) -> Findings:
    """Evaluate a model in every mode, and look closely at some images.

    Args:
        model: a trained model.
        images: the split to answer.
        num_rollouts: passes that the last mode averages.
        num_glimpses: more or fewer than trained.
        progress: is told what comes next.
    """
    kinds = (("mean", 1), ("sampled", 1), ("sampled", num_rollouts), *((policy, 1) for policy in STAND_INS))
    modes = []
    for policy, passes in kinds:
        progress(f"{policy} policy, {passes} {'pass' if passes == 1 else 'passes'} over {len(images):,} images")
        modes.append(evaluate(model, images, policy=policy, num_rollouts=passes, num_glimpses=num_glimpses))
    progress("scanpaths")
    answers, label, names = _answers(model, images, num_glimpses), images.label.cpu(), model.config.classes
    firsts = [int((label == c).nonzero()[0]) for c in label.unique().tolist()[:SHOWN]]
    wrong = (answers.answer != label).nonzero().flatten()
    worst = wrong[answers.probability[wrong].argsort(descending=True, stable=True)][:MISTAKES].tolist()

    def look_at(index: int) -> Look:
        pixels = images.read(torch.tensor([index], device=images.label.device))[0]
        return look(model, pixels, label=names[int(label[index])], num_glimpses=num_glimpses, policy="mean")

    fixations = _fixations(answers.locations, label, images.shape[1:])
    sample = tuple(map(look_at, firsts))
    facts = {
        "n": len(images),
        "modes": [_mode(mode) for mode in modes[:3]],
        "stand_ins": [_mode(mode) for mode in modes[3:]],
        "classes": class_table(modes[0], names),
        "confusion": modes[0].confusion.tolist(),
        "gaze": _gaze(modes[0]),
        "fixations": {"groups": ["all", *(names[int(label[i])] for i in firsts)], "counts": fixations.tolist()},
        "sample": [{"index": i, **seen.to_dict()} for i, seen in zip(firsts, sample, strict=True)],
        "mistakes": [_mistake(i, answers, label, names) for i in worst],
    }
    return Findings(tuple(modes[:3]), tuple(modes[3:]), sample, tuple(map(look_at, worst)), fixations, facts)


def surroundings(config: Config, command: str) -> dict[str, Any]:
    """What it takes to make a report again: settings, versions and the command."""
    return {"config": to_dict(config), "versions": versions(), "command": command}


def versions() -> dict[str, str]:
    """Of this package, what it stands on, and the machine."""
    found = {}
    for name in ("foveate", "torch", "numpy", "pillow"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "unknown"
    found["torch"] = torch.__version__  # it says for which hardware, too
    return {**found, "python": platform.python_version(), "system": platform.platform(terse=True)}


def class_table(mode: Evaluation, names: Sequence[str]) -> list[dict[str, Any]]:
    """Of each class: its images, how many were answered wrongly, and what they are most often taken for."""
    rows = []
    for i, counts in enumerate(mode.confusion.tolist()):
        n, wrong = sum(counts), sum(counts) - counts[i]
        others = [(count, -j) for j, count in enumerate(counts) if j != i and count]
        times, taken = max(others, default=(0, 0))
        rows.append(
            {
                "name": names[i],
                "n": n,
                "wrong": wrong,
                "error_rate": wrong / n if n else None,
                "interval": wilson(wrong, n) if n else None,
                "taken_for": names[-taken] if times else None,
                "times": times,
            }
        )
    return rows


def _answers(model: Attention, images: Images, num_glimpses: int | None) -> _Answers:
    """One pass of the mean policy over all images."""
    parts = []
    for seen in answer(model, images, "mean", num_glimpses=num_glimpses):
        last = seen.probabilities[-1].float()
        probability, answers = last.max(1)
        of_label = last.gather(1, seen.label.view(-1, 1)).flatten()
        parts.append((answers, probability, of_label, seen.locations[:, 0].float().transpose(0, 1)))
    answers, probability, of_label, locations = (torch.cat(part).cpu() for part in zip(*parts, strict=True))
    return _Answers(answers, probability, of_label, locations.transpose(0, 1).contiguous())


def _fixations(
    locations: Float[Tensor, "time images 2"], label: Int64[Tensor, " images"], image_size: tuple[int, int]
) -> Int64[Tensor, "groups time rows columns"]:
    """Glimpses counted over the image, of all images and of each shown class."""
    size = grid_size(image_size)
    groups = [torch.ones_like(label, dtype=torch.bool), *(label == c for c in label.unique()[:SHOWN])]
    return torch.stack([count_fixations(locations[:, group], size) for group in groups])


def _mode(mode: Evaluation) -> dict[str, Any]:
    """The errors of a mode."""
    return {
        "policy": mode.policy,
        "num_rollouts": mode.num_rollouts,
        "num_glimpses": mode.num_glimpses,
        "wrong": mode.wrong,
        "error_rate": mode.error_rate,
        "interval": list(mode.interval),
        "error_by_glimpse": [wrong / mode.n for wrong in mode.wrong_by_glimpse],
    }


def _gaze(mode: Evaluation) -> dict[str, Any]:
    """How much where it looks depends on the image."""
    assert mode.gaze is not None, "a model that `look` can show looks at locations"
    gaze = asdict(mode.gaze)
    return {**gaze, "dependence": mode.gaze.dependence, "scanpath_dependence": mode.gaze.scanpath_dependence}


def _mistake(index: int, answers: _Answers, label: Int64[Tensor, " images"], names: Sequence[str]) -> dict[str, Any]:
    """One wrong answer."""
    return {
        "index": index,
        "label": names[int(label[index])],
        "answer": names[int(answers.answer[index])],
        "probability": float(answers.probability[index]),
        "probability_of_label": float(answers.of_label[index]),
    }
