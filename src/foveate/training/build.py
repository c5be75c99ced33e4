"""Build a model from its config: the only module that knows sizes."""

import math
from typing import Any, cast

import torch
from torch import nn

from foveate.config import Config, Loss, Model
from foveate.glimpse.location import reach
from foveate.glimpse.network import GlimpseNetwork
from foveate.glimpse.sensor import SpatialGlimpse
from foveate.policy.fixed import fixed_policy
from foveate.policy.locator import Locator
from foveate.policy.units import ReinforceNormal, units
from foveate.recurrent.attention import RecurrentAttention
from foveate.recurrent.baselines import NoBaseline, ScalarBaseline, ValueBaseline
from foveate.recurrent.core import Core, GRUCore, LSTMCore, RectifiedCore
from foveate.recurrent.ensemble import CoreEnsemble, EnsembleClassifier, GlimpseEnsemble
from foveate.reward.loss import HybridLoss
from foveate.training.derive import derive_model

MOST_NUMBERS = 2**30  # in an image: more than any task needs; keeps a damaged file from filling the memory


class Attention(RecurrentAttention):
    """A `RecurrentAttention` that keeps the config `build` made it from, and refuses floats in 0..255."""

    config: Model
    unit_range = True


def build(config: Config | Model) -> Attention:
    """Build the model that a config describes, with parameters drawn from torch's global generator.

    Raises:
        ValueError: if the image or the classes are still open (0 or empty), or a size is impossible.

    Example:
        >>> from foveate.config import Model
        >>> model = build(Model(image=(1, 28, 28), classes=("cat", "dog")))
        >>> sum(parameter.numel() for parameter in model.parameters())
        239748

    Source: Mnih et al. 2014, section 4; the Torch7 script `recurrent-visual-attention.lua`.
    """
    model = config.model if isinstance(config, Config) else config
    _check(model)
    model = derive_model(model)
    each = range(model.ensemble)
    one = model.ensemble == 1
    attention = Attention(
        glimpse=_glimpse(model) if one else GlimpseEnsemble(_glimpse(model) for _ in each),
        core=_core(model) if one else CoreEnsemble(_core(model) for _ in each),
        locator=_locator(model),
        classifier=_classifier(model) if one else EnsembleClassifier(_classifier(model) for _ in each),
        baseline=_baseline(model),
        num_glimpses=model.num_glimpses,
        start=model.first_glimpse,
        channels=model.image[0],
    )
    attention.config = model
    if model.init_range:
        _draw(attention, model.init_range)
    return attention


@torch.no_grad()
def _draw(attention: Attention, init: float) -> None:
    """Draw all parameters uniformly except the units': a learned standard deviation starts from `std`."""
    kept = {id(parameter) for unit in units(attention) for parameter in unit.parameters()}
    for parameter in attention.parameters():
        if id(parameter) not in kept:
            parameter.uniform_(-init, init)


def build_loss(loss: Loss, model: Model) -> HybridLoss:
    """Build the loss that a config describes."""
    baseline = "learned" if model.baseline in ("scalar", "value") else model.baseline
    return HybridLoss(
        baseline=baseline,
        reward=loss.reward,
        policy_weight=loss.policy_weight,
        label_smoothing=loss.label_smoothing,
        answers=loss.answers,
        early_weight=loss.early_weight,
    )


def _check(model: Model) -> None:
    """Raise an error for a model that cannot be built."""
    if min(model.image) < 1:
        raise ValueError(f"`image` should be (channels, height, width), all at least 1. Found `image = {model.image}`.")
    if len(model.classes) < 2:
        raise ValueError(f"`classes` should name at least 2 classes. Found `classes = {model.classes}`.")
    if math.prod(model.image) > MOST_NUMBERS:
        raise ValueError(f"`image` should have at most {MOST_NUMBERS:,} numbers. Found `image = {model.image}`.")


def _glimpse(model: Model) -> GlimpseNetwork:
    sensor = SpatialGlimpse(model.glimpse_size, model.depth, mean=model.image_mean, std=model.image_std)
    pixels = model.image[0] * model.depth * model.glimpse_size[0] * model.glimpse_size[1]
    return GlimpseNetwork(
        sensor,
        what=nn.Sequential(nn.Flatten(), nn.Linear(pixels, model.what_width), nn.ReLU()),
        where=nn.Sequential(nn.Linear(2, model.where_width), nn.ReLU()),
        join=nn.Sequential(
            nn.Linear(model.what_width + model.where_width, model.join_width),
            nn.ReLU(),
            nn.Linear(model.join_width, model.hidden_size),
        ),
    )


def _core(model: Model) -> Core:
    if model.core == "rectified":
        return RectifiedCore(model.hidden_size)
    return {"lstm": LSTMCore, "gru": GRUCore}[model.core](model.hidden_size, model.hidden_size)


def _classifier(model: Model) -> nn.Module:
    return nn.Sequential(nn.Dropout(model.dropout), nn.Linear(model.hidden_size, len(model.classes)))


def _locator(model: Model) -> Any:
    farthest = reach(model.unit_pixels, cast(tuple[int, int], model.image[1:]))
    if model.gaze != "learned":
        with torch.device("cpu"):  # also while the weights have no device yet
            return fixed_policy(model.gaze, model.num_glimpses, torch.tensor(farthest))
    return Locator(
        model.ensemble * model.hidden_size,
        ReinforceNormal(model.std, learn_std=model.learn_std, stochastic=model.stochastic),
        farthest,
        width=model.locator_width,
        policy_gradient_into_core=model.policy_gradient_into_core,
    )


def _baseline(model: Model) -> nn.Module:
    if model.baseline == "scalar":
        return ScalarBaseline()
    if model.baseline == "value":
        return ValueBaseline(model.ensemble * model.hidden_size)
    return NoBaseline()
