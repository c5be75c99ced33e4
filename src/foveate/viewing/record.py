"""`Look`: the record of one scanpath over one image; data only."""

from dataclasses import dataclass
from typing import Any

from jaxtyping import Float, Int64, Shaped
from torch import Tensor


@dataclass(frozen=True)
class Look:
    """One scanpath over one image. Time first; index t is glimpse t + 1."""

    image: Shaped[Tensor, "channels height width"]
    """The image at the model's size: uint8, or floats in [0, 1]."""
    classes: tuple[str, ...]
    """Names of the classes."""
    probabilities: Float[Tensor, "time classes"]
    """Probability of each class after each glimpse."""
    locations: Float[Tensor, "time 2"]
    """Where each glimpse was taken, (x, y) in [-1, 1]."""
    boxes: Int64[Tensor, "time depth 4"]
    """Pixels (x0, y0, x1, y1) of `image` under the window of each scale, fine first; see `glimpse.location.boxes`."""
    glimpses: Float[Tensor, "time depth channels h w"]
    """What the model saw, in [0, 1]."""
    name: str = ""
    """Name of the image."""
    label: str | None = None
    """Its true class, if known."""
    original: tuple[int, int] = (0, 0)
    """Height and width of the original in pixels, before it was fitted to the model's size."""
    zoom: tuple[float, float] = (1.0, 1.0)
    """Pixels of `image` per pixel of the original, along x and y."""
    inverted: bool = False
    """Whether dark and bright of the original were exchanged, as for dark ink on white paper."""
    stop: float | None = None
    """Probability at which it was to take no more glimpses; None if it took all."""
    max_glimpses: int = 0
    """Glimpses that it would have taken without `stop`."""
    warning: str = ""
    """Why the image is unlike those that the model learned, as a sentence; empty where nothing was noticed."""

    @property
    def answer(self) -> str:
        """The most probable class after the last glimpse."""
        return self.classes[int(self.probabilities[-1].argmax())]

    @property
    def probability(self) -> float:
        """Probability of the answer."""
        return float(self.probabilities[-1].max())

    @property
    def answers(self) -> list[tuple[str, float]]:
        """The most probable class after each glimpse, and its probability."""
        best = self.probabilities.max(1)
        return [(self.classes[c], p) for c, p in zip(best.indices.tolist(), best.values.tolist(), strict=True)]

    @property
    def sure(self) -> bool:
        """Whether the probability of the answer reached `stop`."""
        return self.stop is not None and self.stop < 1 and self.probability >= self.stop

    @property
    def stopping(self) -> str:
        """When it was sure, in words; empty without `stop`."""
        if self.stop is None:
            return ""
        count = len(self.locations)
        most = f"{self.max_glimpses} glimpse{'' if self.max_glimpses == 1 else 's'}"
        return f"sure after {count} of {most}" if self.sure else f"not sure after {most}"

    @property
    def correct(self) -> bool | None:
        """Whether the answer is the label; None if there is no label."""
        return None if self.label is None else self.answer == self.label

    def to_dict(self) -> dict[str, Any]:
        """Everything except the pixels, ready for JSON."""
        return {
            "name": self.name,
            "answer": self.answer,
            "probability": self.probability,
            "answers": [list(answer) for answer in self.answers],
            "stop": self.stop,
            "sure": self.sure,
            "max_glimpses": self.max_glimpses,
            "label": self.label,
            "correct": self.correct,
            "classes": list(self.classes),
            "probabilities": self.probabilities.tolist(),
            "locations": self.locations.tolist(),
            "boxes": self.boxes.tolist(),
            "size": list(self.image.shape[1:]),
            "original": list(self.original),
            "zoom": list(self.zoom),
            "inverted": self.inverted,
            "warning": self.warning,
        }

    def leading(self, num_classes: int) -> list[int]:
        """The answer, the label and the most probable classes at any time, the final answer first."""
        ever = self.probabilities.amax(0)
        ever[self.probabilities[-1].argmax()] = 3
        if self.label in self.classes:
            ever[self.classes.index(self.label)] += 2
        chosen = ever.argsort(descending=True, stable=True)[:num_classes].tolist()
        return sorted(chosen, key=lambda c: -float(self.probabilities[-1, c]))

    def centers(self) -> list[tuple[float, float]]:
        """Centers (x, y) of the finest windows, in pixels of the image."""
        return [((x0 + x1) / 2, (y0 + y1) / 2) for x0, y0, x1, y1 in self.boxes[:, 0].tolist()]
