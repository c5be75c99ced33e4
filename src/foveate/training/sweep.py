"""A sweep: combinations of settings and seeds, each trained by its own `foveate train`.

The state of a run is its folder: a run with a result is done, and a run with a config resumes from its checkpoint.
The same sweep therefore continues where the last one ended, whatever ended it.
"""

import itertools
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from foveate import settings
from foveate.config import Config
from foveate.storage import journal
from foveate.storage.files import atomic_write
from foveate.training.derive import derive_as_saved
from foveate.training.folder import CONFIG, METRICS, RESULTS

MAX_NAME = 120  # characters of a folder's name
PATIENCE = 60.0  # seconds that a worker has to write its checkpoint and exit


@dataclass(frozen=True)
class Run:
    """One combination of settings and its folder."""

    folder: Path
    chosen: dict[str, Any]
    """Values of the varied settings, without the seed."""
    config: Config

    @property
    def name(self) -> str:
        """Name of the folder."""
        return self.folder.name

    @property
    def log(self) -> Path:
        """File with the output of its process."""
        return self.folder.with_name(f"{self.name}.log")

    @property
    def started(self) -> bool:
        """Whether it has been started."""
        return (self.folder / CONFIG).is_file()

    @property
    def done(self) -> bool:
        """Whether its best model has been evaluated, which is the last thing a run does."""
        return self._result.is_file()

    @property
    def _result(self) -> Path:
        return self.folder / RESULTS[self.config.training.evaluate_on]

    def epoch(self) -> int:
        """Number of finished epochs."""
        lines = journal.read(self.folder / METRICS)
        return lines[-1]["epoch"] if lines else 0

    def result(self) -> dict[str, Any]:
        """Its errors, with the test error if the test set was used."""
        last = journal.read(self.folder / METRICS)[-1]
        kept = {name: last[name] for name in ("best_epoch", "best_validation_error", "epoch", "seconds")}
        if self.config.training.evaluate_on == "test":
            kept["test_error"] = json.loads(self._result.read_text(encoding="utf-8"))["error_rate"]
        return kept


def plan(base: Config, varied: Mapping[str, Sequence[Any]], seeds: Sequence[int], folder: Path) -> list[Run]:
    """Combine the varied settings with every seed, seeds innermost.

    Raises:
        ValueError: if a setting is unknown or of another type, or a folder holds a run of other settings.
    """
    homes = {name: section for section, values in settings.to_dict(base).items() for name in values}
    runs = []
    names = set[str]()
    for values in itertools.product(*varied.values()):
        chosen = dict(zip(varied, values, strict=True))
        for seed in seeds:
            sections = settings.to_dict(base)
            for name, value in {**chosen, "seed": seed}.items():
                sections[homes[name]][name] = value
            name = _name({**chosen, "seed": seed})
            name = f"{len(runs)}-{name}" if name in names else name
            names.add(name)
            runs.append(Run(folder / name, chosen, settings.from_dict(sections)))
            _check_same(runs[-1])
    return runs


def _name(values: Mapping[str, Any]) -> str:
    """Folder name for these values, with characters that every file system allows."""
    words = ",".join(f"{name}={_word(value)}" for name, value in values.items())
    return re.sub(r"[^\w.,=+-]", "_", words)[-MAX_NAME:].lstrip(".")


def _word(value: Any) -> str:
    return "x".join(map(str, value)) if isinstance(value, (tuple, list)) else str(value)


def _check_same(run: Run) -> None:
    """Refuse a folder that holds a run with other settings."""
    if not run.started:
        return
    before = settings.read(run.folder / CONFIG)
    training = replace(run.config.training, compile=before.training.compile)
    if derive_as_saved(replace(run.config, training=training), before) != before:
        raise ValueError(
            f"A sweep's folder should hold runs of this sweep only. Found other settings in `{run.folder / CONFIG}`: "
            "choose another folder (`--folder FOLDER`)."
        )


def train_command(run: Run) -> list[str]:
    """The command that starts or resumes a run."""
    command = [sys.executable, "-m", "foveate", "train"]
    if run.started:
        return [*command, "--folder", str(run.folder), "--resume"]
    recipe = run.folder.with_name(f"{run.name}.toml")
    with atomic_write(recipe) as file:
        file.write(settings.to_toml(run.config, every=False).encode())
    return [*command, str(recipe), "--folder", str(run.folder)]


def summary(table: Sequence[tuple[Run, Mapping[str, Any]]]) -> dict[str, Any]:
    """Summarize the sweep for JSON: a row per setting with errors over the seeds, and every run.

    Args:
        table: every run and how it stands: its `state`, and its results or why it failed.
    """
    rows = []
    for chosen, same in itertools.groupby(table, key=lambda row: row[0].chosen):
        found = [facts for _, facts in same if facts["state"] == "done"]
        row: dict[str, Any] = {"settings": chosen, "n": len(found)}
        for name in ("best_validation_error", "test_error"):
            row[name] = spread([one[name] for one in found if name in one])
        rows.append(row)
    runs = []
    for run, facts in table:
        runs.append({"run": run.name, "seed": run.config.training.seed, "settings": run.chosen, **facts})
    return {"rows": rows, "runs": runs}


def spread(values: Sequence[float]) -> dict[str, float | None]:
    """Mean and sample standard deviation; None if there are too few values.

    >>> spread([1.0, 3.0])
    {'mean': 2.0, 'deviation': 1.4142135623730951}
    >>> spread([1.0])
    {'mean': 1.0, 'deviation': None}
    """
    return {
        "mean": fmean(values) if values else None,
        "deviation": stdev(values) if len(values) > 1 else None,
    }


def work(
    runs: Iterable[Run],
    workers: int,
    *,
    on_end: Callable[[Run, str | None], None] = lambda run, failure: None,
    on_wait: Callable[[Sequence[Run]], None] = lambda running: None,
    should_stop: Callable[[Run], bool] = lambda run: False,
    command: Callable[[Run], list[str]] = train_command,
) -> dict[str, str]:
    """Train the unfinished runs, `workers` at a time; return why runs failed. Other runs go on after a failure.

    A KeyboardInterrupt stops every worker with a checkpoint to resume from, and is raised again when all have ended.

    Args:
        runs: the runs of a `plan` or a `Study`; the next is asked for when a worker is free.
        workers: number of processes at a time, each with one thread.
        on_end: called for every run that ends, with the reason if it failed, else None.
        on_wait: called several times a second with the runs in progress.
        should_stop: asked several times a second whether a run in progress is not worth its end.
        command: returns the command line of a run.
    """
    waiting = (run for run in runs if not run.done)
    running: dict[int, tuple[Run, subprocess.Popen[bytes]]] = {}
    failures: dict[str, str] = {}
    stopped: set[str] = set()
    try:
        while True:
            while len(running) < workers and (run := next(waiting, None)):
                process = _start(run, command)
                running[process.pid] = run, process
            if not running:
                return failures
            for pid, (run, process) in list(running.items()):
                if process.poll() is None:
                    if run.name not in stopped and should_stop(run):
                        stopped.add(run.name)
                        process.send_signal(signal.SIGINT)
                    continue
                del running[pid]
                is_well = run.name in stopped or (run.done and process.returncode == 0)
                failure = None if is_well else _failure(run, process.returncode)
                if failure:
                    failures[run.name] = failure
                on_end(run, failure)
            on_wait([run for run, _ in running.values()])
            time.sleep(0.05)
    finally:
        _stop([process for _, process in running.values()])


def _start(run: Run, command: Callable[[Run], list[str]]) -> subprocess.Popen[bytes]:
    """Start a worker in its own session: Ctrl-C reaches it once, from this process, and not from the terminal too."""
    run.folder.parent.mkdir(parents=True, exist_ok=True)
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}
    words = command(run)
    with run.log.open("ab") as log:
        return subprocess.Popen(
            words, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment, start_new_session=True
        )


def _stop(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    """Ask every worker to save and exit; kill the rest after `PATIENCE` seconds or a second Ctrl-C."""
    try:
        for process in processes:
            process.send_signal(signal.SIGINT)
        deadline = time.monotonic() + PATIENCE
        for process in processes:
            process.wait(max(0.0, deadline - time.monotonic()))
    except (KeyboardInterrupt, subprocess.TimeoutExpired):
        pass
    finally:
        for process in processes:
            process.kill()  # no effect on a process that has ended
            process.wait()


def _failure(run: Run, code: int) -> str:
    """Reason of a failed run: the last line of its log and its exit code."""
    lines = [line for line in run.log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    said = lines[-1].strip().removeprefix("foveate: ") if lines else "It said nothing."
    return f"{said} (exit code {code}; {run.log})"
