"""`transfer_weights`: initialize a model from a trained one of the same or smaller size."""

import math
import re

import torch
from jaxtyping import Int64
from torch import Tensor

from foveate.config import Model
from foveate.training.build import Attention

SENSES = ("glimpse.what.1.weight", "glimpse.where.0.weight")  # weights whose inputs are pixels or locations, not units
STATES = ("locator.mean.0.weight", "baseline.value.weight")  # weights that read the states of all ensemble members
MEMBER = re.compile(r"members\.\d+\.")  # prefix in the names of an ensemble member's parameters
START = "`pretrained` should be a model with"


@torch.no_grad()
def transfer_weights(model: Attention, other: Attention) -> None:
    """Copy the weights of `other` into `model`, to continue training from them.

    `model` may be larger. In a wider layer the first units are copied and get zero weights from the added units, so
    both models give the same answers, up to rounding, until training changes them. Additional scales, channels and
    pixels at the edge of a glimpse are read with the weights that `model` already has. The classifier is copied only
    if the classes are the same, the baseline only if it is of the same kind.

    Convention:
        A location keeps its meaning in pixels, to within half a pixel: weights that read or produce locations are
        scaled where the image's size or `unit_pixels` differs. Glimpses move as many pixels on a larger image.

    Raises:
        ValueError: if `other` has other parts, or larger ones.

    Example:
        >>> from foveate import build
        >>> of_cats = Model(image=(1, 28, 28), classes=("cat", "dog"))
        >>> of_digits = Model(image=(1, 60, 60), classes=tuple("0123456789"), depth=3, hidden_size=512)
        >>> transfer_weights(build(of_digits), build(of_cats))
    """
    _check(model.config, other.config)
    parts = ["glimpse", "core"]
    parts += ["locator"] if (model.config.gaze, other.config.gaze) == ("learned", "learned") else []
    parts += ["classifier"] if model.config.classes == other.config.classes else []
    parts += ["baseline"] if model.config.baseline == other.config.baseline else []
    for part in parts:
        mine, theirs = (dict(getattr(each, part).named_parameters()) for each in (model, other))
        theirs |= _same_pixels(part, theirs, model.config, other.config)
        for name, weight in theirs.items():
            layer = MEMBER.sub("", f"{part}.{name}")
            places = _places(layer, tuple(weight.shape), model.config, other.config)
            if len(places) == 2 and layer not in SENSES:
                mine[name][places[0]] = 0
            mine[name][torch.meshgrid(*places, indexing="ij") if places else ()] = weight.to(mine[name])


def _check(new: Model, old: Model) -> None:
    """Raise an error if the old model has other parts, or larger ones."""
    for name in ("core", "ensemble", "learn_std"):
        mine = getattr(new, name)
        theirs = getattr(old, name)
        if mine != theirs:
            raise ValueError(f"{START} `{name} = {mine}`, as the new one has. Found `{name} = {theirs}`.")
    if new.locator_width and not old.locator_width:
        raise ValueError(f"{START} a `locator_width` of 1 or more, as the new one has. Found 0.")
    grown = _sizes(new)
    for name, size in _sizes(old).items():
        if size > grown[name]:
            raise ValueError(f"{START} a `{name}` of at most {grown[name]}, as the new one has. Found {size}.")


def _sizes(model: Model) -> dict[str, int]:
    """Sizes that may be larger in the new model."""
    widths = ("depth", "what_width", "where_width", "join_width", "hidden_size", "locator_width")
    sides = {f"glimpse_size[{side}]": model.glimpse_size[side] for side in (0, 1)}
    return {"image[0]": model.image[0], **sides, **{name: getattr(model, name) for name in widths}}


def _places(name: str, shape: tuple[int, ...], new: Model, old: Model) -> list[Int64[Tensor, " _"]]:
    """Indices of the old model's numbers along each dimension of a parameter of the new model."""
    places = [torch.arange(size) for size in shape]
    if name == "glimpse.what.1.weight":  # its inputs are, outermost first: scales, channels, rows, columns
        height, width = new.glimpse_size
        pixels = torch.arange(new.depth * new.image[0] * height * width).view(new.depth, new.image[0], height, width)
        top, left = ((more - less) // 2 for more, less in zip(new.glimpse_size, old.glimpse_size, strict=True))
        pixels = pixels[: old.depth, : old.image[0], top : top + old.glimpse_size[0], left : left + old.glimpse_size[1]]
        places[1] = pixels.flatten()
    if name == "glimpse.join.0.weight":  # first all of `what`, then all of `where`
        places[1] = torch.cat([torch.arange(old.what_width), new.what_width + torch.arange(old.where_width)])
    if name in STATES:  # one ensemble member after the other
        columns = torch.arange(new.ensemble * new.hidden_size).view(new.ensemble, -1)
        places[1] = columns[:, : old.hidden_size].flatten()
    if name.startswith("core.cell."):  # one gate after the other
        gates = shape[0] // old.hidden_size
        places[0] = torch.arange(gates * new.hidden_size).view(gates, -1)[:, : old.hidden_size].flatten()
    return places


def _same_pixels(part: str, weights: dict[str, Tensor], new: Model, old: Model) -> dict[str, Tensor]:
    """Weights of the old model that read or produce locations, rescaled to mean the same pixels in the new one."""
    if part == "glimpse":  # a location of 1 is half the image's width and height
        wider, taller = (side / before for side, before in zip(new.image[:0:-1], old.image[:0:-1], strict=True))
        where = {name: weight for name, weight in weights.items() if name.endswith("where.0.weight")}
        return {name: weight * weight.new_tensor([wider, taller]) for name, weight in where.items()}
    if part == "locator":  # a mean of 1 is `unit_pixels` pixels
        last = max(name for name in weights if name.startswith("mean.")).rsplit(".", 1)[0]
        nearer = old.unit_pixels / new.unit_pixels
        told = {name: weights[name] * nearer for name in (f"{last}.weight", f"{last}.bias")}
        return told | {name: weights[name] + math.log(nearer) for name in weights if name.endswith("log_std")}
    return {}
