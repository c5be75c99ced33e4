"""The models that a page shows: each opened once, then only read, so that any number of people can ask at once."""

import copy
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import UInt8
from torch import Tensor

from foveate.config import Data
from foveate.data.placement import centre, draw_clutter, draw_place
from foveate.data.render import render
from foveate.glimpse.sensor import SpatialGlimpse
from foveate.policy.units import units
from foveate.training.build import Attention
from foveate.viewing.look import Look, look
from foveate.web.examples import DIGITS, pool
from foveate.web.handwriting import HANDS, Hand, Placed, Strokes, trace, write

CANVASES = ("centred", "translated", "cluttered")
DISTRACTORS = 4  # pieces of clutter for a model that was trained without
PIECE = 8  # pixels: the side of a piece
Digit = tuple[UInt8[Tensor, "channels height width"], Placed | None]
Scene = tuple[UInt8[Tensor, "channels tall wide"], Placed | None]


@dataclass(frozen=True)
class Shown:
    """A model that is shown: twice, since whether it samples is a state of its parts."""

    name: str
    mean: Attention
    """Looks where the policy's mean says."""
    sampled: Attention
    """Samples where it looks."""
    data: Data

    @property
    def hand(self) -> Hand | None:
        """How its images were made, where it learned handwriting."""
        return HANDS.get(self.data.source)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width of an image before it comes onto a canvas."""
        channels, height, width = self.mean.config.image
        return (channels, *self.hand.size) if self.hand else (channels, height, width)

    @property
    def canvases(self) -> tuple[str, ...]:
        """The canvases it can look at, first the one it was trained on; only one where the image fills it."""
        trained = self.data.canvas
        if self.shape == self.mean.config.image:
            return ("centred",)
        return (trained, *(kind for kind in CANVASES if kind != trained))

    def to_dict(self) -> dict[str, Any]:
        """What the page needs to know."""
        config, sensor = self.mean.config, self.mean.get_submodule("glimpse.sensor")
        assert isinstance(sensor, SpatialGlimpse), "only a SpatialGlimpse has windows that can be drawn"
        return {
            "name": self.name,
            "classes": list(config.classes),
            "size": list(config.image[1:]),
            "num_glimpses": config.num_glimpses,
            "glimpse_size": list(config.glimpse_size),
            "windows": [list(window) for window in sensor.windows],
            "canvases": list(self.canvases),
            "policy": "sampled" if config.stochastic else "mean",
            "handwriting": self.hand is not None,
            "examples": [digit for digit in DIGITS if digit in config.classes],
        }

    def written(self, strokes: Strokes) -> Digit:
        """Strokes as an image of its kind, and where they are on it."""
        image, placed = write(strokes, self.hand) if self.hand else trace(strokes, self.shape[1:])
        return image.expand(self.shape[0], -1, -1), placed

    def onto(self, canvas: str, digit: Digit, seed: int) -> Scene:
        """The image on a canvas that is drawn with a seed."""
        image, placed = digit
        size, draws = self.mean.config.image[1:], torch.Generator().manual_seed(seed)
        if image.shape[1:] == size:
            return digit
        batch, clutter, others = image.unsqueeze(0), None, None
        inner = (image.shape[1], image.shape[2])
        place = centre(1, inner, size, batch.device) if canvas == "centred" else draw_place((1,), inner, size, draws)
        if canvas == "cluttered":
            assert self.hand, "only what is smaller than its canvas can be among clutter"
            others = pool(self.hand)
            number = (1, self.data.distractors or DISTRACTORS)
            clutter = draw_clutter(number, len(others), min(PIECE, *inner), inner, size, draws)
            others = others[clutter.source.flatten()].expand(-1, image.shape[0], -1, -1)
        x, y = place[0].tolist()
        placed = placed and Placed(placed.scale, placed.x0 + x, placed.y0 + y, placed.pen)
        return render(batch, size, place, clutter, others)[0], placed

    def look(self, scene: UInt8[Tensor, "channels height width"], policy: str, **wishes: Any) -> Look:
        """One look. Nothing is changed by it: which of the two models is asked decides whether it samples."""
        return look(self.sampled if policy == "sampled" else self.mean, scene, **wishes)


def show(name: str, model: Attention, data: Data) -> Shown:
    """Make a model ready to be shown."""
    pair = {policy: copy.deepcopy(model).eval().requires_grad_(False) for policy in ("mean", "sampled")}
    for policy, each in pair.items():
        for unit in units(each):
            unit.stochastic = policy == "sampled"
    return Shown(name, **pair, data=data)
