"""One epoch: its steps, each with its learning rate, and their means. It can be stopped and taken up after any step."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from foveate.config import Config
from foveate.data.batches import along, epoch_order, num_batches
from foveate.data.records import Images
from foveate.policy.units import ReinforceNormal, units
from foveate.reward.criterion import Losses
from foveate.training.build import Attention
from foveate.training.finite import Watch, refuse
from foveate.training.journal import Metrics
from foveate.training.learner import Learner
from foveate.training.scenes import Scenes
from foveate.training.schedule import fall
from foveate.training.seeds import derive, generator
from foveate.training.step import train_step


@dataclass
class Progress:
    """How far a run is, and the best it has found."""

    epoch: int = 0
    """Epochs done."""
    step: int = 0
    """Optimizer updates done."""
    seconds: float = 0.0
    """Time spent in training and validation, in the epochs that are done."""
    best_error: float = float("inf")
    """Validation error of the model that is kept, a fraction: the least so far, unless `train_on` is `all`."""
    best_epoch: int = 0
    """Epoch that reached it."""


class Listener:
    """Is told how a run goes; every method may be overridden, none need be."""

    def on_start(self, config: Config, done: int, steps: int) -> None:
        """Training begins (or goes on after `done` epochs), with `steps` steps an epoch."""

    def on_step(self, epoch: int, step: int) -> None:
        """A step of an epoch is done (both from 1)."""

    def on_epoch(self, metrics: Metrics) -> None:
        """An epoch is done: its line of metrics.jsonl."""

    def on_model(self, epoch: int, model: Attention, validation: Images) -> None:
        """An epoch is done: the model as it stands, to look with, and the images that judge it."""


class Epoch:
    """An epoch under way: the order of its images, its generators, and the sums of what its steps found."""

    def __init__(self, learner: Learner, scenes: Scenes, progress: Progress) -> None:
        config, epoch, device = learner.config, progress.epoch, scenes.train.label.device
        self.learner, self.scenes, self.progress, self.device = learner, scenes, progress, device
        self.draws = {name: generator(config.training.seed, name, epoch, device) for name in ("scenes", "locations")}
        self.draws["dropout"] = _global_generator(device)
        torch.manual_seed(derive(config.training.seed, "dropout", epoch))
        self.dropout = self.draws["dropout"].get_state()
        images, count, size = scenes.train, config.data.scenes, config.training.batch_size
        order = epoch_order(len(images), count or len(images), self.draws["scenes"], device)
        self.batches = order.split(size)[: num_batches(images, size, scenes=count)]
        self.done, self.seconds, self.sums = 0, 0.0, torch.zeros(7, device=device)
        self.skipped, self.watch = 0, Watch(device)

    def run(self) -> Iterator[int]:
        """Take the steps that are left, and yield the number of each once it is done."""
        began = time.perf_counter() - self.seconds
        self.draws["dropout"].set_state(self.dropout)  # who listens to a run may have drawn from it meanwhile
        self.learner.model.train()
        for index in self.batches[self.done :]:
            for group in self.learner.optimizer.param_groups:
                group["lr"] = self._learning_rate(self.progress.step)
            self._set_std(self.progress.step)
            losses, norm, skipped = self._step(index)
            self.progress.step += 1
            self.done += 1
            self._take_down(torch.stack([*(value.detach() for value in vars(losses).values()), norm]), skipped)
            self.seconds = time.perf_counter() - began
            yield self.done

    def _step(self, index: Int64[Tensor, " batch"]) -> tuple[Losses, Tensor, Tensor]:
        """One step on these images, of which this rank takes its part."""
        with self.learner.ranks.share(len(index)) as part:
            mine = along([index[part]], self.scenes.train, self.draws["scenes"], self.scenes.canvas)
            return train_step(self.learner, next(mine), self.draws["locations"])

    def _take_down(self, values: Float[Tensor, "7"], skipped: Float[Tensor, ""]) -> None:
        """Add what a step found to the sums, unless it was skipped."""
        self.sums += values.masked_fill(skipped.bool(), 0)
        if self.watch.note(values[0::6], self.progress.step):
            self.check()

    def check(self) -> None:
        """See that the steps so far were finite.

        Raises:
            ValueError: if one was not, and none may be skipped, or none was left.
        """
        found = self.watch.found()
        self.skipped += len(found)
        if found and (not self.learner.config.training.skip_nonfinite or self.skipped == len(self.batches)):
            refuse(*found[0])

    def metrics(self) -> Metrics:
        """What the epoch found: its means are read back from the device once, at the end."""
        began = time.perf_counter()
        self.check()
        means = (self.sums / (len(self.batches) - self.skipped)).tolist()
        self.seconds += time.perf_counter() - began  # what the device still had to do
        total, classification, policy, baseline, _, error, norm = means
        return {
            "learning_rate": self._learning_rate(self.progress.step - 1),
            "loss": total,
            "classification_loss": classification,
            "policy_loss": policy,
            "baseline_loss": baseline,
            "train_error": error,
            "gradient_norm": norm,
            "skipped_steps": self.skipped,
        }

    def state_dict(self) -> dict[str, Any]:
        """All that the steps so far have changed here."""
        return {
            "done": self.done,
            "skipped": self.skipped,
            "seconds": self.seconds,
            "sums": self.sums.cpu(),
            "draws": {name: draw.get_state() for name, draw in self.draws.items()},
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from there."""
        self.done, self.skipped, self.seconds = state["done"], state["skipped"], state["seconds"]
        self.sums.copy_(state["sums"])
        for name, draw in self.draws.items():
            draw.set_state(state["draws"][name])
        self.dropout = state["draws"]["dropout"]

    def _set_std(self, step: int) -> None:
        """Let the locator try as widely as is due at a step, if that is to change."""
        training, model = self.learner.config.training, self.learner.config.model
        if training.first_std:
            steps = len(self.batches) * training.epochs
            std = fall(step, steps, start=training.first_std, floor=model.std, schedule="cosine")
            for unit in units(self.learner.model):
                cast(ReinforceNormal, unit).fixed_std.fill_(std)

    def _learning_rate(self, step: int) -> float:
        """Learning rate of a step, counted over all epochs."""
        training = self.learner.config.training
        return fall(
            step,
            len(self.batches) * (training.decay_epochs or training.epochs),
            start=training.learning_rate,
            floor=min(training.min_learning_rate, training.learning_rate),
            schedule=training.schedule,
        )


def _global_generator(device: torch.device) -> torch.Generator:
    """The generator that dropout draws from, which takes no other."""
    if device.type == "cpu":
        return torch.default_generator
    return torch.cuda.default_generators[torch.cuda.current_device() if device.index is None else device.index]
