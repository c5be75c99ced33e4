"""Numbers stay finite: a step that is not is caught when it happens, changes nothing, and is named or skipped."""

import math
import shutil
from pathlib import Path

import pytest
import torch
from torch import Tensor

from asserts import operations
from foveate import fit
from foveate.data.batches import Batch
from foveate.training import epoch as epochs
from foveate.training import step as steps_of_training
from foveate.training.epoch import Callback, Epoch, Progress
from foveate.training.scenes import load_scenes
from foveate.training.state import TrainState, create_train_state
from foveate.training.step import EVERY, FiniteMonitor, learn, nonfinite_flag, train_step
from training.tiny import Interrupt, metrics, outcome, tiny

BATCH = Batch(torch.arange(32 * 64).view(32, 1, 8, 8).remainder(251).to(torch.uint8), torch.arange(32) % 10)
BAD = (math.nan, math.inf, -math.inf)


def learner(**settings) -> TrainState:
    torch.manual_seed(0)
    config = tiny(image=(1, 8, 8), classes=tuple("0123456789"), **settings)
    return create_train_state(config, torch.device("cpu"))


def everything(part: object) -> object:
    """A state whose tensors are lists, so that == is bit for bit."""
    if isinstance(part, dict):
        return {name: everything(value) for name, value in part.items()}
    if isinstance(part, (list, tuple)):
        return [everything(value) for value in part]
    return part.tolist() if isinstance(part, Tensor) else part


@pytest.fixture
def poison(monkeypatch: pytest.MonkeyPatch):
    """Make the loss, or a gradient, of chosen steps (from 1) what no loss or gradient should be."""

    def poison(*steps: int, value: float = math.nan, where: str = "loss") -> None:
        taken = [0]

        def step(learner: TrainState, batch: Batch, generator: torch.Generator):
            taken[0] += 1
            if taken[0] not in steps:
                return train_step(learner, batch, generator)
            with monkeypatch.context() as patch:
                if where == "loss":
                    patch.setattr(learner.criterion, "forward", sick(learner.criterion.forward, value))
                else:
                    patch.setattr(steps_of_training, "learn", sickened(learn, value))
                return train_step(learner, batch, generator)

        monkeypatch.setattr(epochs, "train_step", step)

    return poison


def sickened(learn, value: float):
    """A step's learning whose first gradient is `value` times what it was."""

    def sickly(learner: TrainState, batch: Batch, generator: torch.Generator):
        losses = learn(learner, batch, generator)
        parameter = next(learner.model.parameters())
        assert parameter.grad is not None
        parameter.grad *= value
        return losses

    return sickly


def sick(forward, value: float):
    """A criterion whose total is `value` times what it was."""

    def sickly(rollout, label):
        losses = forward(rollout, label)
        return type(losses)(**{**vars(losses), "total": losses.total * value})

    return sickly


@pytest.mark.parametrize("bad", BAD)
def test_broken_is_1_where_either_is_not_finite(bad: float):
    pair = torch.tensor(3e38), torch.tensor(bad)  # the sum of two of the first would not be finite
    found = [nonfinite_flag(first, second).item() for first in pair for second in pair]
    assert found == [0.0, 1.0, 1.0, 1.0]


@pytest.mark.parametrize("settings", [{"ema_decay": 0.9}, {"optimizer": "sgd"}])
@pytest.mark.parametrize("first", [True, False])
def test_a_step_that_is_not_finite_changes_nothing(settings: dict, first: bool, monkeypatch: pytest.MonkeyPatch):
    """Neither weights nor moments, whether they exist yet or not; the average sees the same weights once more."""
    taught, draws = learner(**settings), torch.Generator().manual_seed(0)
    for _ in range(0 if first else 2):
        train_step(taught, BATCH, draws)
    before = everything(taught.state_dict()["model"])
    moments = everything(taught.optimizer.state_dict()["state"])
    with monkeypatch.context() as patch:
        patch.setattr(taught.criterion, "forward", sick(taught.criterion.forward, math.nan))
        assert train_step(taught, BATCH, draws)[2] == 1
    assert everything(taught.state_dict()["model"]) == before
    kept = everything(taught.optimizer.state_dict()["state"])
    if moments:
        assert kept == moments
    else:
        assert all(not any(map(any_number, state.values())) for state in kept.values())
    assert train_step(taught, BATCH, draws)[2] == 0
    assert everything(taught.state_dict()["model"]) != before


def any_number(part: object) -> bool:
    """Whether anything in nested lists is not 0."""
    return any(map(any_number, part)) if isinstance(part, list) else bool(part)


@pytest.mark.parametrize("where", ["loss", "gradient"])
@pytest.mark.parametrize("value", BAD)
def test_a_run_stops_in_the_step_that_is_not_finite_and_names_it(tmp_path: Path, poison, where: str, value: float):
    heard: list[int] = []

    class Ear(Callback):
        def on_step(self, epoch: int, step: int) -> None:
            heard.append(step)

    poison(3, value=value, where=where)
    with pytest.raises(ValueError, match=r"Found a loss of .* in step 3\. .* is whole: `resume` with"):
        fit(tiny(), tmp_path, listener=Ear())
    assert heard == [1, 2]


def test_a_run_that_stopped_so_goes_on_from_the_checkpoint_before(tmp_path: Path, poison):
    poison(7)
    with pytest.raises(ValueError, match="in step 7"):
        fit(tiny(checkpoint_minutes=0.0), tmp_path / "run")
    poison()
    fit(tiny(), tmp_path / "whole")
    fit(tiny(), tmp_path / "run", resume=True)
    assert outcome(tmp_path / "run") == outcome(tmp_path / "whole")


def test_skipped_steps_are_left_out_and_counted(tmp_path: Path, poison):
    poison(2, 3, 7)
    fit(tiny(skip_nonfinite=True, epochs=3), tmp_path / "run")
    lines = metrics(tmp_path / "run")
    assert [(line["skipped_steps"], line["step"]) for line in lines] == [(2, 4), (1, 8), (0, 12)]
    for line in lines:
        assert math.isfinite(line["loss"])
        parts = line["classification_loss"] + line["policy_loss"] + line["baseline_loss"]
        assert line["loss"] == pytest.approx(parts, rel=1e-5)  # each is the mean over the same steps
        assert round(line["train_error"] * 32 * (4 - line["skipped_steps"])) == pytest.approx(
            line["train_error"] * 32 * (4 - line["skipped_steps"]), abs=1e-3
        )


def test_skipped_steps_are_counted_across_a_stop_inside_the_epoch(tmp_path: Path, poison):
    config = tiny(skip_nonfinite=True, checkpoint_minutes=0.0)
    poison(2)
    fit(config, tmp_path / "whole")
    poison(2)
    with pytest.raises(KeyboardInterrupt):
        fit(config, tmp_path / "parts", listener=Interrupt(1, step=4))
    poison()
    fit(config, tmp_path / "parts", resume=True)
    assert outcome(tmp_path / "parts") == outcome(tmp_path / "whole")
    assert [line["skipped_steps"] for line in metrics(tmp_path / "parts")] == [1, 0]


def test_an_epoch_of_nothing_but_skipped_steps_stops_the_run(tmp_path: Path, poison):
    poison(5, 6, 7, 8)
    with pytest.raises(ValueError, match=r"Found a loss of nan .* in step 8\..*: every step .* was skipped\.$"):
        fit(tiny(skip_nonfinite=True, epochs=3), tmp_path)
    assert len(metrics(tmp_path)) == 1


def test_weights_that_are_not_finite_are_never_saved(tmp_path: Path):
    """A rate so high that the weights overflow in a step whose loss and gradient are still finite."""
    with pytest.raises(ValueError, match=r"Weights should be finite\. Found some that are not after step 1\."):
        fit(tiny(optimizer="sgd", learning_rate=3e38, policy_weight=1e6, checkpoint_minutes=0.0), tmp_path)
    state = torch.load(tmp_path / "last.pt", weights_only=True)
    assert state["progress"]["step"] == 0
    assert all(weight.isfinite().all() for weight in state["learner"]["model"].values())


@pytest.fixture
def patient_watch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Asks every so often, as on a GPU."""

    def watch(device: torch.device) -> FiniteMonitor:
        watch = FiniteMonitor(device)
        watch._recent = torch.zeros(EVERY, 2)
        return watch

    monkeypatch.setattr(epochs, "FiniteMonitor", watch)


def test_a_gpu_is_asked_every_so_often_and_names_the_step_all_the_same(patient_watch: None):
    watch = epochs.FiniteMonitor(torch.device("cpu"))
    one = torch.tensor(1.0)
    asked = [watch.note(one, one * math.nan if step == 42 else one, step) for step in range(1, EVERY + 1)]
    assert asked == [False] * (EVERY - 1) + [True]
    ((step, loss, norm),) = watch.found()
    assert (step, loss) == (42, 1.0)
    assert math.isnan(norm)
    assert watch.found() == []
    watch.note(one * math.inf, one * 0, 101)
    assert watch.found() == [(101, math.inf, 0.0)]  # asked before its time, at a checkpoint


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_a_step_reads_nothing_back(patient_watch: None, optimizer: str, monkeypatch: pytest.MonkeyPatch):
    """The update, the sums and the watch of an epoch: no value is asked for."""
    # It reads values on a CPU only.
    monkeypatch.setattr("foveate.reward.loss.check_target", lambda name, target, classes, device: target)
    config = tiny(image=(1, 8, 8), classes=tuple("0123456789"), max_grad_norm=1.0, optimizer=optimizer)
    steps = Epoch(create_train_state(config, torch.device("cpu")), load_scenes(config.data), Progress()).run()
    next(steps)
    assert "_local_scalar_dense" not in operations(lambda: next(steps))


@pytest.mark.parametrize("bad", [4, 6])
def test_a_checkpoint_asks_first(tmp_path: Path, poison, patient_watch: None, bad: int):
    """In the middle of an epoch and at its end; the last one that was written knows nothing of the step."""
    poison(bad)
    with pytest.raises(ValueError, match=f"in step {bad}"):
        fit(tiny(), tmp_path)
    state = torch.load(tmp_path / "last.pt", weights_only=True)
    assert state["progress"]["step"] == (0 if bad == 4 else 4)
    shutil.rmtree(tmp_path)
    poison(bad)
    with pytest.raises(ValueError, match=f"in step {bad}"):
        fit(tiny(checkpoint_minutes=0.0), tmp_path)
    assert torch.load(tmp_path / "last.pt", weights_only=True)["progress"]["step"] == bad - 1
