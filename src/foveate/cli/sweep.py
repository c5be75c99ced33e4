"""`foveate sweep`: a recipe over seeds and settings, a few runs side by side, and one table at the end."""

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

if TYPE_CHECKING:
    from foveate.training.sweep import Run

Absent = Parameter(show_default=False)
SUMMARY = "sweep.json"


def sweep(
    recipe: str,
    /,
    *,
    seeds: str = "0",
    set_: Annotated[tuple[str, ...], Parameter(name="--set", show_default=False)] = (),
    workers: Annotated[int | None, Absent] = None,
    run: Annotated[Path | None, Absent] = None,
) -> int:
    """Train a recipe with several seeds and settings, a few runs side by side, and compare them in one table.

    foveate sweep digits --seeds 0,1,2
    foveate sweep digits --seeds 0,1,2 --set learning_rate=1e-3,3e-3 --workers 2
    foveate sweep mnist --set core=rectified,lstm --set glimpse_size=[8,8],[12,12]

    Every combination is a run of its own, in a process of one thread. The same command again goes on with what was
    stopped or has failed, and repeats nothing. The table is kept as `sweep.json` in the folder. The exit code is 1 if
    a run failed, which does not keep the others from being made. The test set is left alone, since a table is there to
    choose from, unless `--set evaluate_on=test` is given.

    Parameters
    ----------
    recipe
        A name that `foveate recipes` lists, or the path of a .toml file.
    seeds
        Seeds of training, with commas between them.
    set_
        A setting and its values, with commas between them; may be given several times.
    workers
        Runs at a time; one for each CPU core if absent.
    run
        Folder of the runs; `runs/` and the recipe's name with `-sweep` if absent.
    """
    workers = _cores() if workers is None else workers
    if workers < 1:
        raise ValueError(f"`workers` should be at least 1. Found `workers = {workers}`.")
    base = recipes.read(recipe)
    training = dataclasses.replace(base.training, threads=1, evaluate_on="validation")
    base = dataclasses.replace(base, training=training)
    folder, varied = run or Path("runs") / f"{Path(recipe).stem}-sweep", _varied(set_)
    from foveate.training.check import check
    from foveate.training.sweep import plan

    runs = plan(base, varied, _seeds(seeds), folder)
    for one in runs:
        if one.config.data.train_on == "all":
            raise ValueError(
                "A sweep should leave the validation images to choose by. Found `train_on = all`: "
                "choose with `--set train_on=train`."
            )
        check(one.config)
    folder.mkdir(parents=True, exist_ok=True)
    return _train(runs, folder, workers)


def _cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _seeds(words: str) -> list[int]:
    """`0,1,2` as numbers."""
    try:
        seeds = [int(word) for word in words.split(",")]
    except ValueError:
        seeds = []
    if not seeds or len(set(seeds)) < len(seeds):
        raise ValueError(f"`seeds` should be different whole numbers with commas between them. Found `{words}`.")
    return seeds


def _varied(options: Sequence[str]) -> dict[str, list[Any]]:
    """`learning_rate=1e-3,3e-4`, and more of the kind, as values by name."""
    varied: dict[str, list[Any]] = {}
    for option in options:
        name, values = settings.alternatives(option)
        if name in varied:
            raise ValueError(f"Each setting should be varied once. Found `{name}` twice.")
        varied[name] = values
    return varied


def _train(runs: "Sequence[Run]", folder: Path, workers: int) -> int:
    """Work through the runs with a line each, and end with the table."""
    from foveate.cli.side_by_side import SideBySide
    from foveate.training.workers import work

    try:
        with _termination_as_interrupt(), SideBySide(runs) as shown:
            failures = work(runs, workers, on_end=shown.on_end, on_wait=shown.on_wait)
    except KeyboardInterrupt:
        print("\nStopped; every run is kept. The same command goes on.")
        return 130
    told = _write(runs, folder, failures)
    _print_table(told["rows"])
    for name, why in failures.items():
        print(f"Failed: {name}: {why}")
    print(f"Runs and {SUMMARY}: {folder}")
    done = [run for run in told["runs"] if run["state"] == "done"]
    if done:
        best = min(done, key=lambda run: run["best_validation_error"])
        print(f"\nTry next:\n  foveate evaluate {shlex.quote(str(folder / best['run']))}  # least validation error")
    return 1 if failures else 0


@contextmanager
def _termination_as_interrupt() -> Iterator[None]:
    """Whoever ends this process (`kill`, a closed terminal) means its workers too, which are in other sessions."""
    names = [signal.SIGTERM, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else [])]
    before = {name: signal.signal(name, signal.default_int_handler) for name in names}
    try:
        yield
    finally:
        for name, handler in before.items():
            signal.signal(name, handler)


def _write(runs: "Sequence[Run]", folder: Path, failures: Mapping[str, str]) -> dict[str, Any]:
    """What came of the sweep, also as a file."""
    from foveate.training.files import written_aside
    from foveate.training.sweep import summary

    told = summary(runs, failures)
    with written_aside(folder / SUMMARY) as file:
        file.write((json.dumps(told, indent=2) + "\n").encode())
    return told


def _print_table(rows: Sequence[Mapping[str, Any]]) -> None:
    """A row a setting, the least validation error first: it is what chooses, the test error only reports."""
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
    """Mean and standard deviation over the seeds."""
    if found["mean"] is None:
        return "-"
    return f"{found['mean']:.2%}" + ("" if found["deviation"] is None else f" ± {found['deviation']:.2%}")
