"""The threshold of stopping when sure, chosen on validation images, and the curve of error against glimpses."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import cast

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from foveate.data.records import Images
from foveate.recurrent.stopping import is_sure
from foveate.storage.files import atomic_write
from foveate.training.evaluate import Answers, evaluate

STOP = "stop.json"  # beside a model's config.json
THRESHOLDS = (*(step / 100 for step in range(1, 100)), 0.995, 0.999, 1.0)


@dataclass(frozen=True)
class StopPoint:
    """What a threshold gives."""

    stop: float
    """Probability at which an image stops; 1 never stops."""
    error_rate: float
    """Share of the images with a wrong answer where they stopped."""
    mean_glimpses: float
    """Glimpses of an image, on average."""


def stopping_curve(
    model: nn.Module,
    images: Images,
    *,
    policy: str | None = None,
    num_rollouts: int = 1,
    num_glimpses: int | None = None,
    seed: int = 0,
) -> list[StopPoint]:
    """Error and mean glimpses at each of `THRESHOLDS`, from one pass over the images.

    Example:
        >>> import foveate
        >>> from foveate.data.sources import load
        >>> points = stopping_curve(foveate.from_pretrained("digits"), load("digits").validation)
        >>> points[0].mean_glimpses < points[-1].mean_glimpses
        True
    """
    ways = {"num_rollouts": num_rollouts, "num_glimpses": num_glimpses, "seed": seed}
    return curve_of(cast(Answers, evaluate(model, images, policy=policy, **ways).answers))


def curve_of(answers: Answers) -> list[StopPoint]:
    """Error and mean glimpses at each of `THRESHOLDS`, from answers that took all glimpses."""
    return [stop_point(answers.confidence, answers.wrong, stop) for stop in THRESHOLDS]


def stop_point(confidence: Float[Tensor, "time images"], wrong: Bool[Tensor, "time images"], stop: float) -> StopPoint:
    """Error and mean glimpses of images that stop at the first glimpse after which they are sure.

    >>> confidence = torch.tensor([[0.5, 0.9], [0.8, 0.6]])
    >>> stop_point(confidence, torch.tensor([[True, False], [False, True]]), 0.7)
    StopPoint(stop=0.7, error_rate=0.0, mean_glimpses=1.5)
    """
    last = last_glimpse(confidence, stop)
    errors = wrong.gather(0, last.unsqueeze(0))
    return StopPoint(stop, float(errors.double().mean()), float(last.double().mean()) + 1)


def last_glimpse(confidence: Float[Tensor, "time images"], stop: float) -> Int64[Tensor, " images"]:
    """Index of the glimpse after which each image stops: the first that is sure, or the last.

    >>> last_glimpse(torch.tensor([[0.5, 0.9], [0.6, 0.6]]), 0.7)
    tensor([1, 0])
    """
    sure = is_sure(confidence, stop)
    sure[-1] = True  # there is no further glimpse
    return sure.to(torch.uint8).argmax(0)  # the first of equal values


def choose_stop(points: list[StopPoint], within: float = 0.001) -> StopPoint:
    """The smallest threshold whose error is at most `within` above the error of all glimpses.

    Args:
        points: the curve on *validation* images, whose last point never stops.
        within: difference of two fractions; 0.001 is a tenth of a percentage point.

    Example:
        >>> points = [StopPoint(0.5, 0.04, 2.0), StopPoint(0.9, 0.021, 3.1), StopPoint(1.0, 0.02, 7.0)]
        >>> choose_stop(points, within=0.001).stop
        0.9
    """
    allowed = points[-1].error_rate + within + 1e-12  # rounding of a difference of fractions
    return next(point for point in points if point.error_rate <= allowed)


def save_stop(point: StopPoint, folder: Path) -> None:
    """Keep a threshold with a model, for `read_stop`; error and glimpses are those of the validation images."""
    with atomic_write(folder / STOP) as file:
        file.write((json.dumps(asdict(point), indent=2) + "\n").encode())


def read_stop(folder: Path) -> StopPoint:
    """The threshold that was chosen for the model in a folder.

    Raises:
        FileNotFoundError: if none was chosen.
        ValueError: if the file is damaged.

    Example:
        >>> from foveate.weights import find
        >>> read_stop(find("mnist")).stop < 1
        True
    """
    path = folder / STOP
    if not path.is_file():
        raise FileNotFoundError(
            f"`--stop auto` should find the threshold that `foveate evaluate RUN --stop auto` keeps. Found no `{path}`."
        )
    try:
        point = StopPoint(**json.loads(path.read_text(encoding="utf-8")))
        if not 0 <= point.stop <= 1:
            raise ValueError("no probability")
    except (ValueError, TypeError):
        raise ValueError(
            f"`{path}` should hold a threshold. Found another file; `evaluate --stop auto` mends it."
        ) from None
    return point
