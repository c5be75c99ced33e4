"""Minimal models and custom parts for tests."""

from typing import Any

import torch
from torch import Tensor, nn

from foveate import GlimpseNetwork, Locator, RecurrentAttention, ReinforceNormal, SpatialGlimpse
from foveate.recurrent.baselines import ValueBaseline
from foveate.recurrent.core import RectifiedCore

WIDTH, CLASSES = 6, 3


def agent(*, into_core: bool = False, baseline_into_core: bool = False, **settings) -> Any:
    """A model of the package's parts, for images of one channel."""
    sensor = SpatialGlimpse((2, 3), depth=2, scale=2)
    what = nn.Sequential(nn.Flatten(), nn.Linear(12, 5), nn.Tanh())
    where = nn.Sequential(nn.Linear(2, 4), nn.Tanh())
    parts = {
        "glimpse": GlimpseNetwork(sensor, what, where, join=nn.Linear(9, WIDTH)),
        "core": RectifiedCore(WIDTH, nn.Tanh),
        "locator": Locator(WIDTH, ReinforceNormal(0.2), (0.9, 0.7), policy_gradient_into_core=into_core),
        "classifier": nn.Linear(WIDTH, CLASSES),
        "baseline": ValueBaseline(WIDTH, baseline_gradient_into_core=baseline_into_core),
        "num_glimpses": 3,
    }
    return RecurrentAttention(**(parts | settings))


class PlainGlimpse(nn.Module):
    """A custom glimpse network: the mean of the image and the location."""

    def forward(self, image: Tensor, location: Tensor) -> Tensor:
        mean = image.mean((1, 2, 3)).repeat(len(location) // len(image))
        return torch.cat([mean.unsqueeze(1), location], dim=1)


class Sum(nn.Module):
    """A custom core with two states: the sum of the features so far, and their number."""

    def start(self, batch: int) -> tuple[Tensor, Tensor]:
        return torch.zeros(batch, 3), torch.zeros(batch)

    def forward(self, feature: Tensor, state: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        return state[0] + feature, state[1] + 1


class Drift(nn.Module):
    """A custom deterministic locator, which moves to the right with each glimpse."""

    def forward(self, hidden: Tensor, generator: Any = None, sample: bool | None = None) -> tuple[Tensor, Tensor]:
        x = hidden[:, 1] + 0.125
        return torch.stack([x, torch.zeros_like(x)], dim=1), torch.zeros(len(hidden))


def gradients(module: nn.Module, loss: Tensor) -> dict[str, Tensor]:
    """Gradient of a loss to every parameter of a module, 0 if there is none."""
    names, parameters = zip(*module.named_parameters(), strict=True)
    found = torch.autograd.grad(loss, parameters, retain_graph=True, allow_unused=True, materialize_grads=True)
    return dict(zip(names, found, strict=True))


def trained(module: nn.Module, loss: Tensor) -> set[str]:
    """Parts of a module that a loss trains."""
    return {name.split(".")[0] for name, gradient in gradients(module, loss).items() if gradient.any()}
