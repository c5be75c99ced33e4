"""One step of training: what is cut, what decays, what is averaged."""

import sys
from dataclasses import replace
from pathlib import Path
from types import FrameType

import pytest
import torch
from torch import Tensor

import foveate
from foveate.data.batches import Batch
from foveate.speed.unrolled import unrolled
from foveate.training import step as step_module
from foveate.training.state import TrainState, create_train_state
from foveate.training.step import clip_weights, learn, train_step
from slow_forms import averaged
from training.tiny import tiny

BATCH = Batch(torch.arange(32 * 64).view(32, 1, 8, 8).remainder(251).to(torch.uint8), torch.arange(32) % 10)


def learner(**settings) -> TrainState:
    torch.manual_seed(0)
    return create_train_state(tiny(image=(1, 8, 8), classes=tuple("0123456789"), **settings), torch.device("cpu"))


def weights(learner: TrainState) -> dict[str, Tensor]:
    return {name: parameter.detach().clone() for name, parameter in learner.model.named_parameters()}


def slope(parameter: Tensor) -> Tensor:
    assert parameter.grad is not None
    return parameter.grad.clone()


def step(learner: TrainState, seed: int = 0):
    losses, norm, skipped = train_step(learner, BATCH, torch.Generator().manual_seed(seed))
    assert not skipped
    return losses, norm


def moved(**settings) -> tuple[Tensor, Tensor]:
    """Distance of the first step, which takes a tenth of the rate, and the gradient norm that it returned."""
    taught = learner(optimizer="sgd", learning_rate=10.0, **settings)
    before = weights(taught)
    _, norm = step(taught)
    after = weights(taught)
    return torch.cat([(after[name] - before[name]).flatten() for name in before]).norm(), norm


def test_a_step_follows_the_gradient_and_tells_its_norm():
    distance, norm = moved()
    torch.testing.assert_close(distance, norm)


def test_gradient_cut_is_the_greatest_norm_of_all_parameters_together():
    whole, _ = moved()
    cut, norm = moved(max_grad_norm=0.1)
    torch.testing.assert_close(norm, whole)  # what it was before
    torch.testing.assert_close(cut, torch.tensor(0.1), rtol=1e-3, atol=0)
    torch.testing.assert_close(moved(max_grad_norm=100.0)[0], whole)


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_only_matrices_decay(optimizer: str):
    settings = {"optimizer": optimizer, "learning_rate": 0.1, "learn_std": True}
    without, decayed = learner(**settings), learner(**settings, weight_decay=0.5)
    before = weights(without)
    step(without)
    step(decayed)
    after, shrunk = weights(without), weights(decayed)
    for name in before:
        share = 0.1 if optimizer == "sgd" else 1  # the first gradient is averaged with zero
        expected = after[name] - (share * 0.1 * 0.5 * before[name] if before[name].ndim > 1 else 0)
        torch.testing.assert_close(shrunk[name], expected, msg=lambda text, name=name: f"{name}: {text}")


@pytest.mark.parametrize("settings", [{}, {"core": "gru"}, {"ensemble": 2}])
def test_a_step_runs_the_documented_loop_unless_it_is_compiled(
    settings: dict[str, object], monkeypatch: pytest.MonkeyPatch
):
    taught, unrolls = learner(**settings), []
    passes: list[object] = []
    taught.model.register_forward_hook(lambda *given: passes.append(given))
    step(taught)
    assert len(passes) == 1
    compiled = replace(taught, compiled=True)
    monkeypatch.setattr(
        step_module,
        "unrolled",
        lambda *given, compiled, required, **options: unrolls.append(compiled) or unrolled(*given, **options),
    )
    step(compiled)
    assert (len(passes), unrolls) == ((2, []) if "core" in settings else (1, [True]))


def test_sgd_averages_gradients():
    taught = learner(optimizer="sgd", learning_rate=0.1, epochs=1)
    path, slopes = [weights(taught)], []
    for seed in range(3):
        step(taught, seed)
        slopes.append({name: slope(parameter) for name, parameter in taught.model.named_parameters()})
        path.append(weights(taught))
    for name in path[0]:
        velocity = 0
        for before, gradient, after in zip(path, slopes, path[1:], strict=False):
            velocity = 0.9 * velocity + 0.1 * gradient[name]
            torch.testing.assert_close(after[name], before[name] - 0.1 * velocity)


def test_max_weight_norm_bounds_the_weights_into_each_unit():
    taught = learner(max_weight_norm=0.3)
    step(taught)
    for name, parameter in weights(taught).items():
        if parameter.ndim > 1:
            assert parameter.norm(dim=1).max() <= 0.3 * 1.0001, name
    unbounded = [parameter.norm(dim=1).max() for parameter in weights(learner()).values() if parameter.ndim > 1]
    assert max(unbounded) > 0.3


def test_clipping_scales_only_what_exceeds_the_norm():
    layer = torch.nn.Linear(2, 2)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[3.0, 4.0], [0.3, 0.4]]))
        layer.bias.fill_(9.0)
    clip_weights(layer, 1.0)
    torch.testing.assert_close(layer.weight.detach(), torch.tensor([[0.6, 0.8], [0.3, 0.4]]))
    assert layer.bias.tolist() == [9.0, 9.0]


def test_an_update_is_that_of_the_torch7_script():
    """Its formulas, written out: the whole gradient is clipped, v <- 0.9 v + 0.1 g, p <- p - lr v, units are cut."""
    settings = {"optimizer": "sgd", "max_grad_norm": 0.3, "max_weight_norm": 0.6}
    taught = learner(**settings, learning_rate=0.3, policy_gradient_into_core=True)
    velocity = {name: torch.zeros_like(value) for name, value in weights(taught).items()}
    for seed in range(4):
        before = weights(taught)
        unclipped = learner(**settings, policy_gradient_into_core=True)  # the same step without an update
        unclipped.model.load_state_dict(taught.model.state_dict())
        gradients = _gradients(unclipped, seed)
        step(taught, seed)
        norm = torch.cat([gradient.flatten() for gradient in gradients.values()]).norm()
        assert norm > 0.3  # it is clipped
        for name, after in weights(taught).items():
            clipped = gradients[name] * min(1.0, 0.3 / norm.item())
            velocity[name] = 0.9 * velocity[name] + (1 - 0.9) * clipped
            expected = before[name] - 0.3 * velocity[name]
            if expected.ndim == 2:
                length = expected.norm(dim=1, keepdim=True)
                expected = torch.where(length > 0.6, expected * 0.6 / length, expected)
            torch.testing.assert_close(after, expected, rtol=1e-4, atol=1e-5)


def _gradients(learner: TrainState, seed: int) -> dict[str, Tensor]:
    learn(learner, BATCH, torch.Generator().manual_seed(seed))
    return {name: slope(parameter) for name, parameter in learner.model.named_parameters()}


def test_the_averaged_weights_equal_the_slow_form():
    taught, path = learner(ema_decay=0.4), []
    for seed in range(6):
        step(taught, seed)
        path.append(weights(taught))
    assert taught.result is not taught.model
    for name, parameter in taught.result.named_parameters():
        torch.testing.assert_close(parameter, averaged([point[name] for point in path], 0.4))


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


PATH = {
    "glimpse": ["location", "network", "sensor", "windows"],
    "policy": ["locator", "units"],
    "recurrent": ["attention", "baselines", "core", "ensemble", "rollout"],
    "reward": ["loss", "reward"],
    "training": ["step"],
}
"""Files that a step passes where the C loop is there, as docs/architecture.md says."""


def test_a_step_passes_few_files():
    taught, passed = learner(), set()
    step(taught)  # compiles and loads the loop
    package = Path(foveate.__file__).parent

    def note(frame: FrameType, event: str, given: object) -> None:
        path = Path(frame.f_code.co_filename)
        if event == "call" and path.is_relative_to(package):
            passed.add(str(path.relative_to(package).with_suffix("")))

    sys.setprofile(note)
    try:
        step(taught)
    finally:
        sys.setprofile(None)
    expected = {f"{folder}/{name}" for folder, names in PATH.items() for name in names}
    assert passed - {"glimpse/runs"} == expected  # the reader where nothing can be compiled


def test_the_architecture_page_names_them():
    page = (Path(__file__).parents[2] / "docs" / "architecture.md").read_text(encoding="utf-8")
    number = sum(map(len, PATH.values()))
    assert f"passes {number} files" in page
    for folder, names in PATH.items():
        named = ", ".join(names)
        assert f"`{folder}` ({named})" in " ".join(page.split())
