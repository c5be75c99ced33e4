"""The study of a sweep: Optuna hands out the runs, on every machine that names the same storage."""

import json
import socket
import weakref
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from foveate import settings
from foveate.config import Config
from foveate.storage import journal
from foveate.training.run import METRICS
from foveate.training.sweep import Run, plan

if TYPE_CHECKING:
    import optuna

DATABASE = "sweep.db"
LOG_RATIO = 10  # between the ends of a range of numbers: from here on it is searched by their logarithms


@dataclass(frozen=True)
class Range:
    """Numbers from `low` to `high`, to be searched."""

    low: float
    high: float


class Study:
    """The runs of a sweep, taken one by one; every result is kept in the storage.

    Args:
        base: the recipe.
        space: the values of each varied setting; a `Range` where they are searched.
        seeds: seeds of every combination.
        folder: folder of the runs on this machine; its name is the study's.
        storage: URL of a database; an SQLite file in the folder if empty.
        trials: combinations to search for; 0 takes every one.
        prune: stop runs whose validation error is above the median of the others at the same epoch.

    Raises:
        ValueError: if optuna is not installed, or the storage holds a sweep of another recipe by this name.
    """

    def __init__(
        self,
        base: Config,
        space: Mapping[str, Sequence[Any] | Range],
        seeds: Sequence[int],
        folder: Path,
        *,
        storage: str = "",
        trials: int = 0,
        prune: bool = False,
    ) -> None:
        optuna = _optuna()
        self.base = base
        self.space = space
        self.seeds = seeds
        self.folder = folder
        self.trials = trials
        self.prune = prune
        self.here = f"{socket.gethostname()}:{folder.resolve()}"
        self.taken: dict[str, Any] = {}  # trials by the names of their runs
        self.reported: dict[str, int] = {}  # epochs
        self.pruned: set[str] = set()
        database = optuna.storages.RDBStorage(storage or f"sqlite:///{folder.resolve() / DATABASE}")
        weakref.finalize(self, _close, database)
        self.study = optuna.create_study(
            study_name=folder.name,
            storage=database,
            load_if_exists=True,
            sampler=optuna.samplers.TPESampler(),
            pruner=optuna.pruners.MedianPruner() if prune else optuna.pruners.NopPruner(),
        )
        self._check_recipe()
        self._release()
        self._enqueue()

    def runs(self) -> Iterator[Run]:
        """Runs for this machine, each taken when the one before has been started, until there is none left."""
        while trial := self._next():
            run = self._run(trial.user_attrs["settings"], trial.user_attrs["seed"])
            self.taken[run.name] = trial
            if run.done:
                self.on_end(run, None)
            else:
                yield run

    def on_end(self, run: Run, failure: str | None) -> None:
        """Keep the result of a run."""
        state = _optuna().trial.TrialState
        trial = self.taken.pop(run.name)
        if failure:
            trial.set_user_attr("failure", failure)
            self.study.tell(trial, state=state.FAIL)
        elif run.name in self.pruned:
            self.study.tell(trial, state=state.PRUNED)
        else:
            trial.set_user_attr("result", run.result())
            self.study.tell(trial, run.result()["best_validation_error"])

    def should_stop(self, run: Run) -> bool:
        """Report the epochs of a run, and whether it is worse than others were at the same epoch."""
        if not self.prune or run.name in self.pruned:
            return False
        trial = self.taken[run.name]
        lines = journal.read(run.folder / METRICS)
        new = lines[self.reported.get(run.name, 0) :]
        self.reported[run.name] = len(lines)
        for line in new:
            trial.report(line["validation_error"], line["epoch"])
        if new and trial.should_prune():
            self.pruned.add(run.name)
        return run.name in self.pruned

    def table(self) -> list[tuple[Run, dict[str, Any]]]:
        """Every run of every machine, in the order of the grid or of the search, and how it stands."""
        rows: dict[str, tuple[Run, dict[str, Any]]] = {}
        for trial in self._latest():
            run = self._run(trial.user_attrs["settings"], trial.user_attrs["seed"])
            facts: dict[str, Any] = {"state": "open"}
            if trial.state.name == "COMPLETE":
                facts = {"state": "done", **trial.user_attrs["result"]}
            elif trial.state.name in ("PRUNED", "FAIL"):
                facts = {"state": {"PRUNED": "pruned", "FAIL": "failed"}[trial.state.name]}
            if "failure" in trial.user_attrs and trial.state.name == "FAIL":
                facts["failure"] = trial.user_attrs["failure"]
            rows[trial.user_attrs["key"]] = (run, facts)
        order = {json.dumps(run.chosen): i for i, (run, _) in reversed(list(enumerate(rows.values())))}
        return sorted(rows.values(), key=lambda row: (order[json.dumps(row[0].chosen)], row[0].config.training.seed))

    def _next(self) -> "optuna.Trial | None":
        """Take a run that waits, or search for another; None if there is none left."""
        state = _optuna().trial.TrialState
        while True:
            known = self._known()
            is_waiting = any(trial.state == state.WAITING for trial in known)
            searched = {json.dumps(trial.user_attrs["settings"]) for trial in known}
            if not is_waiting and len(searched) >= self.trials:
                return None
            trial = self.study.ask()
            if "key" not in trial.user_attrs:
                if is_waiting and not self.trials:  # another machine was faster
                    self.study.tell(trial, state=state.FAIL)
                    continue
                self._name(trial)
            twins = [other for other in self._known() if other.user_attrs["key"] == trial.user_attrs["key"]]
            if any(other.number < trial.number and other.state not in (state.FAIL, state.WAITING) for other in twins):
                self.study.tell(trial, state=state.FAIL)  # two machines began at once
                continue
            trial.set_user_attr("machine", self.here)
            return trial

    def _name(self, trial: "optuna.Trial") -> None:
        """Draw the settings of a searched trial, and enqueue the same settings with the other seeds."""
        chosen = {}
        for name, values in self.space.items():
            if isinstance(values, Range):
                is_log = values.low > 0 and values.high / values.low >= LOG_RATIO
                draw = trial.suggest_int if isinstance(values.low, int) else trial.suggest_float
                chosen[name] = draw(name, values.low, values.high, log=is_log)  # pyright: ignore[reportArgumentType]
            else:
                chosen[name] = json.loads(trial.suggest_categorical(name, [json.dumps(value) for value in values]))
        for name, value in _attributes(chosen, self.seeds[0]).items():
            trial.set_user_attr(name, value)
        for seed in self.seeds[1:]:
            self.study.enqueue_trial(trial.params, user_attrs=_attributes(chosen, seed))

    def _enqueue(self) -> None:
        """Let every run of the grid wait that nobody has taken, and every one that failed."""
        latest = self._latest()
        for trial in latest:
            if trial.state.name == "FAIL":
                facts = _attributes(trial.user_attrs["settings"], trial.user_attrs["seed"])
                self.study.enqueue_trial(trial.params, user_attrs=facts)
        if self.trials:
            return
        grid = {name: values for name, values in self.space.items() if not isinstance(values, Range)}
        for run in plan(self.base, grid, self.seeds, self.folder):
            facts = _attributes(run.chosen, run.config.training.seed)
            if facts["key"] not in {trial.user_attrs["key"] for trial in latest}:
                params = {name: json.dumps(value) for name, value in run.chosen.items()}
                self.study.enqueue_trial(params, user_attrs=facts)

    def _release(self) -> None:
        """Give back the runs that this machine left when it was stopped: their checkpoints are in the folder."""
        for trial in self._known():
            if trial.state.name == "RUNNING" and trial.user_attrs.get("machine") == self.here:
                self.study.tell(trial.number, state=_optuna().trial.TrialState.FAIL)

    def _known(self) -> "list[optuna.trial.FrozenTrial]":
        """Every trial that is a run."""
        return [trial for trial in self.study.get_trials(deepcopy=False) if "key" in trial.user_attrs]

    def _latest(self) -> "list[optuna.trial.FrozenTrial]":
        """The trial that counts of every run: the last one that did not fail, or else the last one."""
        latest: dict[str, optuna.trial.FrozenTrial] = {}
        for trial in self._known():
            key = trial.user_attrs["key"]
            if key not in latest or trial.state.name != "FAIL" or latest[key].state.name == "FAIL":
                latest[key] = trial
        return list(latest.values())

    def _run(self, chosen: dict[str, Any], seed: int) -> Run:
        """The run of these settings."""
        return plan(self.base, {name: [value] for name, value in chosen.items()}, [seed], self.folder)[0]

    def _check_recipe(self) -> None:
        """Refuse a storage in which the study of this name has another recipe."""
        recipe = settings.to_toml(self.base, every=False)
        if self.study.user_attrs.setdefault("recipe", recipe) != recipe:
            raise ValueError(
                f"A sweep's storage should hold one recipe by a name. Found another recipe by the name "
                f"`{self.folder.name}`: choose another folder (`--folder FOLDER`)."
            )
        self.study.set_user_attr("recipe", recipe)


def _attributes(chosen: Mapping[str, Any], seed: int) -> dict[str, Any]:
    """What a trial keeps about its run."""
    return {"key": json.dumps([chosen, seed], sort_keys=True), "settings": dict(chosen), "seed": seed}


def _optuna() -> Any:
    """The package optuna, which says little.

    Raises:
        ValueError: if it is not installed.
    """
    try:
        import optuna
    except ImportError:
        raise ValueError(
            "`foveate sweep` should have the package optuna. Found none: `pip install 'foveate[sweep]'`."
        ) from None
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna


def _close(database: "optuna.storages.RDBStorage") -> None:
    """Close the connections of a storage, which Optuna leaves open."""
    database.remove_session()
    database.engine.dispose()
