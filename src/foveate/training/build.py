"""From a config to a model: the only place that knows sizes."""

import math
from collections.abc import Callable
from typing import cast

import torch
from jaxtyping import Shaped
from torch import Tensor, nn

from foveate.config import Config, Loss, Model
from foveate.glimpse.location import reach
from foveate.glimpse.network import GlimpseNetwork
from foveate.glimpse.sensor import SpatialGlimpse
from foveate.policy.locator import Locator
from foveate.policy.units import ReinforceNormal, units
from foveate.recurrent.attention import RecurrentAttention, Still
from foveate.recurrent.columns import CoreColumns, GlimpseColumns, Voters
from foveate.recurrent.core import Core, GRUCore, LSTMCore, RectifiedCore
from foveate.recurrent.heads import NoBaseline, ScalarBaseline, ValueBaseline
from foveate.reward.criterion import HybridLoss

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
    "elu": nn.ELU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
}


# More than any task needs; what a hostile file asks for should not take the memory, or all day.
MOST = {"num_glimpses": 100_000, "depth": 64, "columns": 64}
MOST_NUMBERS = 2**30


class Attention(RecurrentAttention):
    """A `RecurrentAttention` that `build` made: it remembers its config."""

    config: Model

    def still(self, image: Shaped[Tensor, "images channels height width"], num_glimpses: int) -> Still:
        """The images as a scene, if they have the channels that the model was built for."""
        if image.shape[1] != self.config.image[0]:
            raise ValueError(
                f"`image` should have {self.config.image[0]} channel(s), as the model has. Found {image.shape[1]}."
            )
        return super().still(image, num_glimpses)


def build(config: Config | Model) -> Attention:
    """Build the model that a config describes, with parameters drawn from torch's global generator.

    Raises:
        ValueError: if the image or the classes are still open (0 or empty), or a size is impossible.

    Example:
        >>> from foveate.config import Model
        >>> model = build(Model(image=(1, 28, 28), classes=("cat", "dog")))
        >>> sum(parameter.numel() for parameter in model.parameters())
        207365

    Source: Mnih et al. 2014, section 4; the Torch7 script `recurrent-visual-attention.lua`.
    """
    model = config.model if isinstance(config, Config) else config
    _check(model)
    each = range(model.columns)
    one = model.columns == 1
    attention = Attention(
        glimpse=_glimpse(model) if one else GlimpseColumns(_glimpse(model) for _ in each),
        core=_core(model) if one else CoreColumns(_core(model) for _ in each),
        locator=_locator(model),
        classifier=_classifier(model) if one else Voters(_classifier(model) for _ in each),
        baseline=_baseline(model),
        num_glimpses=model.num_glimpses,
        start=model.start,
    )
    attention.config = model
    if model.init:
        _draw(attention, model.init)
    return attention


@torch.no_grad()
def _draw(attention: Attention, init: float) -> None:
    """Uniform parameters, except those of the units: a learned standard deviation starts from `std`."""
    kept = {id(parameter) for unit in units(attention) for parameter in unit.parameters()}
    for parameter in attention.parameters():
        if id(parameter) not in kept:
            parameter.uniform_(-init, init)


def build_loss(loss: Loss, model: Model) -> HybridLoss:
    """The losses that a config describes."""
    baseline = "learned" if model.baseline in ("scalar", "value") else model.baseline
    return HybridLoss(
        baseline=baseline,
        reward=loss.reward,
        reward_scale=loss.reward_scale,
        policy_weight=loss.policy_weight,
        baseline_weight=loss.baseline_weight,
        label_smoothing=loss.label_smoothing,
    )


def _check(model: Model) -> None:
    """Refuse what cannot be built."""
    if min(model.image) < 1:
        raise ValueError(f"`image` should be (channels, height, width), all at least 1. Found `image = {model.image}`.")
    if len(model.classes) < 2:
        raise ValueError(f"`classes` should name at least 2 classes. Found `classes = {model.classes}`.")
    if min(model.glimpse_size) < 1:
        raise ValueError(f"`glimpse_size` should be at least 1. Found `glimpse_size = {model.glimpse_size}`.")
    for name in ("what_width", "where_width", "join_width", "hidden_size", "columns"):
        if getattr(model, name) < 1:
            raise ValueError(f"`{name}` should be at least 1. Found `{name} = {getattr(model, name)}`.")
    for name, most in MOST.items():
        if getattr(model, name) > most:
            raise ValueError(f"`{name}` should be at most {most:,}. Found `{name} = {getattr(model, name)}`.")
    if math.prod(model.image) > MOST_NUMBERS:
        raise ValueError(f"`image` should have at most {MOST_NUMBERS:,} numbers. Found `image = {model.image}`.")
    if not model.unit_pixels > 0:
        raise ValueError(f"`unit_pixels` should be above 0. Found `unit_pixels = {model.unit_pixels}`.")
    for name in ("locator_width", "init"):
        if getattr(model, name) < 0:
            raise ValueError(f"`{name}` should be at least 0. Found `{name} = {getattr(model, name)}`.")
    if not 0 <= model.dropout < 1:
        raise ValueError(f"`dropout` should be at least 0 and below 1. Found `dropout = {model.dropout}`.")


def _glimpse(model: Model) -> GlimpseNetwork:
    activation = ACTIVATIONS[model.activation]
    sensor = SpatialGlimpse(model.glimpse_size, model.depth, model.scale)
    pixels = model.image[0] * model.depth * model.glimpse_size[0] * model.glimpse_size[1]
    return GlimpseNetwork(
        sensor,
        what=nn.Sequential(nn.Flatten(), nn.Linear(pixels, model.what_width), activation()),
        where=nn.Sequential(nn.Linear(2, model.where_width), activation()),
        join=nn.Sequential(
            nn.Linear(model.what_width + model.where_width, model.join_width),
            activation(),
            nn.Linear(model.join_width, model.hidden_size),
        ),
    )


def _core(model: Model) -> Core:
    if model.core == "rectified":
        return RectifiedCore(model.hidden_size, ACTIVATIONS[model.activation])
    return {"lstm": LSTMCore, "gru": GRUCore}[model.core](model.hidden_size, model.hidden_size)


def _classifier(model: Model) -> nn.Module:
    return nn.Sequential(nn.Dropout(model.dropout), nn.Linear(model.hidden_size, len(model.classes)))


def _locator(model: Model) -> Locator:
    return Locator(
        model.columns * model.hidden_size,
        ReinforceNormal(model.std, learn_std=model.learn_std, stochastic=model.stochastic),
        reach(model.unit_pixels, cast(tuple[int, int], model.image[1:])),
        width=model.locator_width,
        policy_gradient_into_core=model.policy_gradient_into_core,
    )


def _baseline(model: Model) -> nn.Module:
    if model.baseline == "scalar":
        return ScalarBaseline()
    if model.baseline == "value":
        return ValueBaseline(
            model.columns * model.hidden_size, baseline_gradient_into_core=model.baseline_gradient_into_core
        )
    return NoBaseline()
