"""The fast form of a training step equals the loop, and unsupported models are left to the loop."""

import gc
import weakref
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import nn

from foveate.config import Model
from foveate.recurrent.rollout import Rollout
from foveate.reward.loss import HybridLoss, Losses
from foveate.speed.scanpath import forward_scanpath
from foveate.speed.unrolled import Criterion, supported, unrolled
from foveate.training.build import Attention, build

MODEL = Model(
    image=(2, 28, 20),
    classes=("a", "b", "c"),
    num_glimpses=4,
    hidden_size=24,
    join_width=40,
    locator_width=0,
    dropout=0.0,
    std=0.22,
    baseline="value",
)
FIELDS = ("logits", "locations", "log_probs", "baselines", "hiddens")
Found = tuple[Losses, dict[str, torch.Tensor]]


def hybrid(rollout: Rollout, label: torch.Tensor) -> Losses:
    return HybridLoss()(rollout, label)


def fingerprint(rollout: Rollout, label: torch.Tensor) -> Losses:
    """The total of the hybrid loss, and for each field of the rollout a number that depends on all of its values."""

    def mark(value: torch.Tensor) -> torch.Tensor:
        value = value.detach().float().flatten()
        return (value * torch.linspace(1, 100, len(value)).sin()).sum()

    return Losses(hybrid(rollout, label).total, *(mark(getattr(rollout, field)) for field in FIELDS))


def loss_of_log_probs(rollout: Rollout, label: torch.Tensor) -> Losses:
    """A loss that does not depend on h_T."""
    return Losses(rollout.log_probs.sum(), *torch.zeros(5))


def loss_of_baselines(rollout: Rollout, label: torch.Tensor) -> Losses:
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
        every_answer = getattr(criterion, "answers", "last") == "every"
        rollout = model(image, num_rollouts=num_rollouts, every_answer=every_answer, generator=draws)
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
        {"depth": 3, "glimpse_size": (5, 4)},
        {"first_glimpse": "center"},
        {"image_mean": (0.4, 0.6), "image_std": (0.2, 0.3), "depth": 2, "ensemble": 2},
        {"first_glimpse": "center", "num_glimpses": 1, "depth": 2},
        {"first_glimpse": "center", "ensemble": 2, "policy_gradient_into_core": True},
        {"first_glimpse": "random", "policy_gradient_into_core": True},
        {"ensemble": 2, "locator_width": 16},
        {"ensemble": 3, "depth": 2, "policy_gradient_into_core": True},
    ],
)
def test_fast_form_equals_the_loop(settings: dict[str, Any], num_rollouts: int):
    assert_same(*both(made(**settings), fingerprint, num_rollouts=num_rollouts))


@pytest.mark.parametrize("num_rollouts", [1, 3])
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"num_glimpses": 1},
        {"policy_gradient_into_core": True},
        {"first_glimpse": "center", "ensemble": 2},
        {"ensemble": 2, "policy_gradient_into_core": True},
    ],
)
def test_fast_form_equals_the_loop_where_every_answer_counts(settings: dict[str, Any], num_rollouts: int):
    criterion = HybridLoss(answers="every", early_weight=0.5)
    assert_same(*both(made(**settings), criterion, num_rollouts=num_rollouts), atol=1e-4)


@pytest.mark.parametrize(("start", "first"), [("learned", 18), ("random", 18), ("center", 6)])
def test_the_first_glimpse_is_read_once_per_image_if_all_rollouts_share_it(start: str, first: int):
    model, taken = made(first_glimpse=start), []
    model.glimpse.sensor.register_forward_hook(lambda sensor, given, glimpse: taken.append(len(glimpse)))
    unrolled(model, hybrid, *images(), num_rollouts=3)
    assert taken == [first, 18, 18, 18]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_shared_first_glimpse_has_the_gradient_of_separate_ones(dtype: torch.dtype):
    model, (image, label) = made(first_glimpse="center", ensemble=2), images()
    common, apart = (
        unrolled(model, hybrid, *given, num_rollouts=count, generator=torch.Generator().manual_seed(1), dtype=dtype)
        for given, count in (((image, label), 3), ((image.repeat(3, 1, 1, 1), label.repeat(3)), 1))
    )
    assert common[0].total == apart[0].total
    for name, value in apart[1].items():
        assert (common[1][name] - value).norm() <= 0.005 * value.norm(), name


def test_gradients_of_a_loss_without_the_last_state():
    assert_same(*both(made(policy_gradient_into_core=True), loss_of_log_probs), atol=1e-4)


class _CustomBaseline(nn.Module):
    """A baseline without `baseline_gradient_into_core`: its gradient goes into the core."""

    def forward(self, hiddens: torch.Tensor) -> torch.Tensor:
        return hiddens.mean(-1)


def test_a_custom_baseline_trains_the_core():
    model = made()
    model.baseline = _CustomBaseline()
    loop, fast = both(model, loss_of_baselines)
    assert_same(loop, fast)
    assert fast[1]["core.recurrent.weight"].any()


def test_fast_form_in_bf16_is_as_close_to_fp32_as_the_loop():
    (exact, gradients), _ = both(made(), hybrid)
    (loop, _), (fast, fast_gradients) = both(made(), hybrid, torch.bfloat16)
    for losses in (loop, fast):
        torch.testing.assert_close(losses.classification_loss, exact.classification_loss, rtol=0.02, atol=0.01)
        torch.testing.assert_close(losses.policy_loss, exact.policy_loss, rtol=0.05, atol=0.05)
    assert fast.classification_loss != exact.classification_loss
    whole = torch.cat([part.flatten() for part in gradients.values()])
    fast_whole = torch.cat([fast_gradients[name].flatten() for name in gradients])
    assert (whole - fast_whole).norm() < 0.05 * whole.norm()


class _SubclassOfReLU(nn.ReLU):
    """A subclass, which might compute anything."""


def _with(name: str, value: object, **settings: Any) -> Attention:
    model = build(replace(MODEL, **settings))
    owner, _, attribute = name.rpartition(".")
    setattr(model.get_submodule(owner), attribute, value)
    return model


@pytest.mark.parametrize(
    "model",
    [
        build(replace(MODEL, core="lstm")),
        _with("core.activation", _SubclassOfReLU()),
        _with("glimpse.what", nn.Flatten()),
        _with("glimpse.sensor", nn.Identity()),
        build(replace(MODEL, ensemble=2, core="gru")),
        _with("core.members.1.activation", nn.Tanh(), ensemble=2),
        _with("glimpse.members.1.what", nn.Identity(), ensemble=2),
        _with("glimpse.sensor", nn.Identity(), ensemble=2),
        _with("core", build(replace(MODEL, ensemble=3)).core, ensemble=2),
    ],
)
def test_unsupported_models_are_left_to_the_loop(model: Attention):
    assert supported(build(MODEL))
    assert not supported(model)


def test_a_step_frees_its_memory_without_garbage_collection(monkeypatch: pytest.MonkeyPatch):
    memory = []

    def watched(*given: Any) -> Any:
        scanpaths = forward_scanpath(*given)
        memory.append(weakref.ref(scanpaths.hiddens.untyped_storage()))
        return scanpaths

    monkeypatch.setattr("foveate.speed.unrolled.forward_scanpath", watched)
    unrolled(made(), hybrid, *images())  # the first call in a process leaves a cycle of PyTorch's own
    gc.disable()
    try:
        _, gradients = unrolled(made(), hybrid, *images())
        assert gradients
        assert memory[1]() is None
    finally:
        gc.enable()
