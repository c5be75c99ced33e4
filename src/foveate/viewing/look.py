"""`look`: run a model on one image, and record where it looked, what it saw and what it answered."""

import os
import warnings
from typing import TYPE_CHECKING, BinaryIO

import torch
from jaxtyping import Float
from torch import Tensor

from foveate.data.intake import as_pyramid, name_of
from foveate.data.pyramid import Pyramid
from foveate.glimpse.location import boxes
from foveate.glimpse.pyramids import Pyramids, pyramid_boxes
from foveate.glimpse.sensor import SpatialGlimpse
from foveate.recurrent.inference import eval_view
from foveate.training.build import Attention
from foveate.training.prepare import Prepared, check, prepare, show_pyramid
from foveate.training.seeds import generator
from foveate.viewing.record import Look

if TYPE_CHECKING:
    import numpy as np
    from PIL.Image import Image as Picture


class UnfamiliarPicture(UserWarning):
    """A picture is unlike those that the model learned."""


def look(
    model: Attention,
    image: "str | os.PathLike[str] | bytes | BinaryIO | Picture | np.ndarray | Tensor | Pyramid",
    *,
    num_glimpses: int | None = None,
    stop: float | None = None,
    start: str | tuple[float, float] | Tensor | None = None,
    policy: str | None = None,
    seed: int = 0,
    ink: str = "auto",
    resize: str | None = None,
    label: str | None = None,
) -> Look:
    """Look at one image, and record where, what was seen there, and the answer after each glimpse.

    The image is made ready as the training images were: fitted in the same way, or, where the model learned the
    handwriting of `mnist` or `digits`, with its ink bright on black, scaled and centered; then placed in the middle of
    the canvas. An image that is unlike what the model learned is answered with a warning, `UnfamiliarPicture`.

    Convention:
        location is (x, y) in [-1, 1], x right, y down; boxes are (x0, y0, x1, y1) in pixels of `Look.image`.

    Args:
        model: a model from `build` or `from_pretrained`.
        image: a path, the bytes of a file or a file opened for reading them, a pillow picture, an array (h, w) or
            (h, w, c), or a tensor (c, h, w). Numbers are uint8, floats in [0, 1], bool, uint16, or other whole numbers
            in 0..255. A tensor of the model's shape is not made ready any further. A `Pyramid` is read at its own size.
        num_glimpses: more or fewer than the model was trained with.
        stop: probability at which it is sure, and takes no more glimpses.
        start: where to look first: "learned", "center", "random" or (x, y); None is the model's own.
        policy: "mean", "sampled", or None for the model's own (mean, unless it was built `stochastic`).
        seed: of sampled locations and of a random start.
        ink: for models of handwriting, whether ink is "light" on dark, "dark" on light, or "auto": as the border tells.
        resize: fit the whole image by "pad" (with a black border), "crop" or "stretch", "refuse" another size, or read
            it at its own size ("native"), each scale from its level; None is the model's own way.
        label: the true class, where it is known.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is not an image, or an option is impossible.

    Example:
        >>> import foveate
        >>> model = foveate.build(foveate.config.Model(image=(1, 28, 28), classes=tuple("0123456789")))
        >>> seen = look(model, torch.rand(3, 100, 200), start=(0.0, 0.0), num_glimpses=4)
        >>> seen.boxes[0].tolist(), seen.glimpses.shape
        ([[10, 10, 18, 18]], torch.Size([4, 1, 1, 8, 8]))
    """
    pyramid = None
    name = name_of(image)
    if resize == "native" or isinstance(image, Pyramid):
        check(model.config, resize, ink)
        pyramid = as_pyramid(image, model.config.image[0])
        prepared = show_pyramid(pyramid)
    else:
        prepared = prepare(image, model.config, resize=resize, ink=ink)
    if prepared.warning:
        warnings.warn(f"{name}: {prepared.warning}" if name else prepared.warning, UnfamiliarPicture, stacklevel=2)
    options = {"num_glimpses": num_glimpses, "stop": stop, "start": start, "policy": policy, "seed": seed}
    return look_at_prepared(model, prepared, **options, name=name, label=label, pyramid=pyramid)


@torch.no_grad()
def look_at_prepared(
    model: Attention,
    prepared: Prepared,
    *,
    num_glimpses: int | None = None,
    stop: float | None = None,
    start: str | tuple[float, float] | Tensor | None = None,
    policy: str | None = None,
    seed: int = 0,
    name: str = "",
    label: str | None = None,
    pyramid: Pyramid | None = None,
) -> Look:
    """Look at an image that is ready for the model, or at a pyramid that it shows; the options are as in `look`."""
    if policy not in (None, "mean", "sampled"):
        raise ValueError(f"`policy` should be 'mean' or 'sampled'. Found `policy = {policy!r}`.")
    device = next(model.parameters()).device
    batch = prepared.image.to(device).unsqueeze(0) if pyramid is None else Pyramids([pyramid], device)
    draws = generator(seed, "evaluation", device=device)
    first = start if start is None or isinstance(start, str) else _location(start).to(device)
    sample = None if policy is None else policy == "sampled"
    rollout = eval_view(model)(batch, num_glimpses=num_glimpses, stop=stop, start=first, sample=sample, generator=draws)
    locations = rollout.locations[:, 0].float()
    sensor = model.get_submodule("glimpse.sensor")
    if not isinstance(sensor, SpatialGlimpse):
        raise ValueError(f"The sensor should be a `SpatialGlimpse`. Found a `{type(sensor).__name__}`.")
    seen = sensor(batch, locations).unflatten(1, (sensor.depth, -1))
    if pyramid is None:
        box = boxes(locations, model.config.image[1:], sensor.windows)
    else:
        shown = (prepared.image.shape[1], prepared.image.shape[2])
        box = pyramid_boxes(locations, pyramid.levels, sensor.windows, shown)
    return Look(
        image=prepared.image.cpu(),
        classes=model.config.classes,
        probabilities=rollout.logits[:, 0].float().softmax(-1).cpu(),
        locations=locations.cpu(),
        boxes=box.cpu(),
        glimpses=seen.float().cpu(),
        name=name,
        label=label,
        original=prepared.original,
        zoom=prepared.zoom,
        inverted=prepared.inverted,
        stop=stop,
        max_glimpses=num_glimpses or model.num_glimpses,
        warning=prepared.warning,
    )


def _location(start: tuple[float, float] | Tensor) -> Float[Tensor, "2"]:
    """A start given as numbers."""
    location = torch.as_tensor(start, dtype=torch.float32)
    if location.shape != (2,) or not (location.abs() <= 1).all():  # also refuses nan
        raise ValueError(f"`start` should be a location (x, y) in [-1, 1]. Found `start = {start}`.")
    return location
