"""The models that a page offers: loaded once, then only read, so that many requests can use them at a time."""

from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import UInt8
from torch import Tensor

from foveate.config import Data
from foveate.data.handwriting import InkStyle
from foveate.data.placement import center, draw_clutter, draw_place
from foveate.data.render import render
from foveate.glimpse.sensor import SpatialGlimpse
from foveate.training.build import Attention
from foveate.training.prepare import Prepared, ink_style, inner_size
from foveate.web.examples import DIGITS, example_images
from foveate.web.handwriting import PadPosition, Strokes, draw_on_pad, write

CANVASES = ("centered", "translated", "cluttered")
NUM_DISTRACTORS = 4  # for a model that was trained without
DISTRACTOR_SIDE = 8  # pixels


@dataclass(frozen=True)
class ServedModel:
    """A model that the page offers."""

    name: str
    model: Attention
    data: Data
    stop: float = 0.9
    """Probability at which it stops when sure, on request."""

    @property
    def style(self) -> InkStyle | None:
        """The handwriting that it reads; None for a model of other images."""
        return ink_style(self.model.config)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width of an image before it is placed on the canvas."""
        return (self.model.config.image[0], *inner_size(self.model.config))

    @property
    def canvases(self) -> tuple[str, ...]:
        """The canvases to choose from, first the one it was trained on; only one where the image fills it."""
        if self.shape == self.model.config.image:
            return ("centered",)
        kinds = CANVASES if self.style else CANVASES[:2]  # distractors are cut from written digits
        trained = self.data.canvas
        return tuple(sorted(kinds, key=lambda kind: kind != trained))

    def to_dict(self) -> dict[str, Any]:
        """What the page needs to know."""
        config = self.model.config
        sensor = self.model.get_submodule("glimpse.sensor")
        if not isinstance(sensor, SpatialGlimpse):
            raise ValueError(f"The sensor should be a `SpatialGlimpse`. Found a `{type(sensor).__name__}`.")
        return {
            "name": self.name,
            "classes": list(config.classes),
            "size": list(config.image[1:]),
            "num_glimpses": config.num_glimpses,
            "stop": self.stop,
            "glimpse_size": list(config.glimpse_size),
            "windows": [list(window) for window in sensor.windows],
            "canvases": list(self.canvases),
            "policy": "sampled" if config.stochastic else "mean",
            "handwriting": self.style is not None,
            "examples": [digit for digit in DIGITS if digit in config.classes],
        }

    def prepare_strokes(self, strokes: Strokes) -> tuple[Prepared, PadPosition]:
        """Strokes as an image before the canvas, and where the pad lies on it."""
        if self.style:
            image, position = write(strokes, self.style)
        else:
            image, position = draw_on_pad(strokes, self.shape[1:])
        return Prepared(image.expand(self.shape[0], -1, -1), self.shape[1:]), position

    def place_on_canvas(self, canvas: str, prepared: Prepared, seed: int) -> tuple[Prepared, tuple[int, int]]:
        """The image on a canvas drawn with a seed, and the (x, y) of its corner; one as large as the canvas stays."""
        size = (self.model.config.image[1], self.model.config.image[2])
        inner = (prepared.image.shape[1], prepared.image.shape[2])
        if inner == size:
            return prepared, (0, 0)
        draws = torch.Generator().manual_seed(seed)
        image = prepared.image.unsqueeze(0)
        place = center(1, inner, size, image.device) if canvas == "centered" else draw_place((1,), inner, size, draws)
        clutter = None
        sources = None
        if canvas == "cluttered":
            clutter, sources = self._draw_clutter(inner, size, draws)
        scene = render(image, size, place, clutter, sources)[0]
        x, y = place[0].tolist()
        return replace(prepared, image=scene), (x, y)

    def _draw_clutter(
        self, inner: tuple[int, int], size: tuple[int, int], draws: torch.Generator
    ) -> tuple[Any, UInt8[Tensor, "n channels height width"]]:
        """Distractors, and the images that they are cut from."""
        if not self.style:
            raise ValueError("Distractors should be cut from written digits. Found a model of other images.")
        examples = example_images(self.style)
        number = (1, self.data.distractors or NUM_DISTRACTORS)
        clutter = draw_clutter(number, len(examples), min(DISTRACTOR_SIDE, *inner), inner, size, draws)
        return clutter, examples[clutter.source.flatten()].expand(-1, self.shape[0], -1, -1)
