"""The images of a run: its data set on the device, and the scenes rendered from it."""

import warnings
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import torch

from foveate.config import Config, Data
from foveate.data.augment import MAX_RANGE, Augmentation
from foveate.data.canvas import Canvas, render_fixed
from foveate.data.home import expand_home
from foveate.data.records import Dataset, Images
from foveate.data.sources import NAMES, load
from foveate.data.split_record import SplitRecord, parse_record
from foveate.data.statistics import channel_statistics
from foveate.training.derive import derive, derive_data, derive_training

SPLIT = "split.json"

# Sources whose images are handwriting, made ready in a way of their own.
HANDWRITING: dict[str, Literal["", "mnist", "digits"]] = {"mnist": "mnist", "digits": "digits"}


@dataclass(frozen=True)
class Scenes:
    """Training images and fixed validation and test scenes of a run."""

    source: Dataset
    """The data set."""
    canvas: Canvas | None
    """Augments and places training images, anew in every batch; None leaves them unchanged."""
    validation: Images
    """Fixed scenes that select the best model, unless they are trained on."""
    test: Images
    """Fixed scenes that are evaluated once, after training."""

    @property
    def train(self) -> Images:
        """The training images."""
        return self.source.train

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width of a scene in pixels."""
        return self.validation.shape


def read_record(folder: Path, data: Data) -> SplitRecord | None:
    """Return the recorded split of a run; None if it has no record and its source has a name.

    Raises:
        ValueError: if the record is damaged, or missing for a folder of images.
    """
    path = folder / SPLIT
    if not path.is_file():
        if data.source in NAMES:
            return None
        raise ValueError(f"`{path}` should say which images the run was trained on. Found no such file.")
    return parse_record(path.read_text(encoding="utf-8", errors="replace"), str(path))


def load_scenes(
    data: Data, device: torch.device | str = "cpu", *, record: SplitRecord | None = None, complete: bool = False
) -> Scenes:
    """Load the source and render the fixed scenes.

    With a `record`, its folder is searched first, then `source`. If `complete`, no training or validation image may be
    missing.

    Raises:
        ValueError, FileNotFoundError: if settings or files are invalid.
    """
    source = load(
        _where(data, record),
        validation=data.validation,
        test=data.test,
        split_seed=data.split_seed,
        held_out=data.held_out,
        resize=data.resize,
        image_size=data.image_size,
        color=data.color,
        unreadable=data.unreadable,
        cache_gib=data.cache_gib,
        record=record,
    ).to(device)
    if complete and record and data.source not in NAMES:
        _check_complete(source, record)
    canvas = _canvas(data, source)
    # Two seeds, so that validation and test scenes are independent.
    validation = render_fixed(source.validation, canvas, 2 * data.split_seed + 1)
    test = render_fixed(source.test, canvas, 2 * data.split_seed)
    canvas = replace(canvas, augmentation=augmentation(data))
    return Scenes(source, None if canvas.is_identity(source.train.shape) else canvas, validation, test)


def _where(data: Data, record: SplitRecord | None) -> str:
    """Return the source to read: a relative path such as `photos` depends on the working directory."""
    if not record or data.source in NAMES:
        return data.source
    for source in (record.source, data.source):
        if expand_home(source).is_dir():
            return source
    raise FileNotFoundError(
        f"The images of the run should be in `{record.source}`. Found no such folder: name it with `--source`."
    )


def _check_complete(source: Dataset, record: SplitRecord) -> None:
    """Refuse to resume a run with fewer images than it began with."""
    for name in ("train", "validation"):
        found = len(getattr(source, name))
        expected = len(record.splits[name])
        if found < expected:
            raise ValueError(
                f"A resumed run should find all of its images. Found {found:,} of {expected:,} {name} images in "
                f"`{record.source}`."
            )


def warn_of_trained_on(scenes: Scenes, pretrained: Path) -> None:
    """Warn of held-out images that the `pretrained` run has trained on."""
    path = pretrained / SPLIT
    if not path.is_file() or scenes.source.record is None:
        return
    trained_on = set(parse_record(path.read_text(encoding="utf-8"), str(path)).splits["train"].values())
    for name in ("validation", "test"):
        digests = scenes.source.record.splits[name].values()
        count = sum(digest in trained_on for digest in digests)
        if count:
            warnings.warn(
                f"This run starts from `{pretrained}`, which has trained on {count:,} of its {len(digests):,} {name} "
                f"images: the {name} error may be too low.",
                stacklevel=3,
            )


def resolve(config: Config, scenes: Scenes) -> Config:
    """Fill in what depends on the data: image shape, classes, preparation of pictures, window, reach, augmentation.

    Raises:
        ValueError: if the config holds others.
    """
    model = config.model
    classes = scenes.source.classes
    if any(model.image) and model.image != scenes.shape:
        raise ValueError(f"`image` should be {scenes.shape}, as the data is. Found `image = {model.image}`.")
    if model.classes and model.classes != classes:
        raise ValueError(f"`classes` should be {classes}, as in the data. Found `classes = {model.classes}`.")
    data = config.data
    standardize = data.standardize == "on" or (data.standardize == "auto" and data.source not in HANDWRITING)
    mean, std = channel_statistics(scenes.source.train) if standardize else ((), ())
    model = replace(
        model,
        image=scenes.shape,
        classes=classes,
        picture_size=scenes.train.shape[1:],
        picture_resize="pad" if data.resize == "refuse" else data.resize,
        handwriting=HANDWRITING.get(data.source, ""),
        image_mean=mean,
        image_std=std,
    )
    training = derive_training(config.training, data.epoch_size or len(scenes.train))
    return derive(replace(config, model=model, training=training))


def augmentation(data: Data) -> Augmentation:
    """Return the augmentation of training images."""
    data = derive_data(data)
    return Augmentation(**{name: getattr(data, name) for name in MAX_RANGE})


def _canvas(data: Data, source: Dataset) -> Canvas:
    """Return the canvas of the fixed scenes, without augmentation."""
    height, width = source.train.shape[1:]
    size = (data.canvas_size, data.canvas_size) if data.canvas_size else (height, width)
    return Canvas(data.canvas, size, data.distractors)
