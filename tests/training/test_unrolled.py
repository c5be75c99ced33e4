"""The fast form of a step's learning gives what the loop gives, and leaves to the loop what it does not know."""

import gc
import weakref
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import nn

from foveate.config import Model
from foveate.recurrent.rollout import Rollout
from foveate.reward.criterion import HybridLoss, Losses
from foveate.training.build import Attention, build
from foveate.training.unrolled import Criterion, supported, unrolled
from foveate.training.walk import walk

MODEL = Model(image=(2, 28, 20), classes=("a", "b", "c"), num_glimpses=4, hidden_size=24, join_width=40)
FIELDS = ("logits", "locations", "log_probs", "baselines", "hiddens")
Found = tuple[Losses, dict[str, torch.Tensor]]


def hybrid(rollout: Rollout, label: torch.Tensor) -> Losses:
    return HybridLoss()(rollout, label)


def told(rollout: Rollout, label: torch.Tensor) -> Losses:
    """The total of the hybrid loss, and a number of each part of a rollout that changes with whatever is in it."""

    def mark(value: torch.Tensor) -> torch.Tensor:
        value = value.detach().float().flatten()
        return (value * torch.linspace(1, 100, len(value)).sin()).sum()

    return Losses(hybrid(rollout, label).total, *(mark(getattr(rollout, field)) for field in FIELDS))


def of_chances(rollout: Rollout, label: torch.Tensor) -> Losses:
    """A loss that h_T has no part in."""
    return Losses(rollout.log_probs.sum(), *torch.zeros(5))


def of_baselines(rollout: Rollout, label: torch.Tensor) -> Losses:
    return Losses(rollout.baselines.square().sum(), *torch.zeros(5))


def images() -> tuple[torch.Tensor, torch.Tensor]:
    return torch.randint(0, 256, (6, 2, 28, 20), dtype=torch.uint8), torch.randint(0, 3, (6,))


def both(
    model: Attention, criterion: Criterion, dtype: torch.dtype = torch.float32, num_rollouts: int = 1
) -> tuple[Found, Found]:
    """Losses and gradients of the loop and of the fast form, from the same parameters and draws."""
    image, label = images()
    draws = torch.Generator().manual_seed(1)
    with torch.autocast("cpu", dtype, enabled=dtype != torch.float32):
        rollout = model(image, num_rollouts=num_rollouts, every_answer=False, generator=draws)
    losses = criterion(rollout, label)
    model.zero_grad()
    losses.total.backward()
    draws = torch.Generator().manual_seed(1)
    fast = unrolled(model, criterion, image, label, num_rollouts=num_rollouts, generator=draws, dtype=dtype)
    slopes = {name: grad(parameter) for name, parameter in model.named_parameters()}
    return (losses, slopes), fast


def grad(parameter: nn.Parameter) -> torch.Tensor:
    return torch.zeros_like(parameter) if parameter.grad is None else parameter.grad.clone()


def made(**settings: Any) -> Attention:
    torch.manual_seed(0)
    return build(replace(MODEL, **settings)).train()


def assert_same(loop: Found, fast: Found, atol: float = 1e-5):
    for name, value in vars(loop[0]).items():
        torch.testing.assert_close(getattr(fast[0], name), value, rtol=1e-5, atol=1e-4, msg=name)
    assert fast[1].keys() == loop[1].keys()
    for name, value in loop[1].items():
        torch.testing.assert_close(fast[1][name], value, rtol=1e-4, atol=atol, msg=name)


@pytest.mark.parametrize("num_rollouts", [1, 3])
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"num_glimpses": 1},
        {"locator_width": 16, "learn_std": True},
        {"baseline": "scalar", "policy_gradient_into_core": True},
        {"baseline_gradient_into_core": True, "depth": 3, "glimpse_size": (5, 4)},
        {"scale": 1.5, "depth": 2},
        {"start": "centre"},
        {"start": "centre", "num_glimpses": 1, "depth": 2},
        {"start": "centre", "columns": 2, "policy_gradient_into_core": True, "baseline_gradient_into_core": True},
        {"start": "random", "policy_gradient_into_core": True},
        {"columns": 2, "locator_width": 16},
        {"columns": 3, "depth": 2, "policy_gradient_into_core": True, "baseline_gradient_into_core": True},
    ],
)
def test_fast_form_equals_the_loop(settings: dict[str, Any], num_rollouts: int):
    assert_same(*both(made(**settings), told, num_rollouts=num_rollouts))


@pytest.mark.parametrize(("start", "first"), [("learned", 18), ("random", 18), ("centre", 6)])
def test_the_first_glimpse_is_taken_once_an_image_where_every_rollout_starts_at_the_centre(start: str, first: int):
    model, taken = made(start=start), []
    model.glimpse.sensor.register_forward_hook(lambda sensor, given, glimpse: taken.append(len(glimpse)))
    unrolled(model, hybrid, *images(), num_rollouts=3)
    assert taken == [first, 18, 18, 18]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_glimpse_in_common_teaches_as_much_as_one_for_every_rollout(dtype: torch.dtype):
    model, (image, label) = made(start="centre", columns=2), images()
    common, apart = (
        unrolled(model, hybrid, *given, num_rollouts=count, generator=torch.Generator().manual_seed(1), dtype=dtype)
        for given, count in (((image, label), 3), ((image.repeat(3, 1, 1, 1), label.repeat(3)), 1))
    )
    assert common[0].total == apart[0].total
    for name, value in apart[1].items():
        assert (common[1][name] - value).norm() <= 0.005 * value.norm(), name


def test_gradients_that_leave_the_last_state_out():
    assert_same(*both(made(policy_gradient_into_core=True), of_chances), atol=1e-4)


class _OfOnesOwn(nn.Module):
    """A baseline that says nothing of where its gradient goes: into the core."""

    def forward(self, hiddens: torch.Tensor) -> torch.Tensor:
        return hiddens.mean(-1)


def test_a_baseline_of_ones_own_trains_what_it_reads():
    model = made()
    model.baseline = _OfOnesOwn()
    loop, fast = both(model, of_baselines)
    assert_same(loop, fast)
    assert fast[1]["core.recurrent.weight"].any()


def test_fast_form_in_bf16_stays_as_near_to_fp32_as_the_loop_does():
    (exact, gradients), _ = both(made(), hybrid)
    (loop, _), (fast, fast_gradients) = both(made(), hybrid, torch.bfloat16)
    for losses in (loop, fast):
        torch.testing.assert_close(losses.classification_loss, exact.classification_loss, rtol=0.02, atol=0.01)
        torch.testing.assert_close(losses.policy_loss, exact.policy_loss, rtol=0.05, atol=0.05)
    assert fast.classification_loss != exact.classification_loss
    whole = torch.cat([part.flatten() for part in gradients.values()])
    fast_whole = torch.cat([fast_gradients[name].flatten() for name in gradients])
    assert (whole - fast_whole).norm() < 0.05 * whole.norm()


class _Other(nn.ReLU):
    """Not ReLU itself: it might do anything."""


def _with(name: str, value: object, **settings: Any) -> Attention:
    model = build(replace(MODEL, **settings))
    owner, _, attribute = name.rpartition(".")
    setattr(model.get_submodule(owner), attribute, value)
    return model


@pytest.mark.parametrize(
    "model",
    [
        build(replace(MODEL, core="lstm")),
        build(replace(MODEL, activation="tanh")),
        _with("core.activation", _Other()),
        _with("glimpse.what", nn.Flatten()),
        _with("glimpse.sensor", nn.Identity()),
        build(replace(MODEL, columns=2, core="gru")),
        _with("core.columns.1.activation", nn.Tanh(), columns=2),
        _with("glimpse.columns.1.what", nn.Identity(), columns=2),
        _with("glimpse.sensor", nn.Identity(), columns=2),
        _with("core", build(replace(MODEL, columns=3)).core, columns=2),
    ],
)
def test_anything_else_is_left_to_the_loop(model: Attention):
    assert supported(build(MODEL))
    assert not supported(model)


def test_a_step_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch):
    """What the walk has filled is free again without a search for cycles."""
    memory = []

    def watched(*given: Any) -> Any:
        walked = walk(*given)
        memory.append(weakref.ref(walked.hiddens.untyped_storage()))
        return walked

    monkeypatch.setattr("foveate.training.unrolled.walk", watched)
    unrolled(made(), hybrid, *images())  # the first call in a process leaves a cycle of PyTorch's own
    gc.disable()
    try:
        _, gradients = unrolled(made(), hybrid, *images())
        assert gradients
        assert memory[1]() is None
    finally:
        gc.enable()
