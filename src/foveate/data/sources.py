"""Loads data sets by name or from a folder of images."""

import dataclasses
import difflib

import torch

from foveate.data.digits import load_digits
from foveate.data.folder import load_folder
from foveate.data.home import expand_home
from foveate.data.mnist import load_mnist
from foveate.data.modes import ordinary_modes
from foveate.data.records import Dataset
from foveate.data.split_record import SPLITS, SplitRecord, tensor_digest

NAMES = ("digits", "mnist")


@ordinary_modes()
def load(
    source: str,
    *,
    validation: float = 1 / 6,
    test: float = 0.2,
    split_seed: int = 0,
    held_out: str = "random",
    resize: str = "refuse",
    image_size: int | tuple[int, int] = (0, 0),
    color: str = "auto",
    unreadable: str = "refuse",
    cache_gib: float = 4.0,
    record: SplitRecord | None = None,
) -> Dataset:
    """Return the data set called `source`: `digits`, `mnist`, or the path of a folder of images.

    `validation` and `test` are the fractions to hold out if the source has no such split: random images by
    `split_seed`, or the last ones of each class with `held_out = "last"`. The other options are for folders, see
    `load_folder`; `image_size` may be one number for a square. Write `./mnist` for a folder called `mnist`. Passing the
    `record` of an earlier data set gives the same split again.

    Raises:
        ValueError: if there is no such source, an option does not apply to it, or its files are damaged.
        FileNotFoundError: if its files are missing.

    Example:
        >>> load("digits", split_seed=1).classes
        ('0', '1', '2', '3', '4', '5', '6', '7', '8', '9')
    """
    size = (image_size, image_size) if isinstance(image_size, int) else tuple(image_size)
    split = {"validation": validation, "split_seed": split_seed, "held_out": held_out}
    options = {"resize": resize, "image_size": size, "color": color, "unreadable": unreadable}
    if source not in NAMES:
        _check_path(source)
        folder = expand_home(source)
        return load_folder(folder, test=test, **split, **options, cache_gib=cache_gib, record=record)
    _refuse_folder_options(source, options)
    dataset = load_digits(test=test, **split) if source == "digits" else load_mnist(**split)
    return _with_record(dataset, record)


def _with_record(dataset: Dataset, record: SplitRecord | None) -> Dataset:
    """Return a named data set with the record of its split.

    Raises:
        ValueError: if another `record` is given.
    """
    splits = {}
    for name in SPLITS:
        images = getattr(dataset, name)
        splits[name] = {dataset.name: tensor_digest(images.read(torch.arange(len(images))), images.label)}
    now = SplitRecord(dataset.name, dataset.classes, dataset.train.shape, splits)
    if record and record != now:
        other = [name for name in SPLITS if record.splits[name] != splits[name]]
        raise ValueError(f"`{dataset.name}` should be the images of the run. Found others in {', '.join(other)}.")
    return dataclasses.replace(dataset, record=now)


def _refuse_folder_options(source: str, options: dict) -> None:
    """Refuse options that only apply to a folder of images."""
    defaults = {"resize": "refuse", "image_size": (0, 0), "color": "auto", "unreadable": "refuse"}
    for name, value in options.items():
        if value != defaults[name]:
            raise ValueError(
                f"`{name}` should be left out unless the source is a folder. Found `{name} = {value}` with `{source}`."
            )


def _check_path(source: str) -> None:
    """Refuse a source that is neither a known name nor a path."""
    if source and (expand_home(source).exists() or "/" in source or "\\" in source):
        return
    close = difflib.get_close_matches(source.lower(), NAMES, n=1)
    hint = f" Did you mean `{close[0]}`?" if close else ""
    raise ValueError(f"`source` should be `digits`, `mnist` or the path of a folder. Found `{source}`.{hint}")
