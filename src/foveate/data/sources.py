"""`load`: from the name of a source, or the path of a folder of images, to a `Dataset`."""

import difflib
from pathlib import Path

from foveate.data.digits import load_digits
from foveate.data.folder import load_folder
from foveate.data.mnist import load_mnist
from foveate.data.records import Dataset

NAMES = ("digits", "mnist")


def load(
    source: str,
    *,
    validation: float = 1 / 6,
    test: float = 0.2,
    split_seed: int = 0,
    held_out: str = "random",
    resize: str = "refuse",
    image_size: tuple[int, int] = (0, 0),
    colour: str = "auto",
    unreadable: str = "refuse",
    memory: float = 4.0,
) -> Dataset:
    """Return the data set called `source`: `digits`, `mnist`, or the path of a folder of images.

    `validation` and `test` are fractions, used where the source has no such split of its own: of random images, by
    `split_seed`, or with `held_out = "last"` of each class's last. What follows is for folders, see `load_folder`. A
    folder that is called `mnist` is written `./mnist`.

    Raises:
        ValueError: if there is no such source, an option does not fit it, or its files are not what they should be.
        FileNotFoundError: if its files are not there.

    Example:
        >>> load("digits", split_seed=1).classes
        ('0', '1', '2', '3', '4', '5', '6', '7', '8', '9')
    """
    split = {"validation": validation, "split_seed": split_seed, "held_out": held_out}
    options = {"resize": resize, "image_size": tuple(image_size), "colour": colour, "unreadable": unreadable}
    if source not in NAMES:
        _check_path(source)
        folder = Path(source).expanduser()
        return load_folder(folder, test=test, **split, **options, memory=memory)
    _refuse_folder_options(source, options)
    return load_digits(test=test, **split) if source == "digits" else load_mnist(**split)


def _refuse_folder_options(source: str, options: dict) -> None:
    """Refuse what would be ignored: options that are about a folder's images."""
    defaults = {"resize": "refuse", "image_size": (0, 0), "colour": "auto", "unreadable": "refuse"}
    for name, value in options.items():
        if value != defaults[name]:
            raise ValueError(f"`{name}` is about a folder of images. Found `{name} = {value}` with source `{source}`.")


def _check_path(source: str) -> None:
    """Refuse a source that is neither a known name nor looks like the path of a folder."""
    if source and (Path(source).expanduser().exists() or "/" in source or "\\" in source):
        return
    close = difflib.get_close_matches(source.lower(), NAMES, n=1)
    hint = f" Did you mean `{close[0]}`?" if close else ""
    raise ValueError(f"`source` should be `digits`, `mnist` or the path of a folder. Found `{source}`.{hint}")
