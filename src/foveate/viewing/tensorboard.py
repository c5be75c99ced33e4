"""A run as TensorBoard shows it: every number of metrics.jsonl as a curve, and every few epochs where it looks."""

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from foveate.config import Config
from foveate.data.records import Images
from foveate.training.build import Attention
from foveate.training.epoch import Listener
from foveate.training.evaluate import answer
from foveate.viewing.density import count_fixations, density_panel, grid_size, mean_images, mean_of_all
from foveate.viewing.ink import beside
from foveate.viewing.look import look
from foveate.viewing.scanpath import picture

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

FOLDER = "tensorboard"
EVERY = 5  # epochs between two pictures; the first epoch and the last have one too
SHOWN = 4  # images whose scanpaths are drawn
GROUPS = {
    "error": ("train_error", "validation_error", "best_validation_error"),
    "loss": ("loss", "classification_loss", "policy_loss", "baseline_loss"),
    "policy": ("policy_std", "policy_entropy", "scanpath_dependence", "at_border"),
    "training": ("learning_rate", "gradient_norm", "skipped_steps", "images_per_second"),
}
"""The curves, by the heading they stand under."""


class TensorBoard(Listener):
    """A listener of `fit` that writes what TensorBoard reads, into `tensorboard` in the run folder.

    Raises:
        ValueError: if the package tensorboard is not installed.
    """

    def __init__(self, folder: Path | str) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            raise ValueError(
                "`--tensorboard` should have the package tensorboard. Found none: `pip install 'foveate[tensorboard]'`."
            ) from None
        self.folder, self.kind = Path(folder) / FOLDER, SummaryWriter

    def on_start(self, config: Config, done: int, steps: int) -> None:
        """Begin anew, or go on after `done` epochs and forget what lies beyond."""
        if not done:
            shutil.rmtree(self.folder, ignore_errors=True)
        self.writer = self.kind(str(self.folder), purge_step=done + 1)
        self.epochs = config.training.epochs

    def on_epoch(self, metrics: dict[str, Any]) -> None:
        """Every number as a point of its curve."""
        for group, fields in GROUPS.items():
            for field in fields:
                if field in metrics:
                    self.writer.add_scalar(f"{group}/{field}", metrics[field], metrics["epoch"])
        self.writer.flush()

    def on_model(self, epoch: int, model: Attention, validation: Images) -> None:
        """Every few epochs, scanpaths over the first images and the density of all fixations."""
        if epoch != 1 and epoch % EVERY and epoch != self.epochs:
            return
        names = model.config.classes
        index = torch.arange(min(SHOWN, len(validation)), device=validation.label.device)
        pairs = zip(validation.read(index), validation.label[index].tolist(), strict=True)
        looks = [look(model, pixels, label=names[label], policy="mean") for pixels, label in pairs]
        self._show("scanpaths", picture(looks), epoch)
        self._show("fixations", density_row(model, validation), epoch)

    def _show(self, name: str, drawn: "Picture", epoch: int) -> None:
        self.writer.add_image(f"where it looks/{name}", np.asarray(drawn), epoch, dataformats="HWC")
        self.writer.flush()


def density_row(model: Attention, images: Images) -> "Picture":
    """The density of the fixations of each glimpse over the mean image, side by side."""
    places = torch.cat([seen.locations[:, 0].cpu() for seen in answer(model, images, "mean")], 1).float()
    size = images.shape[1:]
    means = mean_images(images, len(model.config.classes))
    under = mean_of_all(means, images)
    return beside([density_panel(step, under) for step in count_fixations(places, grid_size(size))], 8)
