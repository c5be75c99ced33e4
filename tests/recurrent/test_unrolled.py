"""The fast form of a training rollout gives what the loop gives, and leaves to the loop what it does not know."""

import gc
import weakref
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import nn

from saccade.config import Model
from saccade.recurrent.rollout import Rollout
from saccade.recurrent.unrolled import supported, unrolled
from saccade.reward.criterion import HybridLoss, Losses
from saccade.training.build import Attention, build

MODEL = Model(image=(2, 28, 20), classes=("a", "b", "c"), num_glimpses=4, hidden_size=24, join_width=40)
FIELDS = ("logits", "locations", "log_probs", "baselines", "hiddens")


def both(
    settings: dict[str, Any], dtype: torch.dtype = torch.float32, num_rollouts: int = 1
) -> list[tuple[Rollout, Losses, list[torch.Tensor]]]:
    """Rollout, losses and gradients of the loop and of the fast form, from the same parameters and draws."""
    torch.manual_seed(0)
    model = build(replace(MODEL, **settings)).train()
    image, label = torch.randint(0, 256, (6, 2, 28, 20), dtype=torch.uint8), torch.randint(0, 3, (6,))
    results = []
    for fast in (False, True):
        draws = torch.Generator().manual_seed(1)
        model.zero_grad()
        if fast:
            rollout = unrolled(model, image, num_rollouts=num_rollouts, generator=draws, dtype=dtype)
        else:
            with torch.autocast("cpu", dtype, enabled=dtype != torch.float32):
                rollout = model(image, num_rollouts=num_rollouts, every_answer=False, generator=draws)
        losses = HybridLoss()(rollout, label)
        losses.total.backward()
        results.append((rollout, losses, [grad(parameter) for parameter in model.parameters()]))
    return results


def grad(parameter: nn.Parameter) -> torch.Tensor:
    return torch.zeros_like(parameter) if parameter.grad is None else parameter.grad.clone()


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
    ],
)
def test_fast_form_equals_the_loop(settings: dict[str, Any], num_rollouts: int):
    (loop, losses, gradients), (fast, fast_losses, fast_gradients) = both(settings, num_rollouts=num_rollouts)
    for field in FIELDS:
        torch.testing.assert_close(getattr(fast, field), getattr(loop, field), rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(fast_losses.total, losses.total, rtol=1e-5, atol=1e-6)
    for actual, expected in zip(fast_gradients, gradients, strict=True):
        torch.testing.assert_close(actual, expected, rtol=1e-4, atol=1e-5)


def test_gradients_that_leave_the_last_state_out():
    """Nothing but the log-probabilities is asked, which h_T has no part in."""
    gradients = []
    for fast in (False, True):
        torch.manual_seed(0)
        model = build(replace(MODEL, policy_gradient_into_core=True)).train()
        image, draws = torch.randint(0, 256, (6, 2, 28, 20), dtype=torch.uint8), torch.Generator().manual_seed(1)
        rollout = unrolled(model, image, generator=draws) if fast else model(image, generator=draws)
        rollout.log_probs.sum().backward()
        gradients.append([grad(parameter) for parameter in model.parameters()])
    for actual, expected in zip(*gradients, strict=True):
        torch.testing.assert_close(actual, expected, rtol=1e-4, atol=1e-4)


def test_fast_form_in_bf16_stays_as_near_to_fp32_as_the_loop_does():
    (exact, _, gradients), _ = both({})
    (loop, _, _), (fast, _, fast_gradients) = both({}, torch.bfloat16)
    for rollout in (loop, fast):
        assert rollout.hiddens.dtype == torch.bfloat16
        torch.testing.assert_close(rollout.hiddens.float(), exact.hiddens, rtol=0.05, atol=0.02)
        torch.testing.assert_close(rollout.locations, exact.locations, rtol=0.02, atol=0.01)
    whole, fast_whole = (torch.cat([part.flatten() for part in parts]) for parts in (gradients, fast_gradients))
    assert (whole - fast_whole).norm() < 0.05 * whole.norm()


class _Other(nn.ReLU):
    """Not ReLU itself: it might do anything."""


def _with(name: str, value: object) -> Attention:
    model = build(MODEL)
    owner, _, attribute = name.rpartition(".")
    setattr(model.get_submodule(owner), attribute, value)
    return model


@pytest.mark.parametrize(
    "model",
    [
        build(replace(MODEL, core="lstm")),
        build(replace(MODEL, activation="tanh")),
        build(replace(MODEL, start="centre")),
        _with("core.activation", _Other()),
        _with("glimpse.what", nn.Flatten()),
        _with("glimpse.sensor", nn.Identity()),
    ],
)
def test_anything_else_is_left_to_the_loop(model: Attention):
    assert supported(build(MODEL))
    assert not supported(model)


def node_of_the_walk(value: torch.Tensor) -> Any:
    """The node of the graph behind a value that goes the whole walk back."""
    waiting = [value.grad_fn]
    while "Unrolled" not in (node := waiting.pop()).name():
        waiting += [after for after, _ in node.next_functions if after is not None]
    return node


def test_a_rollout_leaves_nothing_behind():
    model = build(MODEL).train()
    rollout = unrolled(model, torch.zeros(2, 2, 28, 20, dtype=torch.uint8))
    gone = weakref.ref(node_of_the_walk(rollout.logits))
    memory = weakref.ref(rollout.hiddens.untyped_storage())
    gc.disable()
    try:
        HybridLoss()(rollout, torch.zeros(2, dtype=torch.int64)).total.backward()
        del rollout
        assert gone() is None
        assert memory() is None
    finally:
        gc.enable()
