"""A sweep makes every combination once, with so many workers and no more, and goes on wherever it was stopped."""

import dataclasses
import json
import os
import shlex
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from foveate import fit, settings
from foveate.cli import main
from foveate.cli.sweep import _print_table, _termination_as_interrupt
from foveate.training.sweep import Run, plan, summary, work
from training.tiny import tiny

# What a finished run leaves, as a sweep reads it.
RECORD = '{"epoch": 2, "seconds": 1, "best_epoch": 1, "best_validation_error": 0.25}'
FINISH = f"mkdir -p RUN; echo '{RECORD}' > RUN/metrics.jsonl; echo '{{\"error_rate\": 0.5}}' > RUN/test.json"


def shell(script: str, run: Run) -> list[str]:
    """A worker that is a line of shell, with RUN for its folder."""
    return ["sh", "-c", script.replace("RUN", shlex.quote(str(run.folder)))]


def runs_of(folder: Path, count: int = 4) -> list[Run]:
    return plan(tiny(), {}, range(count), folder)


def table(runs: list[Run], failures: dict[str, str]) -> list[tuple[Run, dict[str, Any]]]:
    """How the runs of a folder stand."""
    rows = []
    for run in runs:
        facts = {"state": "done", **run.result()} if run.done else {"state": "open"}
        if run.name in failures:
            facts = {"state": "failed", "failure": failures[run.name]}
        rows.append((run, facts))
    return rows


def test_every_combination_is_planned_once_with_its_settings(tmp_path: Path):
    runs = plan(tiny(), {"learning_rate": [1e-3, 1e-2], "glimpse_size": [[2, 3]]}, [0, 7], tmp_path)
    assert [run.name for run in runs] == [
        f"learning_rate={rate},glimpse_size=2x3,seed={seed}" for rate in (0.001, 0.01) for seed in (0, 7)
    ]
    assert len({run.config for run in runs}) == 4
    training = dataclasses.replace(tiny().training, learning_rate=0.01, seed=7)
    model = dataclasses.replace(tiny().model, glimpse_size=(2, 3))
    assert runs[-1].config == dataclasses.replace(tiny(), training=training, model=model)


@pytest.mark.parametrize("values", [["a/b", "a_b"], ["../../x", "x"], ["x" * 300, "y" * 300], [".", ".."]])
def test_whatever_a_setting_is_its_folders_are_different_and_inside(tmp_path: Path, values: list[str]):
    runs = plan(tiny(), {"source": values}, [0], tmp_path)
    assert len({run.folder for run in runs}) == len(values)
    for run in runs:
        assert run.folder.resolve().parent == tmp_path.resolve()
        run.folder.mkdir()


def test_a_run_of_other_settings_in_the_way_is_refused(tmp_path: Path):
    (run,) = runs_of(tmp_path, 1)
    fit(dataclasses.replace(run.config, training=dataclasses.replace(run.config.training, epochs=1)), run.folder)
    with pytest.raises(ValueError, match=r"should hold runs of this sweep only\. Found other settings"):
        runs_of(tmp_path, 1)


def test_a_run_of_its_own_settings_is_its_own_whatever_the_data_filled_in(tmp_path: Path):
    (run,) = runs_of(tmp_path, 1)
    fit(run.config, run.folder)
    assert runs_of(tmp_path, 1)[0].done


@pytest.mark.parametrize("workers", [1, 3])
def test_there_are_never_more_workers_than_allowed_and_all_of_them_work(tmp_path: Path, workers: int):
    running: list[int] = []
    script = f"{FINISH}; sleep 0.2"
    failures = work(
        runs_of(tmp_path),
        workers,
        command=lambda run: shell(script, run),
        on_wait=lambda now: running.append(len(now)),
    )
    assert not failures
    assert max(running) == workers
    assert all(run.done for run in runs_of(tmp_path))


def test_a_failure_is_named_with_its_last_words_and_the_rest_goes_on(tmp_path: Path):
    heard: dict[str, str | None] = {}
    fails = "echo 'foveate: There is no such thing.' >&2; exit 2"
    failures = work(
        runs_of(tmp_path),
        2,
        command=lambda run: shell(fails if run.name == "seed=1" else FINISH, run),
        on_end=lambda run, failure: heard.update({run.name: failure}),
    )
    log = tmp_path / "seed=1.log"
    assert failures == {"seed=1": f"There is no such thing. (exit code 2; {log})"}
    assert heard == {**dict.fromkeys(f"seed={seed}" for seed in range(4)), **failures}
    told = summary(table(runs_of(tmp_path), failures))
    assert [run["state"] for run in told["runs"]] == ["done", "failed", "done", "done"]
    assert told["rows"][0]["n"] == 3
    assert told["rows"][0]["test_error"] == {"mean": 0.5, "deviation": 0.0}


def test_what_is_done_is_not_done_again_and_what_failed_is(tmp_path: Path):
    work(runs_of(tmp_path), 4, command=lambda run: shell(FINISH if run.name != "seed=2" else "exit 1", run))
    started: list[str] = []

    def command(run: Run) -> list[str]:
        started.append(run.name)
        return shell(FINISH, run)

    assert work(runs_of(tmp_path), 4, command=command) == {}
    assert started == ["seed=2"]


def test_a_killed_worker_and_one_that_says_nothing_are_failures(tmp_path: Path):
    (run,) = runs_of(tmp_path, 1)
    failures = work([run], 1, command=lambda run: shell("kill -9 $$", run))
    assert failures == {"seed=0": f"It said nothing. (exit code -9; {run.log})"}


def test_an_interrupt_lets_every_worker_save_and_leaves_none(tmp_path: Path):
    script = "trap 'touch RUN.saved; exit 130' INT; echo $$ > RUN.pid; while :; do sleep 0.05; done"
    pids = [run.folder.with_name(f"{run.name}.pid") for run in runs_of(tmp_path, 2)]

    def interrupt(running: object) -> None:
        if all(pid.exists() and pid.read_text() for pid in pids):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        work(runs_of(tmp_path), 2, command=lambda run: shell(script, run), on_wait=interrupt)
    assert sorted(path.name for path in tmp_path.glob("*.saved")) == ["seed=0.saved", "seed=1.saved"]
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(int(pid.read_text()), 0)


@pytest.mark.parametrize("number", [signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGINT)])
def test_whoever_ends_the_sweep_interrupts_it_and_only_it(number: signal.Signals):
    """What happens at these signals is as before, once the block has been left."""

    def end() -> None:
        assert signal.getsignal(number) is signal.default_int_handler
        signal.raise_signal(number)

    before = signal.getsignal(number)
    with pytest.raises(KeyboardInterrupt), _termination_as_interrupt():
        end()
    assert signal.getsignal(number) is before


@pytest.mark.parametrize(("failures", "code"), [({}, 0), ({"seed=0": "There is no such thing."}, 1)])
def test_a_sweep_in_which_a_run_failed_says_so_and_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], failures: dict, code: int
):
    monkeypatch.setattr("foveate.training.sweep.work", lambda *runs, **listeners: failures)
    recipe = tmp_path / "little.toml"
    recipe.write_text(settings.to_toml(tiny()))
    assert main(["sweep", str(recipe), "--seeds", "0", "--folder", str(tmp_path / "sweep")]) == code
    assert ("Failed: seed=0: There is no such thing." in capsys.readouterr().out) == bool(failures)


def test_a_worker_that_does_not_go_is_made_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("foveate.training.sweep.PATIENCE", 0.2)
    pid = tmp_path / "seed=0.pid"
    script = "trap '' INT; echo $$ > RUN.pid; while :; do sleep 0.05; done"

    def interrupt(running: object) -> None:
        if pid.exists() and pid.read_text():
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        work(runs_of(tmp_path, 1), 1, command=lambda run: shell(script, run), on_wait=interrupt)
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()), 0)


@pytest.mark.slow
def test_a_sweep_that_is_stopped_goes_on_where_it_was_and_ends_in_a_table(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    """SIGTERM once an epoch is done; the same command then ends like runs that never stopped, and then has no more."""
    recipe, folder = tmp_path / "little.toml", tmp_path / "sweep"
    recipe.write_text(settings.to_toml(tiny(epochs=20)))
    words = ["sweep", str(recipe), "--set", "training.learning-rate=5e-3", "--folder", str(folder)]
    journal = folder / "learning_rate=0.005,seed=0" / "metrics.jsonl"
    process = subprocess.Popen([sys.executable, "-m", "foveate", *words], stdout=subprocess.PIPE, text=True)
    while process.poll() is None and not (journal.exists() and journal.read_text()):
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=60)
    assert (process.returncode, "the same command continues." in out) == (130, True), out
    assert 1 <= len(journal.read_text().splitlines()) < 20
    assert main(words) == 0
    first, shown = (folder / "sweep.json").read_text(), capsys.readouterr().out
    told = json.loads(first)
    assert [row["settings"] for row in told["rows"]] == [{"learning_rate": 0.005}]
    alone = fit(tiny(epochs=20), tmp_path / "whole")
    weights = [path / "best" / "model.safetensors" for path in (journal.parent, tmp_path / "whole")]
    assert weights[0].read_bytes() == weights[1].read_bytes()
    assert told["runs"][0]["best_validation_error"] == alone.progress.best_error
    assert f"{alone.progress.best_error:.2%}" in shown
    assert "test error" not in shown
    assert not (journal.parent / "test.json").exists()
    assert main(words) == 0
    assert "1 of 1 runs are already done." in capsys.readouterr().out
    assert (folder / "sweep.json").read_text() == first


def test_the_table_has_test_errors_where_they_were_asked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    runs = plan(tiny(), {"evaluate_on": ["test", "validation"]}, [0], tmp_path)
    work(runs, 2, command=lambda run: shell(FINISH.replace("test.json", f"{run.chosen['evaluate_on']}.json"), run))
    _print_table(summary(table(runs, {}))["rows"])
    seen, unseen = (line.split() for line in capsys.readouterr().out.splitlines() if "%" in line)
    assert ("25.00%" in seen, "50.00%" in seen) == (True, True)
    assert ("25.00%" in unseen, "50.00%" in unseen) == (True, False)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("digits --seeds 0,0", "`seeds` should be different whole numbers with commas between them. Found `0,0`."),
        ("digits --seeds one", "Found `one`."),
        ("digits --set learning_rat=1", "Found `learning_rat`. Did you mean `learning_rate`?"),
        ("digits --set model.learning_rate=1", "Found `model.learning_rate`. It belongs under `[training]`."),
        ("digits --set learning_rate", "`NAME=VALUE,VALUE`. Found `learning_rate`."),
        ("digits --set learning_rate=", "`learning_rate` should be a number"),
        ("digits --set learning_rate=fast", "`learning_rate` should be a number"),
        ("digits --set epochs=1.5", "`epochs` should be a whole number. Found `epochs = 1.5`."),
        ("digits --set core=gru,lsmt", "`core` should be one of"),
        ("digits --set epochs=1 --set epochs=2", "Each setting should be varied once. Found `epochs` twice."),
        ("digits --set batch_size=0", "`batch_size` should be at least 1."),
        ("digits --workers 0", "`workers` should be at least 1."),
        ("digits --trials -1", "`trials` should be at least 0. Found `trials = -1`."),
        ("digits --set learning_rate=1e-4..1e-2", "A range should go with `--trials`."),
        ("digits --trials 2 --set learning_rate=1e-2..1e-4", "A range should be `LOW..HIGH` of a number."),
        ("digits --trials 2 --set core=gru..lstm", "A range should be `LOW..HIGH` of a number."),
        ("digits --trials 2 --set learning_rate=0.0..1e-2", "`learning_rate` should be"),
        ("nothing", "`RECIPE` should be one of"),
    ],
)
def test_what_cannot_be_swept_is_refused_before_anything_is_made(
    words: str, sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.chdir(tmp_path)
    assert main(["sweep", *words.split()]) == 2
    assert sentence in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_thread_that_is_no_main_thread_may_not_be_needed(tmp_path: Path):
    """`work` itself sets no signal handlers, so that it may be called from anywhere."""
    done: list[dict[str, str]] = []
    thread = threading.Thread(
        target=lambda: done.append(work(runs_of(tmp_path, 1), 1, command=lambda run: shell(FINISH, run)))
    )
    thread.start()
    thread.join()
    assert done == [{}]
