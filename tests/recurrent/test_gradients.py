"""Gradient routing in a whole model: which loss trains which part (bugs 1 to 7 of other implementations)."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.distributions import Normal

from foveate import HybridLoss, Locator, ReinforceNormal
from recurrent.tiny import CLASSES, WIDTH, agent, trained

IMAGES = 8


def rolled_out(seed: int = 0, **settings) -> SimpleNamespace:
    """A model, its rollout, and its losses with correct and wrong predictions."""
    model = agent(**settings)
    rollout = model(torch.rand(IMAGES, 1, 7, 9), generator=torch.Generator().manual_seed(seed))
    label = (rollout.final_logits.argmax(1) + (torch.arange(IMAGES) % 2)) % CLASSES
    return SimpleNamespace(model=model, rollout=rollout, label=label, losses=HybridLoss()(rollout, label))


def test_bug_01_no_gradient_leaks_through_the_sampled_location():
    run = rolled_out()
    assert trained(run.model, run.losses.classification_loss) == {"glimpse", "core", "classifier"}
    assert not run.rollout.locations.requires_grad


@pytest.mark.parametrize("mode", ["train", "eval"])
def test_bug_01_no_gradient_leaks_through_the_mean_in_evaluation(mode: str):
    model = getattr(agent(), mode)()
    assert "locator" not in trained(model, model(torch.rand(2, 1, 7, 9)).final_logits.sum())


def test_bug_02_the_policy_loss_trains_the_locator():
    run = rolled_out()
    assert "locator" in trained(run.model, run.losses.policy_loss)


def test_bug_02_a_learned_std_is_trained_too():
    run = rolled_out(locator=Locator(WIDTH, ReinforceNormal(0.2, learn_std=True)))
    (gradient,) = torch.autograd.grad(run.losses.policy_loss, run.model.locator.unit.log_std)
    assert gradient != 0


def test_bug_03_the_raw_sample_is_scored():
    """With a mean at the border and a large std half of the draws are clamped."""
    locator: Any = Locator(WIDTH, ReinforceNormal(0.5), 0.9)
    nn.init.zeros_(locator.mean[0].weight)
    nn.init.constant_(locator.mean[0].bias, 0.9)
    rollout = rolled_out(locator=locator, num_glimpses=1).rollout
    noise = torch.randn(IMAGES, 2, generator=torch.Generator().manual_seed(0))
    raw = 0.9 + 0.5 * noise
    assert (raw > 1).any()
    torch.testing.assert_close(rollout.locations[0], raw.clamp(-1, 1) * 0.9)
    score = Normal(0.9, 0.5).log_prob
    torch.testing.assert_close(rollout.log_probs[0], score(raw).sum(1))
    assert not torch.allclose(rollout.log_probs[0], score(raw.clamp(-1, 1)).sum(1))


def test_bug_04_every_scored_location_is_read():
    model, looked, located = agent(), [], []
    model.glimpse.register_forward_hook(lambda _module, inputs, _feature: looked.append(inputs[1]))
    model.locator.register_forward_hook(lambda _module, _inputs, output: located.append(output[1]))
    rollout = model(torch.rand(IMAGES, 1, 7, 9), num_glimpses=4)
    assert torch.equal(rollout.locations, torch.stack(looked))
    assert torch.equal(rollout.log_probs, torch.stack(located))
    assert len(rollout.log_probs) == 4


def test_bug_04_the_last_location_is_scored():
    run = rolled_out()
    (gradient,) = torch.autograd.grad(run.losses.policy_loss, run.rollout.log_probs)
    assert gradient[-1].any()


def test_bug_05_the_policy_loss_does_not_train_the_baseline():
    run = rolled_out()
    assert "baseline" not in trained(run.model, run.losses.policy_loss)
    assert "baseline" in trained(run.model, run.losses.total)


@pytest.mark.parametrize("reward_scale", [1.0, 3.0])
def test_bug_07_the_gradient_has_the_sign_and_scale_of_the_advantage(reward_scale: float):
    run = rolled_out()
    losses = HybridLoss(reward_scale=reward_scale)(run.rollout, run.label)
    (gradient,) = torch.autograd.grad(losses.policy_loss, run.rollout.log_probs)
    reward = (run.rollout.final_logits.argmax(1) == run.label) * reward_scale
    torch.testing.assert_close(gradient, (run.rollout.baselines.detach() - reward) / IMAGES)


def test_bug_07_a_policy_gradient_step_makes_rewarded_scanpaths_more_likely():
    run = rolled_out(baseline=None)
    right = (run.rollout.final_logits.argmax(1) == run.label).float()

    def likelihood() -> Tensor:
        mean = [run.model.locator.mean(hidden) for hidden in hiddens]
        return (Normal(torch.stack(mean), 0.2).log_prob(torch.stack(raw)).sum(2) * right).sum()

    hiddens = [torch.zeros(IMAGES, WIDTH), *run.rollout.hiddens[:-1].detach()]
    raw = list(run.rollout.locations / torch.tensor([0.9, 0.7]))  # none of them is clamped
    assert torch.stack(raw).abs().max() < 1
    before = likelihood()
    run.losses.policy_loss.backward()
    with torch.no_grad():
        for parameter in run.model.locator.parameters():
            parameter -= 1e-3 * parameter.grad
    assert likelihood() > before


@pytest.mark.parametrize("into_core", [False, True])
def test_the_policy_loss_trains_the_core_only_if_configured(into_core: bool):
    run = rolled_out(into_core=into_core)
    beyond = {"core", "glimpse"} if into_core else set()
    assert trained(run.model, run.losses.policy_loss) == {"locator"} | beyond


def test_the_first_location_trains_only_the_locator():
    run = rolled_out(into_core=True, num_glimpses=1)
    assert trained(run.model, run.losses.policy_loss) == {"locator"}
