"""The locator: its gradients, and the meaning of its numbers."""

import math

import pytest
import torch
from torch import Tensor, nn

from asserts import assert_equal
from foveate import Locator, ReinforceNormal


def hidden(batch: int = 6, size: int = 5, seed: int = 0) -> Tensor:
    return torch.randn(batch, size, generator=torch.Generator().manual_seed(seed))


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def normal_log_prob(mean: Tensor, value: Tensor, std: float) -> Tensor:
    return (-(((value - mean) / std) ** 2) / 2 - math.log(std * math.sqrt(2 * math.pi))).sum(1)


def test_bug_03_the_raw_sample_is_scored_not_the_bounded_one():
    """With a std of 5 nearly all draws are clamped, so that scores of clamped draws would differ."""
    locator, state = Locator(5, ReinforceNormal(5.0), reach=0.5), hidden()
    location, log_prob = locator(state, seeded())
    raw = locator.unit.sample(locator.mean(state), seeded())
    assert (raw.abs() > 1).any()
    torch.testing.assert_close(log_prob, normal_log_prob(locator.mean(state), raw, 5.0))
    torch.testing.assert_close(location, raw.clamp(-1, 1) * 0.5)
    assert not torch.allclose(log_prob, normal_log_prob(locator.mean(state), location / 0.5, 5.0))


def test_bug_01_the_location_has_no_gradient():
    location, log_prob = Locator(5, ReinforceNormal(0.2))(hidden().requires_grad_())
    assert not location.requires_grad
    assert log_prob.requires_grad


def test_bug_02_the_mean_learns():
    """The gradient of log p to the mean is (x - u) / s^2, and reaches the last layer."""
    locator, state = Locator(5, ReinforceNormal(0.2)), hidden()
    _, log_prob = locator(state, seeded())
    raw = locator.unit.sample(locator.mean(state), seeded())
    last = locator.mean[0]
    assert isinstance(last, nn.Linear)
    log_prob.sum().backward()
    inside = (last(state).abs() < 1).float()  # Hardtanh has no gradient beyond
    torch.testing.assert_close(last.bias.grad, ((raw - locator.mean(state)) / 0.04 * inside).sum(0))


@pytest.mark.parametrize("choice", [True, False])
@pytest.mark.parametrize("width", [0, 7])
def test_policy_gradient_into_core_can_be_turned_off(choice, width):
    locator = Locator(5, ReinforceNormal(0.2), width=width, policy_gradient_into_core=choice)
    state = hidden().requires_grad_()
    locator(state)[1].sum().backward()
    assert (state.grad is not None) is choice
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in locator.parameters())


def test_policy_gradient_into_core_is_on_by_default():
    state = hidden().requires_grad_()
    Locator(5, ReinforceNormal(0.2))(state)[1].sum().backward()
    assert state.grad is not None
    assert state.grad.any()


def test_bug_08_reach_is_x_then_y():
    """In a wide image the same number of pixels is a smaller x."""
    locator = Locator(5, ReinforceNormal(100.0), reach=(0.25, 0.75))
    location, _ = locator(hidden(200), seeded())
    assert location.abs().amax(0).tolist() == [0.25, 0.75]
    one = Locator(5, ReinforceNormal(100.0), reach=0.6)(hidden(200), seeded())[0]
    torch.testing.assert_close(one.abs().amax(0), torch.tensor([0.6, 0.6]))


def test_bug_11_std_is_the_standard_deviation_of_the_locations():
    """Around a mean of 0 it is 0.22 * reach, within 2 % over 20,000 draws."""
    locator = Locator(5, ReinforceNormal(0.22), reach=(1.0, 0.5))
    locator.mean[0] = nn.Linear(5, 2, bias=False)
    location, _ = locator(torch.zeros(20_000, 5), seeded())
    assert location.std(0).tolist() == pytest.approx([0.22, 0.11], rel=0.02)


def test_the_mean_is_bounded_too():
    locator, state = Locator(5, ReinforceNormal(1e-3)), hidden() * 1000
    assert locator.mean(state).abs().max() == 1
    assert locator.eval()(state)[0].abs().max() == 1


@pytest.mark.parametrize(("width", "layers"), [(0, [(5, 2)]), (7, [(5, 7), (7, 2)])])
def test_bug_18_width_is_a_hidden_layer(width, layers):
    locator = Locator(5, ReinforceNormal(0.2), width=width)
    linear = [part for part in locator.mean if isinstance(part, nn.Linear)]
    assert [(part.in_features, part.out_features) for part in linear] == layers
    assert any(isinstance(part, nn.ReLU) for part in locator.mean) is bool(width)


def test_evaluation_looks_at_the_mean():
    locator, state = Locator(5, ReinforceNormal(0.2), reach=0.5).eval(), hidden()
    assert_equal(locator(state)[0], (locator.mean(state) * 0.5).detach())
    locator.unit.stochastic = True
    assert not torch.equal(locator(state)[0], (locator.mean(state) * 0.5).detach())


def test_draws_depend_only_on_the_generator():
    locator, state = Locator(5, ReinforceNormal(0.2)), hidden()
    first, again, other = (locator(state, seeded(seed)) for seed in (1, 1, 2))
    assert_equal(first[0], again[0])
    assert_equal(first[1], again[1])
    assert not torch.equal(first[0], other[0])


def test_densities_are_computed_in_full_precision():
    """bf16 has 8 bits: with a std of 0.02 its log-probabilities would be wrong by more than 1."""
    locator = Locator(5, ReinforceNormal(0.02))
    locator.mean.bfloat16()
    location, log_prob = locator(hidden().bfloat16(), seeded())
    assert log_prob.dtype == torch.float32
    mean = locator.mean(hidden().bfloat16()).float()
    torch.testing.assert_close(log_prob, normal_log_prob(mean, locator.unit.sample(mean, seeded()), 0.02))
    assert location.shape == (6, 2)


@pytest.mark.parametrize("training", [True, False])
def test_sample_chooses_between_draw_and_mean_in_any_mode(training):
    locator = Locator(5, ReinforceNormal(0.2, stochastic=True), reach=0.5).train(training)
    mean, drawn = locator(hidden(), seeded(), False)[0], locator(hidden(), seeded(), True)[0]
    assert_equal(mean, locator.mean(hidden()) * 0.5)
    assert_equal(drawn, locator(hidden(), seeded())[0])
    assert not torch.equal(mean, drawn)


def test_the_state_holds_reach_and_std():
    state = Locator(5, ReinforceNormal(0.2), reach=(0.5, 0.75)).state_dict()
    assert_equal(state["reach"], torch.tensor([0.5, 0.75]))
    assert_equal(state["unit.fixed_std"], torch.tensor(0.2))
