"""`load_run`: a finished run's model, settings and images."""

import warnings
from collections import Counter
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import torch

from foveate import settings
from foveate.config import Config, Data, Model
from foveate.data.budget import map_in_threads
from foveate.data.home import usable_path
from foveate.data.records import Images, InMemory
from foveate.data.sources import NAMES
from foveate.data.split_record import SplitRecord
from foveate.training.build import Attention
from foveate.training.check import choose_device
from foveate.training.prepare import prepare
from foveate.training.pretrained import from_pretrained
from foveate.training.scenes import SPLIT, Scenes, load_scenes, read_record, resolve
from foveate.weights import FOLDER, find


@dataclass(frozen=True)
class LoadedRun:
    """A finished run, or a model on its own: what was trained, how, and on what."""

    folder: Path
    """Folder of the run."""
    config: Config
    """Settings; `config.data.source` is empty for a model without a run."""
    model: Attention
    """The best model."""

    @property
    def desk(self) -> Path:
        """Folder for the commands' output: the run folder, or the current folder for a model of the package."""
        return Path() if self.folder.parent == FOLDER else self.folder

    @property
    def model_folder(self) -> Path:
        """Folder of the model: that of a run's best one, or of a model on its own."""
        best = self.folder / "best"
        return best if best.is_dir() else self.folder

    @cached_property
    def data(self) -> Scenes:
        """The run's own images, loaded when first asked for: `train`, `validation` and `test`.

        Images of a folder are recognized by their content; images that are not of the run are left out.

        Raises:
            ValueError: if the data is missing, or has another shape or other classes.
        """
        return self._load_scenes()

    def images(self, split: str, source: str = "") -> Images:
        """The fixed scenes of the run's own `test` or `validation` split, whose folder may have moved to `source`.

        Raises:
            ValueError: if the data or the split is missing, or has another shape or other classes.
        """
        scenes = self._load_scenes(source) if source else self.data
        images = getattr(scenes, split)
        if not len(images):
            where = source or self._settings_of_data("")[0].source
            raise ValueError(f"The {split} images of the run should be in `{where}`. Found none of them.")
        return self._with_ink_prepared(images) if self.model.config.handwriting else images

    def _with_ink_prepared(self, images: Images) -> Images:
        """The files of a folder as `look` shows them to a model of handwriting: ink bright, scaled and centered."""
        files = getattr(images, "names", ())
        if not files:
            return images
        prepared = map_in_threads(lambda file: prepare(Path(file), self.model.config), files)
        for warning, count in Counter(each.warning for each in prepared if each.warning).items():
            warnings.warn(f"{count:,} of {len(files):,} images: {warning}", stacklevel=3)
        pixels = torch.stack([each.image for each in prepared])
        return InMemory(pixels, images.label.cpu(), files).to(images.label.device)

    def _load_scenes(self, source: str = "") -> Scenes:
        """The run's images, from `source` if it names a folder."""
        data, record = self._settings_of_data(source)
        scenes = load_scenes(data, next(self.model.parameters()).device, record=record)
        resolve(replace(self.config, model=self.model.config), scenes)
        return scenes

    def _settings_of_data(self, source: str) -> tuple[Data, SplitRecord | None]:
        """Settings to read the images, and the record of their split."""
        data = self.config.data
        if not data.source:
            record = read_record(self.folder, Data()) if (self.folder / SPLIT).is_file() else None
            return self._data_of_model(source, record)
        record = read_record(self.folder, data)
        if source not in ("", data.source) and data.source in NAMES:
            return self._prepared_as_in_training(source), None
        if source and record:
            return replace(data, source=source), replace(record, source=source)
        return data, record

    def _data_of_model(self, source: str, record: SplitRecord | None) -> tuple[Data, SplitRecord | None]:
        """Settings to read images for a model without its run, with the record of its split if there is one."""
        if not source and record is None:
            raise ValueError(
                f"`{self.folder}` should name the images to use. Found a model without a source: give `--source`."
            )
        if record is None:
            warnings.warn(
                f"`{self.folder}` does not say which images its model was trained on: if they are among these, the "
                "error is too low.",
                stacklevel=5,
            )
        elif not source:
            source = record.source
        elif record.source in NAMES or source in NAMES:
            record = record if record.source == source else None
        else:
            record = replace(record, source=source)
        return self._prepared_as_in_training(source), record

    def _prepared_as_in_training(self, source: str) -> Data:
        """Settings that fit images as in training, in the middle of the canvas if there was one."""
        model = self.config.model
        size = model.picture_size if any(model.picture_size) else model.image[1:]
        channels, height, width = model.image
        canvas_size = height if height == width and size != (height, width) else 0
        if source in NAMES:
            return Data(source=source, canvas_size=canvas_size)
        color = "gray" if channels == 1 else "rgb"
        resize = model.picture_resize
        return Data(source=source, image_size=size, resize=resize, color=color, canvas_size=canvas_size)


def load_run(run: Path | str, device: str = "auto") -> LoadedRun:
    """Load the run in a folder, the model that `save_pretrained` wrote there, or a model of the package by its name.

    The config of a model without a run has no `source`. A run's `best` folder loads the run.

    Raises:
        FileNotFoundError: if there is no such run, or it has not finished an epoch.
        ValueError: if settings or weights are damaged, or do not fit each other.

    Example:
        >>> run = load_run("digits")
        >>> run.model.num_glimpses, run.config.data.source, run.data.test.shape
        (6, 'digits', (1, 8, 8))
    """
    folder = find(usable_path(run))
    path = folder / "config.json"
    if not path.is_file():
        raise FileNotFoundError(f"`RUN` should be the folder of a run. Found no `{path}`.")
    if folder.name == "best" and (folder.parent / "config.json").is_file():
        return load_run(folder.parent, device)
    config = _read_config(path)
    return LoadedRun(folder, config, from_pretrained(folder, choose_device(device)))


def _read_config(path: Path) -> Config:
    """The config of a run, or a config around a model's own settings."""
    try:
        return settings.read(path)
    except ValueError as error:
        try:
            model = settings.from_json(path.read_text(encoding="utf-8"), Model)
        except ValueError:
            raise error from None
        return Config(data=Data(source=""), model=model)
