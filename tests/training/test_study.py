"""A study hands out every run once, on any number of machines, searches where it is asked to, and stops bad runs."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from foveate.cli import main
from foveate.training.study import Range, Study
from foveate.training.sweep import Run, work
from training.tiny import tiny

GRID = {"learning_rate": [1e-3, 1e-2], "glimpse_size": [[2, 3]]}
SPACE: dict[str, Any] = {"learning_rate": Range(1e-4, 1e-2), "hidden_size": Range(4, 9), "core": ["gru", "lstm"]}


def finish(run: Run, error: float = 0.25) -> None:
    """Leave what a finished run leaves."""
    run.folder.mkdir(parents=True)
    line = {"epoch": 2, "seconds": 1, "best_epoch": 1, "best_validation_error": error}
    (run.folder / "metrics.jsonl").write_text(json.dumps(line) + "\n")
    (run.folder / "test.json").write_text('{"error_rate": 0.5}')


def drain(study: Study) -> list[str]:
    """Finish every run that a study hands out; their names."""
    names = []
    for run in study.runs():
        finish(run)
        study.on_end(run, None)
        names.append(run.name)
    return names


def states(study: Study) -> list[str]:
    return [facts["state"] for _, facts in study.table()]


def make(folder: Path, space: dict[str, Any] = GRID, seeds: tuple[int, ...] = (0, 7), **options: Any) -> Study:
    folder.mkdir(parents=True, exist_ok=True)
    return Study(tiny(), space, seeds, folder, **options)


def test_the_grid_is_handed_out_once_in_order(tmp_path: Path) -> None:
    study = make(tmp_path)
    names = [f"learning_rate={rate},glimpse_size=2x3,seed={seed}" for rate in (0.001, 0.01) for seed in (0, 7)]
    assert drain(study) == names
    assert [run.name for run, _ in study.table()] == names
    assert states(study) == ["done"] * 4
    assert drain(make(tmp_path)) == []
    assert (tmp_path / "sweep.db").exists()


def test_machines_share_a_sweep(tmp_path: Path) -> None:
    """Each run is trained on one of them, and both know every result."""
    storage = f"sqlite:///{tmp_path / 'shared.db'}"
    one = make(tmp_path / "one" / "sweep", storage=storage)
    two = make(tmp_path / "two" / "sweep", storage=storage)
    first = next(one.runs())
    others = drain(two)
    assert first.name not in others
    assert len(others) == 3
    assert states(two) == ["open", "done", "done", "done"]
    finish(first)
    one.on_end(first, None)
    assert states(one) == states(two) == ["done"] * 4
    assert len(list((tmp_path / "one" / "sweep").iterdir())) == 1


def test_machines_that_begin_at_once_do_nothing_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both put the grid into the storage before one has seen that the other did."""
    storage = f"sqlite:///{tmp_path / 'shared.db'}"
    one = make(tmp_path / "one" / "sweep", storage=storage)
    with monkeypatch.context() as patch:
        patch.setattr(Study, "_known", lambda self: [])
        two = make(tmp_path / "two" / "sweep", storage=storage)
    names = drain(one) + drain(two)
    assert len(names) == len(set(names)) == 4
    assert states(one) == ["done"] * 4


def test_what_was_stopped_or_failed_is_taken_again(tmp_path: Path) -> None:
    study = make(tmp_path)
    runs = study.runs()
    stopped, failed = next(runs), next(runs)
    study.on_end(failed, "There is no such thing.")
    assert study.table()[1][1] == {"state": "failed", "failure": "There is no such thing."}
    again = make(tmp_path)
    names = drain(again)
    assert {stopped.name, failed.name} <= set(names)
    assert len(names) == 4
    assert states(again) == ["done"] * 4


def test_a_run_that_is_done_in_the_folder_is_not_done_again(tmp_path: Path) -> None:
    study = make(tmp_path)
    finish(study._run({"learning_rate": 1e-2, "glimpse_size": [2, 3]}, 7))
    assert len(drain(study)) == 3
    assert states(study) == ["done"] * 4


def test_a_search_draws_from_the_ranges_with_every_seed(tmp_path: Path) -> None:
    study = make(tmp_path, SPACE, trials=3)
    assert len(drain(study)) == 6
    chosen = [run.chosen for run, _ in study.table()]
    assert chosen[::2] == chosen[1::2]
    assert [run.config.training.seed for run, _ in study.table()] == [0, 7] * 3
    for settings in chosen:
        assert 1e-4 <= settings["learning_rate"] <= 1e-2
        assert settings["hidden_size"] in range(4, 10)
        assert settings["core"] in ("gru", "lstm")
    assert drain(make(tmp_path, SPACE, trials=3)) == []
    assert len(drain(make(tmp_path, SPACE, trials=4))) == 2


@pytest.mark.parametrize("prune", [True, False])
def test_a_bad_run_is_stopped_early(tmp_path: Path, prune: bool) -> None:
    """After five runs at 10 %, one at 90 % in its second epoch is worse than the median."""
    study = make(tmp_path, {}, tuple(range(6)), prune=prune)
    asked = []

    def command(run: Run) -> list[str]:
        error = 0.9 if run.name == "seed=5" else 0.1
        line = {"epoch": 2, "seconds": 1, "best_epoch": 2, "best_validation_error": error, "validation_error": error}
        script = f"mkdir {run.folder}; echo '{json.dumps(line)}' > {run.folder}/metrics.jsonl; sleep 0.4; "
        return ["sh", "-c", script + f"echo '{{\"error_rate\": 0.5}}' > {run.folder}/test.json"]

    def should_stop(run: Run) -> bool:
        asked.append(run.name)
        return study.should_stop(run)

    failures = work(study.runs(), 1, command=command, on_end=study.on_end, should_stop=should_stop)
    assert not failures
    assert states(study) == ["done"] * 5 + ["pruned" if prune else "done"]
    assert (tmp_path / "seed=5" / "test.json").exists() != prune
    assert "seed=5" in asked
    assert drain(make(tmp_path, {}, tuple(range(6)), prune=prune)) == []


def test_a_storage_with_another_recipe_is_refused(tmp_path: Path) -> None:
    make(tmp_path)
    with pytest.raises(ValueError, match=r"should hold one recipe by a name\. Found another recipe"):
        Study(tiny(epochs=77), GRID, (0,), tmp_path)


def test_without_optuna_it_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    assert main(["sweep", "digits", "--folder", str(tmp_path / "sweep")]) == 2
    assert "pip install 'foveate[sweep]'" in capsys.readouterr().err
