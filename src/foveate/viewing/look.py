"""`look`: one image through a model, and the record of where it looked, what it saw there and what it answered."""

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Float, Int64, Shaped
from torch import Tensor

from foveate.glimpse.sensor import SpatialGlimpse
from foveate.policy.units import stochastic
from foveate.training.build import Attention
from foveate.training.seeds import generator
from foveate.viewing.boxes import boxes
from foveate.viewing.intake import take_in, zoom

if TYPE_CHECKING:
    import numpy as np
    from PIL.Image import Image as Picture

    from foveate.viewing.animation import Moving


@dataclass(frozen=True)
class Look:
    """One scanpath over one image. Time first; index t is glimpse t + 1. A notebook shows it as its picture."""

    image: Shaped[Tensor, "channels height width"]
    """What was looked at, at the model's size: uint8, or floats in [0, 1]."""
    classes: tuple[str, ...]
    """Names of the classes."""
    probabilities: Float[Tensor, "time classes"]
    """Probability of each class after each glimpse."""
    locations: Float[Tensor, "time 2"]
    """Where each glimpse was taken, (x, y) in [-1, 1]."""
    boxes: Int64[Tensor, "time depth 4"]
    """Pixels (x0, y0, x1, y1) of `image` under the window of each scale, fine first; see `foveate.viewing.boxes`."""
    glimpses: Float[Tensor, "time depth channels h w"]
    """What the model saw, in [0, 1]."""
    name: str = ""
    """What the image is called."""
    label: str | None = None
    """Its true class, where it is known."""
    original: tuple[int, int] = (0, 0)
    """Height and width in pixels that the image had before it was fitted to the model's."""
    zoom: tuple[float, float] = (1.0, 1.0)
    """Pixels of `image` for one pixel of the original, along x and y."""

    @property
    def answer(self) -> str:
        """The likeliest class after the last glimpse."""
        return self.classes[int(self.probabilities[-1].argmax())]

    @property
    def probability(self) -> float:
        """Probability of the answer."""
        return float(self.probabilities[-1].max())

    @property
    def right(self) -> bool | None:
        """Whether the answer is the label; None where there is no label."""
        return None if self.label is None else self.answer == self.label

    def to_dict(self) -> dict[str, Any]:
        """All but the pixels, ready for JSON."""
        return {
            "name": self.name,
            "answer": self.answer,
            "probability": self.probability,
            "label": self.label,
            "right": self.right,
            "classes": list(self.classes),
            "probabilities": self.probabilities.tolist(),
            "locations": self.locations.tolist(),
            "boxes": self.boxes.tolist(),
            "size": list(self.image.shape[1:]),
            "original": list(self.original),
            "zoom": list(self.zoom),
        }

    def picture(self) -> "Picture":
        """The scanpath drawn: see `foveate.viewing.scanpath.picture`."""
        from foveate.viewing.scanpath import picture

        return picture(self)

    def frames(self) -> "list[Picture]":
        """The scanpath moving, picture by picture: see `foveate.viewing.animation.frames`."""
        from foveate.viewing.animation import frames

        return frames(self)

    def moving(self) -> "Moving":
        """The scanpath moving, as a notebook shows it."""
        from foveate.viewing.animation import Moving

        return Moving((self,))

    def animation(self, path: "str | os.PathLike[str]") -> Path:
        """Write the scanpath moving, as WebP, or GIF where the name ends so: see `foveate.viewing.animation`."""
        from foveate.viewing.animation import save_animation

        save_animation(self, Path(path))
        return Path(path)

    def _repr_png_(self) -> bytes:
        """What a notebook shows and keeps: small, since few colours are enough unless the image has its own."""
        drawn, file = self.picture(), io.BytesIO()
        (drawn if len(self.image) == 3 else drawn.quantize(128)).save(file, "PNG", optimize=True)
        return file.getvalue()


@torch.no_grad()
def look(
    model: Attention,
    image: "str | os.PathLike[str] | Picture | np.ndarray | Tensor",
    *,
    num_glimpses: int | None = None,
    start: str | tuple[float, float] | Tensor | None = None,
    policy: str | None = None,
    seed: int = 0,
    resize: str = "pad",
    label: str | None = None,
) -> Look:
    """Look at one image, and keep where, what was seen there, and what was thought of it after each glimpse.

    Convention:
        location is (x, y) in [-1, 1], x right, y down; boxes are (x0, y0, x1, y1) in pixels of `Look.image`.

    Args:
        model: a model from `build` or `from_pretrained`.
        image: a path, a pillow picture, an array (h, w) or (h, w, c), or a tensor (c, h, w); uint8, or floats in
            [0, 1]. It is turned upright, made grey or RGB, and fitted to the size the model was trained on.
        num_glimpses: more or fewer than the model was trained with.
        start: where to look first: "learned", "centre", "random" or (x, y); None is the model's own.
        policy: "mean", "sampled", or None for the model's own (mean, unless it was built `stochastic`).
        seed: of sampled locations and of a random start.
        resize: what to do about another size: "pad" (whole, with a black border), "crop", "stretch" or "refuse".
        label: the true class, where it is known.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the image is none, or an option is impossible.

    Example:
        >>> import foveate
        >>> model = foveate.build(foveate.config.Model(image=(1, 28, 28), classes=tuple("0123456789")))
        >>> seen = look(model, torch.rand(3, 100, 200), start=(0.0, 0.0), num_glimpses=4)
        >>> seen.boxes[0].tolist(), seen.glimpses.shape
        ([[10, 10, 18, 18]], torch.Size([4, 1, 1, 8, 8]))
    """
    if policy not in (None, "mean", "sampled"):
        raise ValueError(f"`policy` should be 'mean' or 'sampled'. Found `policy = {policy!r}`.")
    if resize not in ("pad", "crop", "stretch", "refuse"):
        raise ValueError(f"`resize` should be 'pad', 'crop', 'stretch' or 'refuse'. Found `resize = {resize!r}`.")
    shape = model.config.image
    pixels, original = take_in(image, shape, resize)
    device = next(model.parameters()).device
    batch, draws = pixels.to(device).unsqueeze(0), generator(seed, "evaluation", device=device)
    first = start if start is None or isinstance(start, str) else _location(start).to(device)
    with evaluating(model, policy):
        rollout = model(batch, num_glimpses=num_glimpses, start=first, generator=draws)
    sensor, locations = model.get_submodule("glimpse.sensor"), rollout.locations[:, 0].float()
    assert isinstance(sensor, SpatialGlimpse), "only a SpatialGlimpse has windows that can be drawn"
    seen = sensor(batch, locations).unflatten(1, (sensor.depth, -1))
    return Look(
        image=pixels.cpu(),
        classes=model.config.classes,
        probabilities=rollout.logits[:, 0].float().softmax(-1).cpu(),
        locations=locations.cpu(),
        boxes=boxes(locations, shape[1:], sensor.windows).cpu(),
        glimpses=seen.float().cpu(),
        name=Path(image).name if isinstance(image, (str, os.PathLike)) else "",
        label=label,
        original=original,
        zoom=zoom(original, shape[1:], resize),
    )


@contextmanager
def evaluating(model: Attention, policy: str | None) -> Iterator[None]:
    """Inside the block the model is in evaluation mode and looks by `policy`; after it, it is as it was before."""
    was_training = model.training
    model.eval()
    try:
        with nullcontext() if policy is None else stochastic(model, policy == "sampled"):
            yield
    finally:
        model.train(was_training)


def _location(start: tuple[float, float] | Tensor) -> Float[Tensor, "2"]:
    """A start that was given in numbers."""
    location = torch.as_tensor(start, dtype=torch.float32)
    if location.shape != (2,) or not (location.abs() <= 1).all():  # also refuses nan
        raise ValueError(f"`start` should be a location (x, y) in [-1, 1]. Found `start = {start}`.")
    return location
