"""Baselines: their inputs, and what their loss trains."""

import pytest
import torch
from torch import nn

from foveate.recurrent.baselines import NoBaseline, ScalarBaseline, ValueBaseline
from recurrent.tiny import WIDTH, agent, trained


def test_no_baseline_is_zero():
    assert torch.equal(NoBaseline()(torch.randn(4, 2, WIDTH)), torch.zeros(4, 2))


def test_scalar_baseline_is_one_number_that_starts_from_zero():
    baseline = ScalarBaseline()
    assert torch.equal(baseline(torch.randn(4, 2, WIDTH)), torch.zeros(4, 2))
    nn.init.constant_(baseline.value, 0.5)
    assert torch.equal(baseline(torch.randn(4, 2, WIDTH)), torch.full((4, 2), 0.5))


def test_value_baseline_is_a_linear_function_of_each_state():
    baseline, hiddens = ValueBaseline(WIDTH), torch.randn(4, 2, WIDTH)
    expected = (hiddens * baseline.value.weight[0]).sum(-1) + baseline.value.bias
    torch.testing.assert_close(baseline(hiddens), expected)


@pytest.mark.parametrize("into_core", [False, True])
def test_bug_06_the_baseline_loss_trains_the_core_only_if_configured(into_core: bool):
    model = agent(baseline_into_core=into_core)
    rollout = model(torch.rand(4, 1, 7, 9))
    beyond = {"core", "glimpse"} if into_core else set()
    assert trained(model, (rollout.baselines - 1).square().mean()) == {"baseline"} | beyond


@pytest.mark.parametrize("changed", [0, 1, 2])
def test_a_baseline_does_not_see_the_glimpse_of_its_step(changed: int):
    """A baseline that depends on the action biases the policy gradient: b_t may depend on glimpses before t only."""
    model, image = agent(), torch.rand(4, 1, 7, 9)

    def baselines(*, perturbed: bool):
        counter = iter(range(3))

        def disturb(_module, _inputs, feature):
            return feature + 1 if next(counter) == changed and perturbed else feature

        handle = model.glimpse.register_forward_hook(disturb)
        rollout = model(image, generator=torch.Generator().manual_seed(0))
        handle.remove()
        return rollout.baselines

    same = (baselines(perturbed=True) == baselines(perturbed=False)).all(1)
    assert same.tolist() == [t <= changed for t in range(3)]
