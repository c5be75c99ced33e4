"""A run under way, and the folder that keeps it: when it is saved, and how it is taken up again."""

import shutil
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from foveate.settings import read, to_json
from foveate.training import journal
from foveate.training.checkpoint import BEFORE, LAST, load_checkpoint, save_checkpoint
from foveate.training.epoch import Epoch, Progress
from foveate.training.evaluate import evaluate
from foveate.training.files import remove_leftovers, sync_folder, written_aside
from foveate.training.finite import refuse_weights
from foveate.training.gaze import policy_metrics
from foveate.training.interrupt import Interrupts
from foveate.training.journal import Metrics
from foveate.training.learner import Learner
from foveate.training.pretrained import save_pretrained
from foveate.training.scenes import Scenes

CONFIG, METRICS, BEST = "config.json", "metrics.jsonl", "best"
RESULTS = {"test": "test.json", "validation": "validation.json"}  # by the split that a run is evaluated on at its end


class Run:
    """What learns, how far it is, the epoch it is in, and the folder that keeps it.

    The checkpoint holds all of it. What else is in the folder can be made from the checkpoint, or is cut back to it.
    """

    def __init__(self, folder: Path, learner: Learner, scenes: Scenes) -> None:
        self.folder, self.learner, self.scenes, self.ranks = folder, learner, scenes, learner.ranks
        self.progress = Progress()
        self.epoch = Epoch(learner, scenes, self.progress)
        self.saved = time.monotonic()

    def begin(self) -> None:
        """Lay the folder: a run that is stopped in its first step can be resumed too."""
        if not self.ranks.first:
            return
        (self.folder / CONFIG).unlink(missing_ok=True)  # first: without it, what is in the folder is no run
        sync_folder(self.folder)
        for name in (METRICS, *RESULTS.values(), LAST, BEFORE):
            (self.folder / name).unlink(missing_ok=True)
        shutil.rmtree(self.folder / BEST, ignore_errors=True)
        self._clear()
        self.save()
        self._write_config()

    def resume(self) -> None:
        """Go on from the last checkpoint, and bring what lies beside it to the same moment.

        Raises:
            FileNotFoundError, ValueError: if there is no whole checkpoint of this model.
        """
        state = self.ranks.from_first(lambda: load_checkpoint(self.folder))
        try:
            self._load_state_dict(state)
        except (KeyError, TypeError, RuntimeError, AttributeError) as error:
            raise ValueError(
                f"`{self.folder / LAST}` should be a checkpoint of the model in `{CONFIG}` beside it. "
                f"Found one of another model ({type(error).__name__})."
            ) from None
        if not self.ranks.first:
            return
        self._clear()
        journal.keep(self.folder / METRICS, self.progress.epoch)
        for name in RESULTS.values():
            (self.folder / name).unlink(missing_ok=True)
        self._write_best()
        self._write_config()

    def after_step(self, stop: Interrupts) -> None:
        """Save where the time has come, or a signal; then obey the signal."""
        if time.monotonic() - self.saved >= 60 * self.learner.config.training.checkpoint_minutes:
            self.save()
        stop.obey(first=self.save)

    def end_epoch(self) -> Metrics:
        """Validate, write the epoch's line, keep the model if it is the best, and save."""
        began, progress = time.perf_counter(), self.progress
        metrics = self.epoch.metrics()
        images = sum(map(len, self.epoch.batches))
        validation = evaluate(self.learner.result, self.scenes.validation)
        progress.epoch += 1
        progress.seconds += self.epoch.seconds + time.perf_counter() - began
        # Where they were trained on too, the validation images choose nothing: the schedule does.
        better = self.learner.config.data.train_on == "all" or validation.error_rate < progress.best_error
        if better:
            progress.best_error, progress.best_epoch = validation.error_rate, progress.epoch
            self.learner.keep_best()
        metrics = {
            "epoch": progress.epoch,
            "step": progress.step,
            **metrics,
            "validation_error": validation.error_rate,
            "best_validation_error": progress.best_error,
            "best_epoch": progress.best_epoch,
            **policy_metrics(self.learner.model, validation.gaze),
            "seconds": round(progress.seconds, 3),
            "images_per_second": round(images / self.epoch.seconds, 1),
        }
        self.epoch = Epoch(self.learner, self.scenes, progress)
        if self.ranks.first:
            journal.append(self.folder / METRICS, metrics)
        self.save()
        if better and self.ranks.first:
            self._write_best()
        return metrics

    def save(self) -> None:
        """Write a checkpoint, if all that it would hold is finite."""
        self.epoch.check()
        refuse_weights(self.learner.model, self.progress.step)
        state = {
            "progress": asdict(self.progress),
            "epoch": self.epoch.state_dict(),
            "learner": self.learner.state_dict(),
        }
        if self.ranks.first:
            save_checkpoint(self.folder, state)
        self.saved = time.monotonic()

    def _load_state_dict(self, state: dict[str, Any]) -> None:
        """Everything as the checkpoint has it."""
        self.learner.load_state_dict(state["learner"])
        self.progress = Progress(**state["progress"])
        self.epoch = Epoch(self.learner, self.scenes, self.progress)
        if not state["epoch"]["done"]:
            return  # it begins here: another seed or size of batches may be chosen
        if self.ranks.first:
            self._check_same_epoch()
        self.epoch.load_state_dict(state["epoch"])

    def _check_same_epoch(self) -> None:
        """An epoch that is under way deals out what it began with."""
        now, then = self.learner.config.training, read(self.folder / CONFIG).training
        if (now.seed, now.batch_size) != (then.seed, then.batch_size):
            raise ValueError(
                "A run that stopped inside an epoch should keep its `seed` and `batch_size`. "
                f"Found others than in `{self.folder / CONFIG}`."
            )

    def _write_best(self) -> None:
        """best/ as the checkpoint has it."""
        if self.progress.best_epoch:
            save_pretrained(self.learner.best, self.folder / BEST)
        else:
            shutil.rmtree(self.folder / BEST, ignore_errors=True)

    def _write_config(self) -> None:
        with written_aside(self.folder / CONFIG) as file:
            file.write(to_json(self.learner.config).encode())

    def _clear(self) -> None:
        """Remove what killed processes have left half-written; the lock says that none writes now."""
        remove_leftovers(self.folder, CONFIG, METRICS, *RESULTS.values(), LAST)
        remove_leftovers(self.folder / BEST, "config.json", "model.safetensors")
