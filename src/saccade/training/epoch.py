"""One epoch: its steps, each with its learning rate, and their means."""

import math

import torch

from saccade.config import Config
from saccade.data.batches import batches
from saccade.training.checkpoint import Progress
from saccade.training.journal import Metrics
from saccade.training.learner import Learner
from saccade.training.scenes import Scenes
from saccade.training.schedule import learning_rate
from saccade.training.seeds import derive, generator
from saccade.training.step import train_step


class Listener:
    """Is told how a run goes; every method may be overridden, none need be."""

    def on_start(self, config: Config, done: int, steps: int) -> None:
        """Training begins (or goes on after `done` epochs), with `steps` steps an epoch."""

    def on_step(self, epoch: int, step: int) -> None:
        """A step of an epoch is done (both from 1)."""

    def on_epoch(self, metrics: Metrics) -> None:
        """An epoch is done: its line of metrics.jsonl."""


def train_epoch(learner: Learner, scenes: Scenes, progress: Progress, steps: int, listener: Listener) -> Metrics:
    """One epoch of training; its means are read back from the device once, at the end."""
    config, epoch = learner.config, progress.epoch
    device = scenes.train.label.device
    draws = {purpose: generator(config.training.seed, purpose, epoch, device) for purpose in ("scenes", "locations")}
    torch.manual_seed(derive(config.training.seed, "dropout", epoch))
    order = batches(
        scenes.train, config.training.batch_size, draws["scenes"], canvas=scenes.canvas, scenes=config.data.scenes
    )
    learner.model.train()
    sums, rate = torch.zeros(6, device=device), 0.0
    for step, batch in enumerate(order, 1):
        rate = _set_learning_rate(learner, progress.step, steps)
        losses, norm = train_step(learner, batch, draws["locations"])
        sums += torch.stack([*(value.detach() for value in vars(losses).values()), norm])
        progress.step += 1
        listener.on_step(epoch + 1, step)
    means = (sums / steps).tolist()
    if not all(map(math.isfinite, means)):
        raise ValueError(
            f"Losses and gradient should be finite. Found {means[0]:g} and {means[5]:g} in epoch {epoch + 1}: try a "
            "smaller `learning_rate`, or a `gradient_cut` such as 1, and `resume` from the epoch before."
        )
    total, classification, policy, baseline, reward, norm = means
    return {
        "learning_rate": rate,
        "loss": total,
        "classification_loss": classification,
        "policy_loss": policy,
        "baseline_loss": baseline,
        "train_error": 1 - reward / config.loss.reward_scale,
        "gradient_norm": norm,
    }


def _set_learning_rate(learner: Learner, step: int, steps: int) -> float:
    training = learner.config.training
    rate = learning_rate(
        step,
        steps * (training.decay_epochs or training.epochs),
        start=training.learning_rate,
        floor=min(training.min_learning_rate, training.learning_rate),
        schedule=training.schedule,
    )
    for group in learner.optimizer.param_groups:
        group["lr"] = rate
    return rate
