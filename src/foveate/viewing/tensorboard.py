"""TensorBoard output of a run: every metric as a curve, and scanpaths every few epochs."""

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from foveate.config import Config
from foveate.data.records import Images
from foveate.training.build import Attention
from foveate.training.epoch import Callback
from foveate.training.evaluate import predict
from foveate.viewing.density import count_fixations, grid_size, mean_images, mean_of_all
from foveate.viewing.look import look

if TYPE_CHECKING:
    from foveate.viewing.style import AggFigure

FOLDER = "tensorboard"
PICTURE_EPOCHS = 5  # between two pictures; the first and the last epoch have one too
NUM_IMAGES = 4  # whose scanpaths are drawn
GROUPS = {
    "error": ("train_error", "validation_error", "best_validation_error"),
    "loss": ("loss", "classification_loss", "policy_loss", "baseline_loss"),
    "policy": ("policy_std", "policy_entropy", "scanpath_dependence", "at_border"),
    "training": ("learning_rate", "gradient_norm", "skipped_steps", "images_per_second"),
}
"""The metrics, grouped by heading."""


class TensorBoard(Callback):
    """A callback of `fit` that writes TensorBoard files into `tensorboard` in the run folder.

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
        self.folder = Path(folder) / FOLDER
        self.kind = SummaryWriter

    def on_start(self, config: Config, done: int, steps: int) -> None:
        """Start, or continue after `done` epochs and discard later ones."""
        if not done:
            shutil.rmtree(self.folder, ignore_errors=True)
        self.writer = self.kind(str(self.folder), purge_step=done + 1)
        self.epochs = config.training.epochs

    def on_epoch(self, metrics: dict[str, Any]) -> None:
        """Write every metric as a point of its curve."""
        for group, fields in GROUPS.items():
            for field in fields:
                if field in metrics:
                    self.writer.add_scalar(f"{group}/{field}", metrics[field], metrics["epoch"])
        self.writer.flush()

    def on_validation_end(self, epoch: int, model: Attention, validation: Images) -> None:
        """Write scanpaths over the first images and the density of all fixations, every few epochs."""
        if epoch != 1 and epoch % PICTURE_EPOCHS and epoch != self.epochs:
            return
        names = model.config.classes
        index = torch.arange(min(NUM_IMAGES, len(validation)), device=validation.label.device)
        pairs = zip(validation.read(index), validation.label[index].tolist(), strict=True)
        looks = [look(model, pixels, label=names[label], policy="mean") for pixels, label in pairs]
        from foveate.viewing.scanpath import plot_looks

        self._show("scanpaths", plot_looks(looks), epoch)
        self._show("fixations", density_row(model, validation), epoch)

    def _show(self, name: str, figure: "AggFigure", epoch: int) -> None:
        self.writer.add_image(f"where it looks/{name}", figure.pixels(), epoch, dataformats="HWC")
        self.writer.flush()


def density_row(model: Attention, images: Images) -> "AggFigure":
    """Draw the fixation density of each glimpse over the mean image, side by side."""
    from foveate.viewing.charts import plot_densities

    places = torch.cat([seen.locations[:, 0].cpu() for seen in predict(model, images, "mean")], 1).float()
    means = mean_images(images, len(model.config.classes))
    counts = count_fixations(places, grid_size(images.shape[1:]))
    return plot_densities(counts.unsqueeze(0), [mean_of_all(means, images)])
