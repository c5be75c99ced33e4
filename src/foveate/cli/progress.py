"""What is shown while a model trains: a bar inside each epoch on a terminal, one clean line per epoch everywhere."""

import time
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from foveate.config import Config
from foveate.data.records import Images
from foveate.training.alarms import alarms, lasting_in
from foveate.training.build import Attention
from foveate.training.epoch import Listener

NOTED = 5  # epochs of averaging from which on a run looks, at first, as if it learned nothing


class Several(Listener):
    """Listeners that are all told."""

    def __init__(self, *listeners: Listener) -> None:
        self.listeners = listeners

    def on_start(self, config: Config, done: int, steps: int) -> None:
        """Tell them."""
        for each in self.listeners:
            each.on_start(config, done, steps)

    def on_step(self, epoch: int, step: int) -> None:
        """Tell them."""
        for each in self.listeners:
            each.on_step(epoch, step)

    def on_epoch(self, metrics: dict[str, Any]) -> None:
        """Tell them."""
        for each in self.listeners:
            each.on_epoch(metrics)

    def on_model(self, epoch: int, model: Attention, validation: Images) -> None:
        """Tell them."""
        for each in self.listeners:
            each.on_model(epoch, model, validation)


class EpochLines(Listener):
    """A listener of `fit`: prints a line per epoch, and draws a bar where the output is a terminal."""

    def __init__(self) -> None:
        self.console = Console(highlight=False)
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[left]}"),
        )
        self.bar = Progress(*columns, console=self.console, transient=True, disable=not self.console.is_terminal)
        self.task = self.bar.add_task("", total=None, left="")

    def __enter__(self) -> "EpochLines":
        if not self.bar.disable:
            self.bar.start()
        return self

    def __exit__(self, *error: object) -> None:
        if not self.bar.disable:  # else rich before 14.1 leaves an empty line
            self.bar.stop()

    def on_start(self, config: Config, done: int, steps: int) -> None:
        """Note how much there is to do: `steps` in each epoch."""
        self.epochs, self.steps, self.start, self.before = config.training.epochs, steps, time.monotonic(), -1
        self.model, self.history, self.said = config.model, [], {}
        if config.data.train_on == "all":
            self.console.print("The validation images are trained on too: their error below chooses nothing.")
        if not config.training.pretrained and (words := _averaging(config.training.ema, done, steps, self.epochs)):
            self.console.print(words, soft_wrap=True)

    def on_step(self, epoch: int, step: int) -> None:
        """Move the bar."""
        if self.before < 0:
            self.before = (epoch - 1) * self.steps + step - 1  # a resumed run may begin inside an epoch
        description = f"epoch {epoch}/{self.epochs}"
        self.bar.update(
            self.task, description=description, total=self.steps, completed=step, left=self._left(epoch, step)
        )

    def on_epoch(self, metrics: dict[str, Any]) -> None:
        """Print the epoch's line."""
        self.bar.update(self.task, completed=0)
        self.console.print(_line(metrics, self.epochs, self._left(metrics["epoch"], self.steps)), soft_wrap=True)
        self._warn(metrics)

    def _warn(self, metrics: dict[str, Any]) -> None:
        """Say in words what has gone wrong, when it begins to be so."""
        self.history.append(metrics)
        kinds = alarms(self.history, self.model, lasting_in(self.epochs))
        for kind, words in kinds.items():
            if kind not in self.said:
                self.console.print(f"  Warning: {words}", soft_wrap=True, markup=False)
        self.said = kinds

    def _left(self, epoch: int, step: int) -> str:
        """Time until the last epoch ends, at the pace so far."""
        done = (epoch - 1) * self.steps + step - self.before
        ahead = (self.epochs - epoch + 1) * self.steps - step
        return clock((time.monotonic() - self.start) / max(done, 1) * ahead) + " left"


def _averaging(ema: float, done: int, steps: int, epochs: int) -> str:
    """What to expect of averaged weights that at first are mostly the untrained ones; nothing once that is past."""
    span, all_steps = 1 / (1 - ema), steps * epochs
    if ema and span > all_steps / 3:
        return (
            f"  Warning: Weights are averaged over {span:,.0f} steps, and the run has {all_steps:,}: what is kept will "
            f"hardly have learned. Try `--ema {max(0, 1 - 10 / all_steps):.3g}`."
        )
    if done * steps < span >= NOTED * steps:
        return f"Validation is of weights averaged over {span / steps:.0f} epochs: its error is late to fall."
    return ""


def _line(metrics: dict[str, Any], epochs: int, left: str) -> str:
    """One epoch in words and numbers."""
    return (
        f"epoch {metrics['epoch']:>{len(str(epochs))}}/{epochs}"
        f"  train loss {metrics['classification_loss']:.3f}, error {metrics['train_error']:6.2%}"
        f"  validation error {metrics['validation_error']:6.2%}, gaze {metrics['scanpath_dependence']:4.0%}"
        f"  {metrics['images_per_second']:,.0f} images/s  {left}"
    )


def clock(seconds: float) -> str:
    """A time span as h:mm:ss, or m:ss below an hour."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
