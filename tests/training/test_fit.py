"""Runs: the same every time, interrupted or not; chosen on validation, tested once; refused in a sentence."""

import json
import re
from pathlib import Path

import pytest
import torch

from foveate import evaluate, fit, from_pretrained
from foveate.cli import main
from foveate.data.records import Dataset, InMemory
from foveate.data.sources import load
from foveate.settings import to_toml
from foveate.training.epoch import Callback
from foveate.training.run import Run
from foveate.training.schedule import anneal
from training.tiny import Interrupt, metrics, outcome, tiny

FIELDS = [
    "epoch",
    "step",
    "learning_rate",
    "loss",
    "classification_loss",
    "policy_loss",
    "baseline_loss",
    "train_error",
    "gradient_norm",
    "skipped_steps",
    "validation_error",
    "best_validation_error",
    "best_epoch",
    "scanpath_dependence",
    "at_border",
    "policy_std",
    "policy_entropy",
    "seconds",
    "images_per_second",
]

# What a checkpoint could forget: each has a state of its own, or counts epochs and steps.
STATEFUL = {
    "plain": {},
    "averaged": {"ema_decay": 0.9, "dropout": 0.3},
    "momentum": {"optimizer": "sgd", "schedule": "linear", "baseline": "scalar", "anneal_epochs": 2},
    "patience": {"patience": 1, "learning_rate": 1e-12, "min_learning_rate": 0.0},
    "canvas": {"canvas": "cluttered", "canvas_size": 12, "distractors": 2, "first_glimpse": "random", "core": "lstm"},
    "rollouts": {
        "num_rollouts": 2,
        "baseline": "leave-one-out",
        "learn_std": True,
        "stochastic": True,
        "precision": "bf16",
    },
}


@pytest.mark.parametrize("settings", STATEFUL.values(), ids=STATEFUL)
def test_bug_15_an_interrupted_run_goes_on_bit_for_bit(tmp_path, settings: dict):
    """And so two runs are bitwise equal: after an epoch, in the middle of one, or not interrupted at all."""
    config = tiny(**{"epochs": 3, "epoch_size": 64} | settings)
    whole = fit(config, tmp_path / "whole")
    parts = tmp_path / "parts"
    for interrupt in (Interrupt(1), Interrupt(2, step=2)):
        with pytest.raises(KeyboardInterrupt):
            fit(config, parts, resume=parts.exists(), listener=interrupt)
    resumed = fit(config, parts, resume=True)
    assert outcome(parts) == outcome(tmp_path / "whole")
    assert resumed.test.num_errors == whole.test.num_errors
    assert resumed.progress.epoch == whole.progress.epoch == (2 if "patience" in settings else 3)


@pytest.mark.parametrize("settings", STATEFUL.values(), ids=STATEFUL)
def test_a_run_goes_on_bit_for_bit_after_any_step(tmp_path, settings: dict):
    """Stopped after each step of each epoch, just before it would be saved: from the step before, if it was saved."""
    config = tiny(**{"epochs": 2, "epoch_size": 96, "checkpoint_minutes": 0.0} | settings)
    fit(config, tmp_path / "whole")
    heard: list[tuple[int, int]] = []
    for at in [(1, 1), (1, 2), (1, 3), (2, 1), (2, 2), (2, 3)]:
        with pytest.raises(KeyboardInterrupt):
            fit(config, tmp_path / "parts", resume=bool(heard), listener=Interrupt(*at, heard))
    fit(config, tmp_path / "parts", resume=True, listener=Interrupt(0, 0, heard))
    assert outcome(tmp_path / "parts") == outcome(tmp_path / "whole")
    assert heard == [(1, 1), (1, 1), (1, 2), (1, 2), (1, 3), (1, 3), (2, 1), (2, 1), (2, 2), (2, 2), (2, 3), (2, 3)]


def test_checkpoints_inside_an_epoch_come_when_their_time_has_come(tmp_path, monkeypatch):
    """Each takes a second here: none, then one in every step, then one in every other."""
    now = [0.0]
    saved: list[int] = []
    monkeypatch.setattr("foveate.training.run.time.monotonic", lambda: now.__setitem__(0, now[0] + 1) or now[0])
    monkeypatch.setattr(Run, "save", lambda run: saved.append(run.progress.step) or setattr(run, "saved", now[0]))
    for minutes in (1.0, 0.0, 2 / 60):
        fit(tiny(epochs=1, checkpoint_minutes=minutes), tmp_path, overwrite=True)
    assert saved == [0, 4, 0, 1, 2, 3, 4, 4, 0, 2, 4, 4]


@pytest.mark.parametrize("changes", [{"seed": 1}, {"batch_size": 16}])
def test_inside_an_epoch_seed_and_size_of_batches_stay(tmp_path, changes: dict):
    with pytest.raises(KeyboardInterrupt):
        fit(tiny(checkpoint_minutes=0.0), tmp_path, listener=Interrupt(1, step=2))
    before = {file: file.read_bytes() for file in tmp_path.iterdir()}
    with pytest.raises(ValueError, match=r"stopped inside an epoch should keep its `seed` and `batch_size`\."):
        fit(tiny(**changes), tmp_path, resume=True)
    assert before == {file: file.read_bytes() for file in tmp_path.iterdir()}
    fit(tiny(epochs=1, learning_rate=1e-2), tmp_path, resume=True)  # others may change
    fit(tiny(epochs=2, **changes), tmp_path, resume=True)  # and between two epochs these too


def test_a_run_stopped_in_its_first_epoch_can_be_resumed(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        fit(tiny(), tmp_path / "stopped", listener=Interrupt(1, step=1))
    fit(tiny(), tmp_path / "stopped", resume=True)
    fit(tiny(), tmp_path / "whole")
    assert outcome(tmp_path / "stopped") == outcome(tmp_path / "whole")


def test_a_longer_run_is_a_resumed_shorter_one(tmp_path):
    fit(tiny(epochs=1, anneal_epochs=3), tmp_path / "parts")
    fit(tiny(epochs=2, anneal_epochs=3), tmp_path / "parts", resume=True)
    fit(tiny(epochs=2, anneal_epochs=3), tmp_path / "whole")
    assert outcome(tmp_path / "parts") == outcome(tmp_path / "whole")


def test_settings_of_the_optimizer_may_change_on_resume(tmp_path):
    """They are the config's, not the checkpoint's."""
    fit(tiny(epochs=1, anneal_epochs=9), tmp_path / "same")
    fit(tiny(epochs=1, anneal_epochs=9), tmp_path / "changed")
    fit(tiny(epochs=2, anneal_epochs=9), tmp_path / "same", resume=True)
    fit(tiny(epochs=2, anneal_epochs=9, weight_decay=0.5), tmp_path / "changed", resume=True)
    same, changed = (metrics(tmp_path / name) for name in ("same", "changed"))
    assert same[0] == changed[0]
    assert same[1] != changed[1]


def test_another_seed_is_another_run(tmp_path):
    for seed in (0, 1):
        fit(tiny(epochs=1, seed=seed), tmp_path / str(seed))
    assert outcome(tmp_path / "0")["best"] != outcome(tmp_path / "1")["best"]


def test_a_run_leaves_torchs_global_generator_as_it_was(tmp_path):
    before = torch.get_rng_state()
    fit(tiny(epochs=1), tmp_path)
    assert torch.equal(before, torch.get_rng_state())


def test_who_listens_between_two_epochs_may_draw_as_they_please(tmp_path):
    class Dice(Callback):
        def on_start(self, config, done, steps):
            torch.rand(1)

        def on_epoch(self, metrics):
            torch.rand(1)

    for name, listener in (("dice", Dice()), ("alone", None)):
        fit(tiny(dropout=0.3), tmp_path / name, listener=listener)
    assert metrics(tmp_path / "dice") == metrics(tmp_path / "alone")


def test_every_epoch_is_a_line_of_metrics(tmp_path):
    told: list[dict] = []

    class Ear(Callback):
        def on_epoch(self, metrics):
            told.append(metrics)

    fit(tiny(), tmp_path, listener=Ear())
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert lines == told
    assert [list(line) for line in lines] == [FIELDS] * 2
    for number, line in enumerate(lines, 1):
        assert (line["epoch"], line["step"]) == (number, 4 * number)
        parts = line["classification_loss"] + line["policy_loss"] + line["baseline_loss"]
        assert line["loss"] == pytest.approx(parts, rel=1e-5)
        assert 0 <= line["train_error"] <= 1
        assert round(line["train_error"] * 128) == pytest.approx(line["train_error"] * 128, abs=1e-3)
        assert line["best_validation_error"] == min(other["validation_error"] for other in lines[:number])
        assert line["learning_rate"] == anneal(4 * number - 1, 8, start=5e-3, floor=1e-5, schedule="cosine")
        assert line["images_per_second"] > 0
    assert 0 < lines[0]["seconds"] <= lines[1]["seconds"]


@pytest.mark.parametrize("field", FIELDS)
def test_every_field_of_metrics_is_explained(field: str):
    page = Path(__file__).parents[2] / "docs" / "training.md"
    if not page.exists():
        pytest.skip("There is no docs/training.md yet.")
    assert f"`{field}`" in page.read_text(encoding="utf-8")


class Watched(InMemory):
    """Images that write down when they are read."""

    log: list[str]
    name: str

    def read(self, index):
        self.log.extend([self.name] * len(index))
        return super().read(index)

    def to(self, device):
        return self


@pytest.fixture
def log(monkeypatch) -> list[str]:
    """The split of every image that a run reads, in order."""
    log: list[str] = []

    def watched(source: str, **options) -> Dataset:
        digits = load(source, **options)
        splits = {name: Watched(getattr(digits, name).image, getattr(digits, name).label) for name in SPLITS}
        for name, split in splits.items():
            object.__setattr__(split, "log", log)
            object.__setattr__(split, "name", name)
        return Dataset(digits.name, digits.classes, **splits)

    monkeypatch.setattr("foveate.training.scenes.load", watched)
    return log


SPLITS = ("train", "validation", "test")


def test_bug_12_the_test_set_is_looked_at_once_after_everything_else(tmp_path, log):
    summary = fit(tiny(epochs=3, epoch_size=96), tmp_path)
    assert log[-summary.test.n :] == ["test"] * summary.test.n
    assert log.count("test") == summary.test.n == 359
    assert log.count("validation") == 3 * 240
    assert log.count("train") == 3 * 96


def test_the_test_set_can_be_left_alone_until_it_is_asked_for(tmp_path, log, capsys):
    (tmp_path / "mine.toml").write_text(to_toml(tiny(epochs=1, epoch_size=32, evaluate_on="validation")))
    words, folder = ["train", "--folder", str(tmp_path / "run")], tmp_path / "run"
    assert main([*words, str(tmp_path / "mine.toml")]) == 0
    said, found = capsys.readouterr().out, json.loads((folder / "validation.json").read_text())
    assert "test" not in log
    assert "Validation error: " in said
    assert "Test error" not in said
    assert (found["n"], found["error_rate"]) == (240, metrics(folder)[0]["best_validation_error"])
    assert not (folder / "test.json").exists()
    assert main([*words, "--resume", "--evaluate-on", "test"]) == 0
    assert "Test error: " in capsys.readouterr().out
    assert (folder / "test.json").exists()
    assert not (folder / "validation.json").exists()


def test_bug_12_the_model_is_chosen_by_its_validation_error(tmp_path):
    settings = {"learning_rate": 0.3, "schedule": "constant", "epoch_size": 64}  # so wild that the last is not the best
    summary = fit(tiny(**settings, epochs=6), tmp_path / "run")
    errors = [line["validation_error"] for line in metrics(tmp_path / "run")]
    best = errors.index(min(errors)) + 1
    assert best < 6
    assert (summary.progress.best_epoch, summary.progress.best_error) == (best, min(errors))
    fit(tiny(**settings, epochs=best), tmp_path / "short")
    assert outcome(tmp_path / "run")["best"] == outcome(tmp_path / "short")["best"]
    model, digits = from_pretrained(tmp_path / "run"), load("digits")
    assert evaluate(model, digits.validation).error_rate == min(errors)
    assert evaluate(model, digits.test).num_errors == summary.test.num_errors


def test_the_averaged_model_is_the_one_that_is_judged_and_kept(tmp_path):
    fit(tiny(epochs=1, ema_decay=0.9), tmp_path)
    run = outcome(tmp_path)
    averaged, last = run["last"]["learner"]["averaged"], run["last"]["learner"]["model"]
    assert all(run["best"][name] == averaged[f"module.{name}"] for name in run["best"])
    assert run["best"] != last


def test_patience_ends_a_run_that_no_longer_improves(tmp_path):
    still = {"epochs": 9, "learning_rate": 1e-12, "min_learning_rate": 0.0}
    progress = fit(tiny(**still, patience=2), tmp_path).progress
    assert progress.epoch == 3
    assert progress.best_epoch == 3, "of equal errors the later epoch is kept"
    assert progress.improved_epoch == 1, "an equal error is no improvement"
    assert fit(tiny(**still | {"epochs": 4}), tmp_path, overwrite=True).progress.epoch == 4


def test_the_folder_holds_the_run_and_its_test(tmp_path):
    summary = fit(tiny(), tmp_path / "deep" / "run")
    assert sorted(file.name for file in summary.folder.iterdir()) == sorted(
        ["best", "config.json", "last.pt", "machine.json", "metrics.jsonl", "previous.pt", "split.json", "test.json"]
    )
    test = json.loads((summary.folder / "test.json").read_text())
    assert (test["policy"], test["num_rollouts"], test["n"]) == ("mean", 1, 359)
    assert test["error_rate"] == summary.test.error_rate == test["num_errors"] / 359
    assert sum(map(sum, test["confusion"])) == 359
    assert summary.config.model.image == (1, 8, 8)
    assert summary.config.model.classes == tuple("0123456789")


def test_the_listener_hears_every_step(tmp_path):
    heard: list[tuple] = []

    class Ear(Callback):
        def on_start(self, config, done, steps):
            heard.append(("start", done, steps))

        def on_step(self, epoch, step):
            heard.append((epoch, step))

    fit(tiny(epochs=1), tmp_path, listener=Ear())
    fit(tiny(epochs=2), tmp_path, resume=True, listener=Ear())
    steps = [(1, 1), (1, 2), (1, 3), (1, 4)]
    assert heard == [("start", 0, 4), *steps, ("start", 1, 4), *((2, step) for _, step in steps)]


def test_a_run_in_the_way_is_not_touched(tmp_path):
    fit(tiny(epochs=1), tmp_path)
    before = outcome(tmp_path)
    with pytest.raises(ValueError, match=r"should be a new folder\. Found a run in it"):
        fit(tiny(epochs=1, seed=1), tmp_path)
    assert outcome(tmp_path) == before
    fit(tiny(epochs=1, seed=1), tmp_path, overwrite=True)
    assert outcome(tmp_path)["best"] != before["best"]


def test_an_overwritten_run_leaves_no_trace(tmp_path):
    fit(tiny(), tmp_path / "twice")
    fit(tiny(epochs=1), tmp_path / "twice", overwrite=True)
    fit(tiny(epochs=1), tmp_path / "once")
    assert outcome(tmp_path / "twice") == outcome(tmp_path / "once")


@pytest.mark.parametrize("changes", [{"hidden_size": 13}, {"core": "gru"}, {"std": 0.3}, {"split_seed": 1}])
def test_a_run_is_not_resumed_with_another_model_or_other_data(tmp_path, changes: dict):
    fit(tiny(epochs=1), tmp_path)
    before = outcome(tmp_path)
    with pytest.raises(ValueError, match=r"A resumed run should keep its model and data\. Found others"):
        fit(tiny(**changes), tmp_path, resume=True)
    assert outcome(tmp_path) == before


@pytest.mark.parametrize("changes", [{"optimizer": "sgd"}, {"ema_decay": 0.9}])
def test_a_run_is_not_resumed_with_another_optimizer_or_average(tmp_path, changes: dict):
    fit(tiny(epochs=1), tmp_path)
    before = outcome(tmp_path)
    with pytest.raises(ValueError, match="A resumed run should keep"):
        fit(tiny(**changes), tmp_path, resume=True)
    assert outcome(tmp_path) == before


def test_there_must_be_a_run_to_resume(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"A run to resume should be in .*\. Found no `config\.json` there\."):
        fit(tiny(), tmp_path, resume=True)
    fit(tiny(epochs=1), tmp_path)
    for name in ("last.pt", "previous.pt"):
        (tmp_path / name).unlink()
    with pytest.raises(FileNotFoundError, match=r"should have a checkpoint\. Found no"):
        fit(tiny(), tmp_path, resume=True)


def test_a_disk_that_is_full_leaves_nothing_that_stands_in_the_way(tmp_path):
    """The settings would fit, the checkpoint does not: the error is the disk's, and the next attempt begins anew."""
    resource = pytest.importorskip("resource")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limits[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            fit(tiny(epochs=1), tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert list(tmp_path.iterdir()) == []
    fit(tiny(epochs=1), tmp_path)


def test_a_line_of_metrics_that_a_crash_cut_short_is_written_again(tmp_path):
    fit(tiny(epochs=1, anneal_epochs=2), tmp_path / "parts")
    with (tmp_path / "parts" / "metrics.jsonl").open("a") as file:
        file.write('{"epoch": 2, "st')
    fit(tiny(epochs=2, anneal_epochs=2), tmp_path / "parts", resume=True)
    fit(tiny(epochs=2, anneal_epochs=2), tmp_path / "whole")
    assert outcome(tmp_path / "parts") == outcome(tmp_path / "whole")


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"epochs": -1}, "`epochs` should be at least 0. Found `epochs = -1`."),
        ({"batch_size": 0}, "`batch_size` should be at least 1."),
        ({"num_rollouts": 0}, "`num_rollouts` should be at least 1."),
        ({"threads": 0}, "`threads` should be at least 1."),
        ({"patience": -1}, "`patience` should be at least 0."),
        ({"anneal_epochs": -1}, "`anneal_epochs` should be at least 0."),
        ({"weight_decay": -0.1}, "`weight_decay` should be at least 0."),
        ({"max_grad_norm": -0.1}, "`max_grad_norm` should be at least 0."),
        ({"unit_pixels": -1.0}, "`unit_pixels` should be at least 0."),
        ({"depth": 65}, "`depth` should be at least 0 and at most 64."),
        ({"num_glimpses": 10**6}, "`num_glimpses` should be at least 1 and at most 100,000."),
        ({"threads": 1024}, "`threads` should be at most"),
        ({"min_learning_rate": -0.1}, "`min_learning_rate` should be at least 0."),
        ({"learning_rate": 0.0}, "`learning_rate` should be above 0."),
        ({"learning_rate": float("nan")}, "`learning_rate` should be a finite number."),
        ({"learning_rate": float("inf")}, "`learning_rate` should be a finite number."),
        ({"threads": 100_000}, "`threads` should be at most"),
        ({"batch_size": 10**20}, "`batch_size` should be at most 1,000,000,000,000."),
        ({"device": "meta"}, "`device` should be `auto`, `cpu`, or a GPU of this machine."),
        ({"ema_decay": 1.0}, "`ema_decay` should be at least 0 and below 1."),
        ({"label_smoothing": 1.0}, "`label_smoothing` should be at least 0 and below 1."),
        ({"policy_weight": -1.0}, "`policy_weight` should be at least 0."),
        ({"baseline": "leave-one-out"}, "`num_rollouts` should be at least 2 for the leave-one-out baseline."),
        ({"device": "abacus"}, "`device` should be `auto`, `cpu`, or a GPU of this machine. Found `device = abacus`."),
        ({"image": (1, 9, 9)}, "`image` should be (1, 8, 8), as the data is."),
        ({"classes": ("a", "b")}, "`classes` should be"),
        ({"num_glimpses": 0}, "`num_glimpses` should be at least 1 and at most 100,000."),
        ({"epoch_size": -1}, "`epoch_size` should be at least 0."),
        ({"canvas_size": 5}, "A canvas should be at least as large as its images"),
        ({"source": "digit"}, "Did you mean `digits`?"),
    ],
)
def test_what_cannot_be_trained_is_refused_before_anything_is_written(tmp_path, changes: dict, sentence: str):
    with pytest.raises(ValueError, match=re.escape(sentence)):
        fit(tiny(**changes), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_few_seconds_of_training_beat_chance_by_far(tmp_path):
    """Nine of ten wrong is chance."""
    model = {"what_width": 48, "where_width": 16, "join_width": 48, "hidden_size": 48, "std": 0.15}
    summary = fit(tiny(**model, epochs=3, epoch_size=0, learning_rate=1e-2), tmp_path)
    assert summary.progress.best_error < 0.65
    assert summary.test.interval[1] < 0.7


def test_a_run_that_diverges_says_so_and_keeps_what_it_had(tmp_path: Path):
    with pytest.raises(ValueError, match=r"should be finite. Found .* nan in step 2.*smaller `learning_rate`"):
        fit(tiny(optimizer="sgd", learning_rate=1e30, epochs=9), tmp_path)
    assert (tmp_path / "last.pt").is_file()


def test_a_damaged_journal_is_told_in_one_sentence(tmp_path: Path):
    fit(tiny(), tmp_path)
    (tmp_path / "metrics.jsonl").write_text("junk\n")
    with pytest.raises(ValueError, match=r"should hold one JSON object a line. Found 'junk'"):
        fit(tiny(), tmp_path, resume=True)
