"""A run and its folder: saving checkpoints, resuming, and the end of an epoch."""

import json
import platform
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch

import foveate
from foveate.data.sources import NAMES
from foveate.settings import read, to_json
from foveate.storage import journal
from foveate.storage.checkpoint import BEFORE, LAST, load_checkpoint, save_checkpoint
from foveate.storage.files import atomic_write, make_folder, remove_leftovers, sync_folder
from foveate.storage.journal import Metrics
from foveate.storage.lock import locked
from foveate.training.diagnostics import policy_metrics
from foveate.training.epoch import Epoch, Progress
from foveate.training.evaluate import Evaluation, evaluate
from foveate.training.folder import BEST, CONFIG, MACHINE, METRICS, RESULTS, check_new
from foveate.training.pretrained import from_pretrained, save_pretrained
from foveate.training.scenes import SPLIT, Scenes, warn_of_trained_on
from foveate.training.schedule import describe_change
from foveate.training.state import TrainState, describe_precision
from foveate.training.step import check_weights
from foveate.training.transfer import transfer_weights
from foveate.weights import find


@contextmanager
def open_run(
    folder: Path, state: TrainState, scenes: Scenes, *, resume: bool, overwrite: bool = False
) -> Iterator["Run"]:
    """The run in a folder, which is locked: resumed from its last checkpoint, or begun.

    Raises:
        ValueError: if another process writes there, or has begun a run meanwhile.
        FileNotFoundError, ValueError: if there is no whole checkpoint of this model to resume.
    """
    run = Run(folder, state, scenes)
    if run.world.is_main_process:
        make_folder(folder)
    with locked(folder) if run.world.is_main_process else nullcontext():
        if resume:
            run.resume()
        else:
            if run.world.is_main_process:
                check_new(folder, overwrite)  # again: another process may have begun one here, and be done
            run.begin()
        yield run


class Run:
    """A run: training state, progress, current epoch, and the folder that stores them.

    The checkpoint holds all state. Other files of the folder are made from it, or are truncated to match it.
    """

    def __init__(self, folder: Path, state: TrainState, scenes: Scenes) -> None:
        self.folder = folder
        self.state = state
        self.scenes = scenes
        self.world = state.world
        self.progress = Progress()
        self.epoch = Epoch(state, scenes, self.progress)
        self.saved = time.monotonic()
        self.before = state.config.training
        """Settings before the run was resumed."""

    def begin(self) -> None:
        """Start from `pretrained`, if asked, and write checkpoint and config, so that the run can be resumed."""
        pretrained = self.state.config.training.pretrained
        if pretrained:
            transfer_weights(self.state.model, from_pretrained(pretrained, self.scenes.train.label.device))
            if self.world.is_main_process:
                warn_of_trained_on(self.scenes, find(pretrained))
        if not self.world.is_main_process:
            return
        (self.folder / CONFIG).unlink(missing_ok=True)  # first: a folder without a config is not a run
        sync_folder(self.folder)
        for name in (MACHINE, METRICS, SPLIT, *RESULTS.values(), LAST, BEFORE):
            (self.folder / name).unlink(missing_ok=True)
        shutil.rmtree(self.folder / BEST, ignore_errors=True)
        self._clear()
        self.save()
        self._write_machine()
        self._write_split(self.folder)
        self._write_config()

    def resume(self) -> None:
        """Restore the last checkpoint, and truncate the other files of the folder to match it.

        Raises:
            FileNotFoundError, ValueError: if there is no whole checkpoint of this model.
        """
        if self.world.is_main_process:
            self.before = read(self.folder / CONFIG).training
        state = self.world.broadcast(lambda: load_checkpoint(self.folder))
        try:
            self._load_state_dict(state)
        except (KeyError, TypeError, RuntimeError, AttributeError) as error:
            raise ValueError(
                f"`{self.folder / LAST}` should be a checkpoint of the model in `{CONFIG}` beside it. "
                f"Found one of another model ({type(error).__name__})."
            ) from None
        if not self.world.is_main_process:
            return
        self._clear()
        journal.truncate(self.folder / METRICS, self.progress.epoch)
        for name in RESULTS.values():
            (self.folder / name).unlink(missing_ok=True)
        self._write_best()
        self._write_machine()
        self._write_split(self.folder)
        self._write_config()

    def notes(self) -> Iterator[str]:
        """Sentences about choices that the user should know of."""
        training = self.state.config.training
        if self.state.config.data.source not in NAMES:
            yield self._describe_images()
        if training.precision == "auto":
            yield describe_precision(self.state.precision, self.scenes.train.label.device)
        change = describe_change(training, self.before, self.progress.step, len(self.epoch.batches))
        if change:
            yield change

    def _describe_images(self) -> str:
        """How many images there are in each split, and for how many epochs they train."""
        count = {name: len(getattr(self.scenes, name)) for name in ("train", "validation", "test")}
        return (
            f"{count['train']:,} images for training, {count['validation']:,} for validation, {count['test']:,} for "
            f"the test, in {len(self.state.config.model.classes)} classes; {self.state.config.training.epochs} epochs."
        )

    def save_if_due(self) -> None:
        """Save a checkpoint if the last one is old enough."""
        if time.monotonic() - self.saved >= 60 * self.state.config.training.checkpoint_minutes:
            self.save()

    def end_epoch(self) -> Metrics:
        """Validate, append the epoch's line, keep the model if it is the best, and save a checkpoint."""
        began = time.perf_counter()
        progress = self.progress
        metrics = self.epoch.metrics()
        images = sum(map(len, self.epoch.batches))
        validation = evaluate(self.state.result, self.scenes.validation)
        progress.epoch += 1
        progress.seconds += self.epoch.seconds + time.perf_counter() - began
        if validation.error_rate < progress.best_error:
            progress.improved_epoch = progress.epoch
        better = validation.error_rate <= progress.best_error  # of equal errors the later: it has trained longer
        if better:
            progress.best_error = validation.error_rate
            progress.best_epoch = progress.epoch
            self.state.keep_best()
        metrics = {
            "epoch": progress.epoch,
            "step": progress.step,
            **metrics,
            "validation_error": validation.error_rate,
            "best_validation_error": progress.best_error,
            "best_epoch": progress.best_epoch,
            **policy_metrics(self.state.model, validation.gaze),
            "seconds": round(progress.seconds, 3),
            "images_per_second": round(images / self.epoch.seconds, 1),
        }
        self.epoch = Epoch(self.state, self.scenes, progress)
        if self.world.is_main_process:
            journal.append(self.folder / METRICS, metrics)
        self.save()
        if better and self.world.is_main_process:
            self._write_best()
        return metrics

    def evaluate_best(self) -> Evaluation:
        """Evaluate the model that is kept on the split `evaluate_on`, and write the result."""
        split = self.state.config.training.evaluate_on
        images = getattr(self.scenes, split)
        if not self.world.is_main_process:
            return evaluate(self.state.best, images)
        result = evaluate(from_pretrained(self.folder / BEST, self.scenes.train.label.device), images)
        with atomic_write(self.folder / RESULTS[split]) as file:
            file.write((json.dumps(result.to_dict(), indent=2) + "\n").encode())
        return result

    def save(self) -> None:
        """Write a checkpoint after checking that all its values are finite."""
        self.epoch.check()
        check_weights(self.state.model, self.progress.step)
        state = {
            "progress": asdict(self.progress),
            "precision": self.state.precision,
            "epoch": self.epoch.state_dict(),
            "learner": self.state.state_dict(),
        }
        if self.world.is_main_process:
            save_checkpoint(self.folder, state)
        self.saved = time.monotonic()

    def _load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore training state, progress and epoch from a checkpoint."""
        self.state.load_state_dict(state["learner"])
        if self.state.config.training.precision == "auto":
            self.state = replace(self.state, precision=state["precision"])
        self.progress = Progress(**state["progress"])
        self.epoch = Epoch(self.state, self.scenes, self.progress)
        if not state["epoch"]["done"]:
            return  # the epoch starts anew, so that `seed` and `batch_size` may have changed
        if self.world.is_main_process:
            self._check_same_epoch()
        self.epoch.load_state_dict(state["epoch"])

    def _check_same_epoch(self) -> None:
        """Raise an error if `seed` or `batch_size` has changed inside an epoch, whose order depends on both."""
        now = self.state.config.training
        then = read(self.folder / CONFIG).training
        if (now.seed, now.batch_size) != (then.seed, then.batch_size):
            raise ValueError(
                "A run that stopped inside an epoch should keep its `seed` and `batch_size`. "
                f"Found others than in `{self.folder / CONFIG}`."
            )

    def _write_best(self) -> None:
        """Write the checkpoint's best model to best/, or remove best/ if there is none yet."""
        if self.progress.best_epoch:
            save_pretrained(self.state.best, self.folder / BEST)
            self._write_split(self.folder / BEST)  # for whoever copies this folder alone
        else:
            shutil.rmtree(self.folder / BEST, ignore_errors=True)

    def _write_split(self, folder: Path) -> None:
        """Write the record of the split, so that training images are never used as test images later."""
        record = self.scenes.source.record
        path = folder / SPLIT
        if not record:
            return
        content = record.to_json().encode()
        if not path.is_file() or path.read_bytes() != content:
            with atomic_write(path) as file:
                file.write(content)

    def _write_config(self) -> None:
        with atomic_write(self.folder / CONFIG) as file:
            file.write(to_json(self.state.config).encode())

    def _write_machine(self) -> None:
        """Write what the run's numbers depend on besides its config: hardware, versions and automatic choices."""
        facts = {
            "precision": self.state.precision,
            "compiled": self.state.compiled,
            "device": str(self.scenes.train.label.device),
            "processes": self.world.size,
            "processor": platform.processor() or platform.machine(),
            "foveate": foveate.__version__,
            "torch": torch.__version__,
            "python": platform.python_version(),
        }
        with atomic_write(self.folder / MACHINE) as file:
            file.write((json.dumps(facts, indent=2) + "\n").encode())

    def _clear(self) -> None:
        """Remove temporary files of killed processes; the lock ensures that none is in use."""
        remove_leftovers(self.folder, CONFIG, MACHINE, METRICS, SPLIT, *RESULTS.values(), LAST)
        remove_leftovers(self.folder / BEST, "config.json", "model.safetensors", SPLIT)
