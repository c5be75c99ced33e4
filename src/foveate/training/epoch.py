"""One epoch of training: its steps, their learning rates and mean metrics; can be resumed after any step."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from foveate.config import Config
from foveate.data.batches import epoch_order, iter_batches, num_batches
from foveate.data.records import Images
from foveate.policy.units import ReinforceNormal, units
from foveate.reward.loss import Losses
from foveate.storage.journal import Metrics
from foveate.training.build import Attention
from foveate.training.scenes import Scenes
from foveate.training.schedule import anneal, learning_rate
from foveate.training.seeds import derive, generator
from foveate.training.state import TrainState
from foveate.training.step import FiniteMonitor, raise_nonfinite, train_step


@dataclass
class Progress:
    """Progress of a run, and its best result."""

    epoch: int = 0
    """Epochs done."""
    step: int = 0
    """Optimizer updates done."""
    seconds: float = 0.0
    """Time spent in training and validation, in completed epochs."""
    best_error: float = float("inf")
    """Validation error of the model that is kept, a fraction; the least so far."""
    best_epoch: int = 0
    """Last epoch that reached `best_error`."""
    improved_epoch: int = 0
    """First epoch that reached `best_error`, from which `patience` counts."""


class Callback:
    """Hooks that `fit` calls during a run; override any of them."""

    def on_start(self, config: Config, done: int, steps: int) -> None:
        """Training begins, or resumes after `done` epochs, with `steps` steps an epoch."""

    def on_note(self, note: str) -> None:
        """A sentence that the user should read as training starts."""

    def on_step(self, epoch: int, step: int) -> None:
        """A step of an epoch is done (both from 1)."""

    def on_epoch(self, metrics: Metrics) -> None:
        """An epoch is done; `metrics` is its line of metrics.jsonl."""

    def on_validation_end(self, epoch: int, model: Attention, validation: Images) -> None:
        """An epoch is validated; gets the current model and the validation images."""


class MeanMetrics:
    """Means of named values over the steps of an epoch, summed on the device."""

    def __init__(self) -> None:
        self.sums: dict[str, Float[Tensor, ""]] = {}

    def add(self, values: dict[str, Float[Tensor, ""]], skipped: Float[Tensor, ""]) -> None:
        """Add the values of a step, unless it was skipped."""
        new = torch.stack([value.detach() for value in values.values()]).masked_fill(skipped.bool(), 0)
        if self.sums:
            new += torch.stack([self.sums[name] for name in values])
        self.sums = dict(zip(values, new.unbind(), strict=True))

    def means(self, steps: int) -> dict[str, float]:
        """Means over `steps` steps, read from the device once."""
        means = torch.stack(list(self.sums.values())) / steps
        return dict(zip(self.sums, means.tolist(), strict=True))


class Epoch:
    """An epoch in progress: the order of its images, its generators, and the sums of its steps' metrics."""

    def __init__(self, state: TrainState, scenes: Scenes, progress: Progress) -> None:
        config, epoch, device = state.config, progress.epoch, scenes.train.label.device
        self.state, self.scenes, self.progress, self.device = state, scenes, progress, device
        self.draws = {name: generator(config.training.seed, name, epoch, device) for name in ("scenes", "locations")}
        self.draws["dropout"] = _global_generator(device)
        torch.manual_seed(derive(config.training.seed, "dropout", epoch))
        self.dropout = self.draws["dropout"].get_state()
        images, count, size = scenes.train, config.data.epoch_size, config.training.batch_size
        order = epoch_order(len(images), count or len(images), self.draws["scenes"], device)
        self.batches = order.split(size)[: num_batches(images, size, epoch_size=count)]
        self.done = 0
        self.seconds = 0.0
        self.skipped = 0
        self.means = MeanMetrics()
        self.watch = FiniteMonitor(device)

    def run(self) -> Iterator[int]:
        """Take the remaining steps, and yield the number of each when it is done."""
        began = time.perf_counter() - self.seconds
        self.draws["dropout"].set_state(self.dropout)  # a callback may have drawn from it meanwhile
        self.state.model.train()
        for index in self.batches[self.done :]:
            for group in self.state.optimizer.param_groups:
                group["lr"] = self._learning_rate(self.progress.step)
            self._set_std(self.progress.step)
            losses, norm, skipped = self._step(index)
            self.progress.step += 1
            self.done += 1
            self._record(losses, norm, skipped)
            self.seconds = time.perf_counter() - began
            yield self.done

    def _step(self, index: Int64[Tensor, " batch"]) -> tuple[Losses, Tensor, Tensor]:
        """Take one step on this rank's part of the images."""
        with self.state.world.shard(len(index)) as part:
            mine = iter_batches([index[part]], self.scenes.train, self.draws["scenes"], self.scenes.canvas)
            return train_step(self.state, next(mine), self.draws["locations"])

    def _record(self, losses: Losses, norm: Float[Tensor, ""], skipped: Float[Tensor, ""]) -> None:
        """Record the metrics of a step."""
        values = {
            "loss": losses.total,
            "classification_loss": losses.classification_loss,
            "policy_loss": losses.policy_loss,
            "baseline_loss": losses.baseline_loss,
            "train_error": losses.error,
            "gradient_norm": norm,
        }
        self.means.add(values, skipped)
        if self.watch.note(losses.total, norm, self.progress.step):
            self.check()

    def check(self) -> None:
        """Check that the steps so far were finite.

        Raises:
            ValueError: if one was not and steps may not be skipped, or if all steps of the epoch were skipped.
        """
        found = self.watch.found()
        self.skipped += len(found)
        skipping = self.state.config.training.skip_nonfinite
        if found and (not skipping or self.skipped == len(self.batches)):
            raise_nonfinite(*found[0], skipping=skipping)

    def metrics(self) -> Metrics:
        """Means over the epoch's steps that were not skipped, read from the device once."""
        began = time.perf_counter()
        self.check()
        means = self.means.means(len(self.batches) - self.skipped)
        self.seconds += time.perf_counter() - began  # the device may still have been computing
        rate = self._learning_rate(self.progress.step - 1)
        return {"learning_rate": rate, **means, "skipped_steps": self.skipped}

    def state_dict(self) -> dict[str, Any]:
        """State of the epoch after the steps so far, to resume from."""
        return {
            "done": self.done,
            "skipped": self.skipped,
            "seconds": self.seconds,
            "sums": {name: value.cpu() for name, value in self.means.sums.items()},
            "draws": {name: draw.get_state() for name, draw in self.draws.items()},
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what `state_dict` returned."""
        self.done, self.skipped, self.seconds = state["done"], state["skipped"], state["seconds"]
        self.means.sums = {name: value.to(self.device) for name, value in state["sums"].items()}
        for name, draw in self.draws.items():
            draw.set_state(state["draws"][name])
        self.dropout = state["draws"]["dropout"]

    def _set_std(self, step: int) -> None:
        """Set the policy's standard deviation of a step, if it is annealed."""
        training, model = self.state.config.training, self.state.config.model
        if training.std_start:
            steps = len(self.batches) * training.epochs
            std = anneal(step, steps, start=training.std_start, floor=model.std, schedule="cosine")
            for unit in units(self.state.model):
                cast(ReinforceNormal, unit).fixed_std.fill_(std)

    def _learning_rate(self, step: int) -> float:
        """Learning rate of a step, counted over all epochs."""
        return learning_rate(self.state.config.training, step, len(self.batches))


def _global_generator(device: torch.device) -> torch.Generator:
    """Torch's global generator on a device: dropout accepts no other."""
    if device.type == "cpu":
        return torch.default_generator
    return torch.cuda.default_generators[torch.cuda.current_device() if device.index is None else device.index]
