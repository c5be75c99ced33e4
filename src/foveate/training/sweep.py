"""A sweep: every combination of some settings and seeds, each a `foveate train` of its own, a few side by side.

The folder is the memory: a run that has its result is done, one that has settings goes on from its checkpoint.
So the same sweep again does what is left, whatever ended the one before.
"""

import itertools
import json
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from foveate import settings
from foveate.config import Config
from foveate.training import journal
from foveate.training.files import written_aside
from foveate.training.run import CONFIG, METRICS, RESULTS

LONGEST_NAME = 120  # characters of a folder


@dataclass(frozen=True)
class Run:
    """One combination: where it is kept, what it sets, and all its settings."""

    folder: Path
    chosen: dict[str, Any]
    """Values of the settings that the sweep varies, without the seed."""
    config: Config

    @property
    def name(self) -> str:
        """What it is called."""
        return self.folder.name

    @property
    def log(self) -> Path:
        """What its process printed."""
        return self.folder.with_name(f"{self.name}.log")

    @property
    def begun(self) -> bool:
        """Whether there is something to go on with."""
        return (self.folder / CONFIG).is_file()

    @property
    def done(self) -> bool:
        """Whether its best model has been evaluated, the last thing that a run does."""
        return self._result.is_file()

    @property
    def _result(self) -> Path:
        return self.folder / RESULTS[self.config.training.evaluate_on]

    def epoch(self) -> int:
        """Epochs done."""
        lines = journal.read(self.folder / METRICS)
        return lines[-1]["epoch"] if lines else 0

    def result(self) -> dict[str, Any]:
        """What came of it, with the test error where the test set was looked at."""
        last = journal.read(self.folder / METRICS)[-1]
        kept = {name: last[name] for name in ("best_epoch", "best_validation_error", "epoch", "seconds")}
        if self.config.training.evaluate_on == "test":
            kept["test_error"] = json.loads(self._result.read_text(encoding="utf-8"))["error_rate"]
        return kept


def plan(base: Config, varied: Mapping[str, Sequence[Any]], seeds: Sequence[int], folder: Path) -> list[Run]:
    """Every combination of the varied settings with every seed, seeds innermost.

    Raises:
        ValueError: if a setting is unknown or of another type, or a folder holds a run of other settings.
    """
    homes = {name: section for section, values in settings.to_dict(base).items() for name in values}
    runs, names = [], set[str]()
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
    """A folder's name for these values, of characters that every file system takes."""
    words = ",".join(f"{name}={_word(value)}" for name, value in values.items())
    return re.sub(r"[^\w.,=+-]", "_", words)[-LONGEST_NAME:].lstrip(".")


def _word(value: Any) -> str:
    return "x".join(map(str, value)) if isinstance(value, (tuple, list)) else str(value)


def _check_same(run: Run) -> None:
    """A run that is there already is one of this sweep."""
    if not run.begun:
        return
    before = settings.read(run.folder / CONFIG)
    model = replace(run.config.model, image=before.model.image, classes=before.model.classes)
    training = replace(run.config.training, compile=before.training.compile)
    if replace(run.config, model=model, training=training) != before:
        raise ValueError(
            f"A sweep's folder should hold runs of this sweep only. Found other settings in `{run.folder / CONFIG}`: "
            "choose another folder (`--run FOLDER`)."
        )


def train_command(run: Run) -> list[str]:
    """How a run is begun, or gone on with."""
    command = [sys.executable, "-m", "foveate", "train"]
    if run.begun:
        return [*command, "--run", str(run.folder), "--resume"]
    recipe = run.folder.with_name(f"{run.name}.toml")
    with written_aside(recipe) as file:
        file.write(settings.to_toml(run.config, every=False).encode())
    return [*command, str(recipe), "--run", str(run.folder)]


def summary(runs: Sequence[Run], failures: Mapping[str, str]) -> dict[str, Any]:
    """The sweep so far as what JSON can hold: a row a setting, its errors over the seeds, and every run."""
    results = {run.name: run.result() for run in runs if run.done}
    rows = []
    for chosen, same in itertools.groupby(runs, key=lambda run: run.chosen):
        found = [results[run.name] for run in same if run.name in results]
        names = ("best_validation_error", "test_error")
        errors = {name: spread([one[name] for one in found if name in one]) for name in names}
        rows.append({"settings": chosen, "n": len(found), **errors})
    each = [
        {
            "run": run.name,
            "seed": run.config.training.seed,
            "settings": run.chosen,
            "state": "done" if run.done else "failed" if run.name in failures else "open",
            **results.get(run.name, {}),
            **({"failure": failures[run.name]} if run.name in failures else {}),
        }
        for run in runs
    ]
    return {"rows": rows, "runs": each}


def spread(values: Sequence[float]) -> dict[str, float | None]:
    """Mean and sample standard deviation; None where there are too few values.

    >>> spread([1.0, 3.0])
    {'mean': 2.0, 'deviation': 1.4142135623730951}
    >>> spread([1.0])
    {'mean': 1.0, 'deviation': None}
    """
    return {
        "mean": fmean(values) if values else None,
        "deviation": stdev(values) if len(values) > 1 else None,
    }
