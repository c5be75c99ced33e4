"""The smallest agents that show a property: a user's own parts, with the loop's interface and nothing more."""

from typing import Any

import torch
from torch import Tensor, nn

from foveate import GlimpseNetwork, Locator, RecurrentAttention, ReinforceNormal, SpatialGlimpse
from foveate.recurrent.core import RectifiedCore
from foveate.recurrent.heads import ValueBaseline

WIDTH, CLASSES = 6, 3


def agent(*, into_core: bool = False, baseline_into_core: bool = False, **settings) -> Any:
    """A whole agent of the package's own parts, for images of one channel."""
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
    """A user's glimpse network: the mean of the image beside the location."""

    def forward(self, image: Tensor, location: Tensor) -> Tensor:
        mean = image.mean((1, 2, 3)).repeat(len(location) // len(image))
        return torch.cat([mean.unsqueeze(1), location], dim=1)


class Sum(nn.Module):
    """A user's core, with a second state: the sum of the features so far, and how many they were."""

    def start(self, batch: int) -> tuple[Tensor, Tensor]:
        return torch.zeros(batch, 3), torch.zeros(batch)

    def forward(self, feature: Tensor, state: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        return state[0] + feature, state[1] + 1


class Drift(nn.Module):
    """A user's locator, with nothing to draw: it looks a little further right at each glimpse."""

    def forward(self, hidden: Tensor, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
        x = hidden[:, 1] + 0.125
        return torch.stack([x, torch.zeros_like(x)], dim=1), torch.zeros(len(hidden))


def gradients(module: nn.Module, loss: Tensor) -> dict[str, Tensor]:
    """The gradient of a loss to every parameter of a module, 0 where there is none."""
    names, parameters = zip(*module.named_parameters(), strict=True)
    found = torch.autograd.grad(loss, parameters, retain_graph=True, allow_unused=True, materialize_grads=True)
    return dict(zip(names, found, strict=True))


def trained(module: nn.Module, loss: Tensor) -> set[str]:
    """The parts of a module that a loss trains."""
    return {name.split(".")[0] for name, gradient in gradients(module, loss).items() if gradient.any()}
