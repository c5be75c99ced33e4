"""Progress of training: one line per epoch, and a bar within each epoch if the output is a terminal."""

import time
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from foveate.config import Config, Model
from foveate.data.records import Images
from foveate.training.build import Attention
from foveate.training.diagnostics import diagnose, lasting_in
from foveate.training.epoch import Callback


class CallbackList(Callback):
    """Listeners that are all told."""

    def __init__(self, *listeners: Callback) -> None:
        self.listeners = listeners

    def on_start(self, config: Config, done: int, steps: int) -> None:
        """Tell them."""
        for each in self.listeners:
            each.on_start(config, done, steps)

    def on_note(self, note: str) -> None:
        """Tell them."""
        for each in self.listeners:
            each.on_note(note)

    def on_step(self, epoch: int, step: int) -> None:
        """Tell them."""
        for each in self.listeners:
            each.on_step(epoch, step)

    def on_epoch(self, metrics: dict[str, Any]) -> None:
        """Tell them."""
        for each in self.listeners:
            each.on_epoch(metrics)

    def on_validation_end(self, epoch: int, model: Attention, validation: Images) -> None:
        """Tell them."""
        for each in self.listeners:
            each.on_validation_end(epoch, model, validation)


class EpochLines(Callback):
    """A callback of `fit` that prints a line per epoch, and draws a bar if the output is a terminal."""

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
        """Print what the model sees, and prepare the bar for `steps` per epoch."""
        self.epochs = config.training.epochs
        self.steps = steps
        self.start = time.monotonic()
        self.before = -1
        self.model = config.model
        self.history = []
        self.said = {}
        if all(config.model.image):
            self.console.print(_glimpses(config.model), soft_wrap=True)

    def on_note(self, note: str) -> None:
        """Print the note."""
        self.console.print(note, soft_wrap=True, markup=False)

    def on_step(self, epoch: int, step: int) -> None:
        """Move the bar."""
        if self.before < 0:
            self.before = (epoch - 1) * self.steps + step - 1  # a resumed run may start within an epoch
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
        """Print a warning when a problem first appears."""
        self.history.append(metrics)
        kinds = diagnose(self.history, self.model, lasting_in(self.epochs))
        for kind, words in kinds.items():
            if kind not in self.said:
                self.console.print(f"  Warning: {words}", soft_wrap=True, markup=False)
        self.said = kinds

    def _left(self, epoch: int, step: int) -> str:
        """Estimated time until the last epoch ends."""
        done = (epoch - 1) * self.steps + step - self.before
        ahead = (self.epochs - epoch + 1) * self.steps - step
        return clock((time.monotonic() - self.start) / max(done, 1) * ahead) + " left"


def _glimpses(model: Model) -> str:
    """Image size, glimpses and reach in one sentence."""
    channels, height, width = model.image
    scales = "1 scale" if model.depth == 1 else f"{model.depth} scales"
    return (
        f"Images of {height} x {width} pixels, {channels} channel{'s' if channels > 1 else ''}; "
        f"{model.num_glimpses} glimpses of {model.glimpse_size[0]} x {model.glimpse_size[1]} pixels in {scales}, "
        f"up to {model.unit_pixels:g} pixels from the center{', standardized' if model.image_mean else ''}."
    )


def _line(metrics: dict[str, Any], epochs: int, left: str) -> str:
    """The line of one epoch."""
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
