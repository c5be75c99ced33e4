"""The policy gradient of a whole model equals the gradient of its expected reward."""

from collections.abc import Iterator
from itertools import product
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.distributions import Normal

from foveate import (
    GlimpseNetwork,
    HybridLoss,
    Locator,
    RectifiedCore,
    RecurrentAttention,
    ReinforceCategorical,
    ReinforceNormal,
    SpatialGlimpse,
)
from foveate.recurrent.baselines import ValueBaseline
from recurrent.tiny import CLASSES, agent, gradients

PLACES = torch.tensor([[-1.0, -1.0], [0.0, 0.5], [1.0, 0.0]], dtype=torch.float64)
HIDDEN = 4


class Scripted(ReinforceCategorical):
    """A categorical unit with given draws."""

    script: tuple[int, ...] = ()

    def sample(self, parameters: Tensor, generator: torch.Generator | None = None) -> Tensor:
        place, *rest = self.script
        self.script = tuple(rest)
        return nn.functional.one_hot(torch.full((len(parameters),), place), len(PLACES)).to(parameters)


class Choice(nn.Module):
    """A locator with three possible locations."""

    def __init__(self, into_core: bool) -> None:
        super().__init__()
        self.chances = nn.Sequential(nn.Linear(HIDDEN, len(PLACES)), nn.Softmax(-1))
        self.unit, self.into_core = Scripted(), into_core

    def forward(self, hidden: Tensor, generator: Any = None, sample: bool | None = None) -> tuple[Tensor, Tensor]:
        chances = self.chances(hidden if self.into_core else hidden.detach())
        draw = self.unit(chances)
        return draw @ PLACES, self.unit.log_prob(chances, draw)


def chooser(into_core: bool) -> Any:
    """A model that reads one pixel at one of three locations."""
    what, where = nn.Flatten(), nn.Identity()
    model = RecurrentAttention(
        GlimpseNetwork(SpatialGlimpse(1, depth=1), what, where, join=nn.Linear(3, HIDDEN)),
        RectifiedCore(HIDDEN, nn.Tanh),
        Choice(into_core),
        nn.Linear(HIDDEN, CLASSES),
        ValueBaseline(HIDDEN),
        num_glimpses=2,
    ).double()
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.8)
    return model


def expected_reward(model: Any, image: Tensor, label: Tensor) -> Tensor:
    """J = sum over the nine scanpaths of p(scanpath) * R, as a plain loop, averaged over the images."""
    total = torch.zeros(len(image), dtype=torch.float64)
    chooses, reads = model.locator.chances[0], model.glimpse.join
    for script in product(range(len(PLACES)), repeat=2):
        hidden, chance = torch.zeros(len(image), HIDDEN, dtype=torch.float64), 1
        for place in script:
            chance = chance * chooses(hidden).softmax(1)[:, place]
            location = PLACES[place].expand(len(image), 2)
            pixel = model.glimpse.sensor(image, location).flatten(1)
            hidden = torch.tanh(reads(torch.cat([pixel, location], 1)) + model.core.recurrent(hidden))
        total = total + chance * (model.classifier(hidden).argmax(1) == label)
    return total.mean()


def slope(model: Any, parameter: Tensor, at: int, image: Tensor, label: Tensor) -> float:
    """d J / d parameter[at] by central differences."""
    flat, sides, step = parameter.data.view(-1), [], 1e-6
    for sign in (1, -2, 1):
        flat[at] += sign * step
        sides.append(expected_reward(model, image, label).item())
    return (sides[0] - sides[1]) / (2 * step)


@pytest.mark.parametrize("into_core", [False, True])
@pytest.mark.parametrize("seed", range(2))
def test_policy_gradient_by_enumeration(into_core: bool, seed: int):
    """The mean gradient of the policy loss over all scanpaths is minus the gradient of the expected reward."""
    torch.manual_seed(seed)
    model, image = chooser(into_core), torch.rand(4, 1, 5, 5, dtype=torch.float64)
    label = torch.arange(4) % CLASSES
    mean = {name: torch.zeros_like(value) for name, value in model.named_parameters()}
    for script in product(range(len(PLACES)), repeat=2):
        for i in range(len(image)):
            model.locator.unit.script = script
            rollout = model(image[i : i + 1])
            chance = rollout.log_probs.sum().exp().item()
            for name, gradient in gradients(model, HybridLoss()(rollout, label[i : i + 1]).policy_loss).items():
                mean[name] -= chance * gradient / len(image)
    checked = ["locator.chances.0.weight", "locator.chances.0.bias"]
    checked += ["core.recurrent.bias", "glimpse.join.weight"] if into_core else []
    for name in checked:
        parameter = model.get_parameter(name)
        exact = [slope(model, parameter, at, image, label) for at in range(parameter.numel())]
        torch.testing.assert_close(mean[name].flatten().tolist(), exact, rtol=1e-6, atol=1e-8)
        assert mean[name].any(), f"{name} has nothing to learn here"
    if not into_core:
        assert not mean["core.recurrent.bias"].any()


def pixel_chances(mean: Tensor, std: float) -> Tensor:
    """Probability that a glimpse of one pixel at a clamped normal location reads pixel (y, x) of a 5x5 image."""
    edges = torch.tensor([-torch.inf, -0.5, 0.0, 0.5, 1.0, torch.inf], dtype=mean.dtype)
    across, down = (Normal(m, std).cdf(edges).diff() for m in mean)
    return (down[:, None] * across).flatten()


@pytest.fixture
def float32_draws() -> Iterator[None]:
    """Draw the same model in `make float64`."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float32)
    yield
    torch.set_default_dtype(before)


@pytest.mark.usefixtures("float32_draws")
def test_policy_gradient_by_sampling():
    """Over 20,000 scanpaths of two normal locations it is within five standard errors of the exact sum over pixels."""
    torch.manual_seed(5)  # a model whose predictions depend on the locations, about half of them correct
    std, blind = 0.5, nn.Linear(2, 1, bias=False)
    nn.init.zeros_(blind.weight)
    locator = Locator(6, ReinforceNormal(std), policy_gradient_into_core=False)
    glimpse = GlimpseNetwork(SpatialGlimpse(1, depth=1), nn.Flatten(), blind, join=nn.Linear(2, 6))
    model = agent(glimpse=glimpse, locator=locator, num_glimpses=2).double()
    for parameter in [*glimpse.join.parameters(), *model.classifier.parameters()]:
        nn.init.normal_(parameter, std=2.0)
    image, label = torch.rand(1, 1, 5, 5, dtype=torch.float64), torch.tensor([1])

    def hidden_after(pixel: Tensor, hidden: Tensor) -> Tensor:
        feature = glimpse.join(torch.cat([pixel.view(-1, 1), torch.zeros(pixel.numel(), 1).double()], 1))
        return model.core(feature, (hidden.expand(len(feature), 6),))[0].detach()

    pixels, start = image.flatten(), torch.zeros(1, 6, dtype=torch.float64)
    first = hidden_after(pixels, start)
    reward = [(model.classifier(hidden_after(pixels, h)).argmax(1) == label).double() for h in first]
    second = torch.stack([pixel_chances(m, std) @ r for m, r in zip(locator.mean(first), reward, strict=True)])
    exact = gradients(locator, -(pixel_chances(locator.mean(start)[0], std) @ second))

    drawn = torch.Generator().manual_seed(0)
    parts = [
        gradients(locator, HybridLoss()(model(image, num_rollouts=400, generator=drawn), label).policy_loss)
        for _ in range(50)
    ]
    for name, expected in exact.items():
        found = torch.stack([part[name] for part in parts])
        error = found.std(0) / len(parts) ** 0.5
        assert ((found.mean(0) - expected).abs() <= 5 * error + 1e-12).all(), name
        assert (expected.abs() > 10 * error).any(), f"{name}: 20,000 are too few to tell it from 0"
