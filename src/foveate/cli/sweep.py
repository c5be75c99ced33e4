"""`foveate sweep`: train a recipe with several seeds and settings, a few runs at a time, and print one table."""

import dataclasses
import json
import os
import shlex
import signal
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from foveate import recipes, settings
from foveate.config import Config

if TYPE_CHECKING:
    from foveate.training.study import Range, Study
    from foveate.training.sweep import Run

    Space = dict[str, list[Any] | Range]

Absent = Parameter(show_default=False)
SUMMARY = "sweep.json"


def sweep(
    recipe: str,
    /,
    *,
    seeds: str = "0",
    set_: Annotated[tuple[str, ...], Parameter(name="--set", show_default=False)] = (),
    workers: Annotated[int | None, Absent] = None,
    folder: Annotated[Path | None, Parameter(name=["--folder", "-o"], show_default=False)] = None,
    trials: Annotated[int, Absent] = 0,
    prune: Annotated[bool, Parameter(negative=(), show_default=False)] = False,
    storage: Annotated[str, Absent] = "",
) -> int:
    """Train a recipe with several seeds and settings, a few runs at a time, and compare them in one table.

    foveate sweep digits --seeds 0,1,2
    foveate sweep digits --seeds 0,1,2 --set learning_rate=1e-3,3e-3 --workers 2
    foveate sweep mnist --set core=rectified,lstm --set glimpse_size=[8,8],[12,12]
    foveate sweep digits --set learning_rate=1e-4..1e-2 --trials 20 --prune    # search, and stop bad runs early

    Every combination is a run in its own process with one thread. The same command continues stopped and failed runs
    and repeats nothing. `sweep.json` in the folder holds the table. If a run fails, the others continue, and the exit
    code is 1. The test set is not used, because a table of test errors would be used to choose settings; `--set
    evaluate_on=test` overrides this.

    Parameters
    ----------
    recipe
        A name that `foveate recipes` lists, or the path of a .toml file.
    seeds
        Seeds of training, separated by commas.
    set_
        A setting and its values, separated by commas; can be repeated.
    workers
        Runs at a time; one per CPU core if not given.
    folder
        Folder of the runs; `runs/` and the recipe's name with `-sweep` if not given.
    trials
        Search for this many combinations instead of training all; a setting may then be a range, `LOW..HIGH`.
    prune
        Stop a run whose validation error is worse than the median of the others at the same epoch.
    storage
        URL of a database, such as `postgresql://host/name`, for several machines that share the sweep by the name of
        the folder; a file in the folder if not given.
    """
    workers = _cores() if workers is None else workers
    if workers < 1:
        raise ValueError(f"`workers` should be at least 1. Found `workers = {workers}`.")
    base = recipes.read(recipe)
    training = dataclasses.replace(base.training, threads=1, evaluate_on="validation")
    base = dataclasses.replace(base, training=training)
    folder = folder or Path("runs") / f"{Path(recipe).stem}-sweep"
    space = _space(set_, trials)
    numbers = _seeds(seeds)
    _check_runs(base, space, numbers, folder)
    from foveate.training.study import Study

    folder.mkdir(parents=True, exist_ok=True)
    study = Study(base, space, numbers, folder, storage=storage, trials=trials, prune=prune)
    total = len(study.table()) if not trials else trials * len(numbers)
    return _train(study, total, workers)


def _check_runs(base: Config, space: "Space", seeds: list[int], folder: Path) -> None:
    """Refuse a sweep whose runs could not be trained; of a range both ends are tried."""
    from foveate.training.check import check
    from foveate.training.study import Range
    from foveate.training.sweep import plan

    ends = {name: [each.low, each.high] if isinstance(each, Range) else each for name, each in space.items()}
    for one in plan(base, ends, seeds, folder):
        check(one.config)


def _cores() -> int:
    """CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _seeds(words: str) -> list[int]:
    """Parse seeds such as `0,1,2`."""
    try:
        seeds = [int(word) for word in words.split(",")]
    except ValueError:
        seeds = []
    if not seeds or len(set(seeds)) < len(seeds):
        raise ValueError(f"`seeds` should be different whole numbers with commas between them. Found `{words}`.")
    return seeds


def _space(options: Sequence[str], trials: int) -> "Space":
    """Parse options such as `learning_rate=1e-3,3e-4` or `learning_rate=1e-4..1e-2` into values by name."""
    from foveate.training.study import Range

    if trials < 0:
        raise ValueError(f"`trials` should be at least 0. Found `trials = {trials}`.")
    space: Space = {}
    for option in options:
        is_range = ".." in option.partition("=")[2]
        name, values = settings.alternatives(option.replace("..", ",") if is_range else option)
        if name in space:
            raise ValueError(f"Each setting should be varied once. Found `{name}` twice.")
        if is_range and not trials:
            raise ValueError(f"A range should go with `--trials`. Found `{option}`.")
        if is_range and (len(values) != 2 or not isinstance(values[0], (int, float)) or values[0] >= values[1]):
            raise ValueError(f"A range should be `LOW..HIGH` of a number. Found `{option}`.")
        space[name] = Range(values[0], values[1]) if is_range else values
    return space


def _train(study: "Study", total: int, workers: int) -> int:
    """Train the runs, print a line for each, and print the table."""
    from foveate.cli.side_by_side import SideBySide
    from foveate.training.sweep import work

    done = sum(facts["state"] in ("done", "pruned") or run.done for run, facts in study.table())

    def on_end(run: "Run", failure: str | None) -> None:
        shown.on_end(run, failure)
        study.on_end(run, failure)

    try:
        with _termination_as_interrupt(), SideBySide(total, done) as shown:
            failures = work(study.runs(), workers, on_end=on_end, on_wait=shown.on_wait, should_stop=study.should_stop)
    except KeyboardInterrupt:
        print("\nStopped. All runs are kept; the same command continues.")
        return 130
    told = _write(study.table(), study.folder)
    _print_table(told["rows"])
    for name, why in failures.items():
        print(f"Failed: {name}: {why}")
    states = [run["state"] for run in told["runs"]]
    for state, words in (("pruned", "stopped early"), ("open", "still open on other machines")):
        if state in states:
            print(f"{states.count(state)} of {len(states)} runs are {words}.")
    print(f"Runs and {SUMMARY}: {study.folder}")
    finished = [run for run in told["runs"] if run["state"] == "done"]
    if finished:
        best = min(finished, key=lambda run: run["best_validation_error"])
        path = shlex.quote(str(study.folder / best["run"]))
        print(f"\nTry next:\n  foveate evaluate {path}  # least validation error")
    return 1 if failures else 0


@contextmanager
def _termination_as_interrupt() -> Iterator[None]:
    """Treat SIGTERM and SIGHUP as Ctrl-C, so that the workers, which are in other sessions, stop too."""
    names = [signal.SIGTERM, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else [])]
    before = {name: signal.signal(name, signal.default_int_handler) for name in names}
    try:
        yield
    finally:
        for name, handler in before.items():
            signal.signal(name, handler)


def _write(table: "Sequence[tuple[Run, Mapping[str, Any]]]", folder: Path) -> dict[str, Any]:
    """Summarize the sweep and write the summary to a file."""
    from foveate.storage.files import atomic_write
    from foveate.training.sweep import summary

    told = summary(table)
    with atomic_write(folder / SUMMARY) as file:
        file.write((json.dumps(told, indent=2) + "\n").encode())
    return told


def _print_table(rows: Sequence[Mapping[str, Any]]) -> None:
    """Print a row per setting, sorted by validation error, which is what to choose by."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    names = {"best_validation_error": "validation error", "test_error": "test error"}
    if all(row["test_error"]["mean"] is None for row in rows):
        del names["test_error"]
    table = Table(*rows[0]["settings"], "n", *names.values(), caption="mean ± deviation over n seeds")
    for row in sorted(rows, key=lambda row: (row["n"] == 0, row["best_validation_error"]["mean"] or 0.0)):
        errors = [row[name] for name in names]
        values = (escape(json.dumps(value)) for value in row["settings"].values())
        table.add_row(*values, str(row["n"]), *map(_error, errors))
    Console().print(table)


def _error(found: Mapping[str, float | None]) -> str:
    """Mean and standard deviation over the seeds, as text."""
    if found["mean"] is None:
        return "-"
    return f"{found['mean']:.2%}" + ("" if found["deviation"] is None else f" ± {found['deviation']:.2%}")
