"""One step of training: what is cut, what decays, what is averaged."""

import pytest
import torch
from torch import Tensor

from foveate.data.batches import Batch
from foveate.training.learner import Learner, make_learner
from foveate.training.step import cut_weights, train_step
from slow_forms import averaged
from training.tiny import tiny

BATCH = Batch(torch.arange(32 * 64).view(32, 1, 8, 8).remainder(251).to(torch.uint8), torch.arange(32) % 10)


def learner(**settings) -> Learner:
    torch.manual_seed(0)
    return make_learner(tiny(image=(1, 8, 8), classes=tuple("0123456789"), **settings), torch.device("cpu"))


def weights(learner: Learner) -> dict[str, Tensor]:
    return {name: parameter.detach().clone() for name, parameter in learner.model.named_parameters()}


def slope(parameter: Tensor) -> Tensor:
    assert parameter.grad is not None
    return parameter.grad.clone()


def step(learner: Learner, seed: int = 0):
    losses, norm, skipped = train_step(learner, BATCH, torch.Generator().manual_seed(seed))
    assert not skipped
    return losses, norm


def moved(**settings) -> tuple[Tensor, Tensor]:
    """How far one step of plain gradient descent at rate 1 went, and the gradient norm that it told."""
    taught = learner(optimizer="sgd", learning_rate=1.0, momentum=0.0, **settings)
    before = weights(taught)
    _, norm = step(taught)
    after = weights(taught)
    return torch.cat([(after[name] - before[name]).flatten() for name in before]).norm(), norm


def test_a_step_follows_the_gradient_and_tells_its_norm():
    distance, norm = moved()
    torch.testing.assert_close(distance, norm)


def test_gradient_cut_is_the_greatest_norm_of_all_parameters_together():
    whole, _ = moved()
    cut, norm = moved(gradient_cut=0.1)
    torch.testing.assert_close(norm, whole)  # what it was before
    torch.testing.assert_close(cut, torch.tensor(0.1), rtol=1e-3, atol=0)
    torch.testing.assert_close(moved(gradient_cut=100.0)[0], whole)


def test_max_norm_holds_for_the_weights_into_every_unit():
    taught = learner(max_norm=0.3)
    step(taught)
    for name, parameter in weights(taught).items():
        if parameter.ndim > 1:
            assert parameter.norm(dim=1).max() <= 0.3 * 1.0001, name
    assert max(parameter.norm(dim=1).max() for parameter in weights(learner()).values() if parameter.ndim > 1) > 0.3


def test_max_norm_scales_only_what_exceeds_it():
    layer = torch.nn.Linear(2, 2)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[3.0, 4.0], [0.3, 0.4]]))
        layer.bias.fill_(9.0)
    cut_weights(layer, 1.0)
    torch.testing.assert_close(layer.weight.detach(), torch.tensor([[0.6, 0.8], [0.3, 0.4]]))
    assert layer.bias.tolist() == [9.0, 9.0]


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_only_matrices_decay(optimizer: str):
    settings = {"optimizer": optimizer, "learning_rate": 0.1, "learn_std": True}
    without, decayed = learner(**settings), learner(**settings, weight_decay=0.5)
    before = weights(without)
    step(without)
    step(decayed)
    after, shrunk = weights(without), weights(decayed)
    for name in before:
        expected = after[name] - (0.1 * 0.5 * before[name] if before[name].ndim > 1 else 0)
        torch.testing.assert_close(shrunk[name], expected, msg=lambda text, name=name: f"{name}: {text}")


def test_momentum_is_that_of_the_definition():
    taught = learner(optimizer="sgd", learning_rate=0.1, momentum=0.5, epochs=1)
    path, slopes = [weights(taught)], []
    for seed in range(3):
        step(taught, seed)
        slopes.append({name: slope(parameter) for name, parameter in taught.model.named_parameters()})
        path.append(weights(taught))
    for name in path[0]:
        velocity = 0
        for before, gradient, after in zip(path, slopes, path[1:], strict=False):
            velocity = 0.5 * velocity + gradient[name]
            torch.testing.assert_close(after[name], before[name] - 0.1 * velocity)


def test_the_averaged_weights_equal_the_slow_form():
    taught, path = learner(ema=0.8), []
    for seed in range(4):
        step(taught, seed)
        path.append(weights(taught))
    assert taught.result is not taught.model
    for name, parameter in taught.result.named_parameters():
        torch.testing.assert_close(parameter, averaged([point[name] for point in path], 0.8))


@pytest.mark.parametrize("core", ["rectified", "lstm"])
def test_what_is_frozen_stays(core: str):
    """By the fast form and by the loop."""
    taught = learner(core=core)
    before, frozen = weights(taught), ("glimpse.what.1.weight", "classifier.1.weight")
    for name in frozen:
        taught.model.get_parameter(name).requires_grad_(False)
    step(taught)
    assert {name for name, value in weights(taught).items() if torch.equal(value, before[name])} == set(frozen)


def test_without_averaging_the_result_is_the_model():
    taught = learner()
    assert taught.result is taught.model


def test_bf16_stays_near_fp32():
    """Except that an answer near a tie may tip, and with it a reward."""
    exact, rough = (step(learner(precision=precision))[0] for precision in ("fp32", "bf16"))
    assert rough.classification_loss != exact.classification_loss
    for name, tolerance in [("classification_loss", 0.02), ("baseline_loss", 0.05), ("policy_loss", 0.1)]:
        assert getattr(rough, name).item() == pytest.approx(getattr(exact, name).item(), abs=tolerance), name


def test_bf16_keeps_weights_and_locations_in_fp32():
    taught = learner(precision="bf16")
    with torch.autocast("cpu", torch.bfloat16):
        rollout = taught.model(BATCH.image)
    assert rollout.locations.dtype == rollout.log_probs.dtype == torch.float32
    assert all(parameter.dtype == torch.float32 for parameter in taught.model.parameters())


def test_several_rollouts_share_a_step():
    losses, _ = step(learner(num_rollouts=3, baseline="leave-one-out"))
    assert losses.baseline_loss == 0
    assert losses.policy_loss != 0
