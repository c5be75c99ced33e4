"""The MNIST data set: 60,000 + 10,000 handwritten digits of 28x28 pixels, downloaded if needed."""

import os
import warnings
from pathlib import Path

import torch
from jaxtyping import UInt8
from torch import Tensor

from foveate.data.download import download, remove_damaged
from foveate.data.home import expand_home
from foveate.data.idx import read_idx
from foveate.data.mnist_csv import FILES, has_csv, read_csv
from foveate.data.records import Dataset, InMemory
from foveate.data.split import split_indices

# Folders inside FOVEATE_DATA: our own layout, torchvision's layouts, and the files without a folder.
LAYOUTS = ("mnist", "MNIST/raw", "mnist/MNIST/raw", "mnist/raw", "MNIST", "raw", "data/MNIST/raw", ".")
HELP = "set FOVEATE_DATA to a folder that holds mnist/ with the four idx files, or unset it to download them"


def load_mnist(*, validation: float = 1 / 6, split_seed: int = 0, held_out: str = "random") -> Dataset:
    """Return MNIST with its own test set; `validation = 1/6` holds 10,000 of the 60,000 training images out.

    The four idx files, plain or .gz, or the two files that Kaggle offers as CSV, are read from `$FOVEATE_DATA/mnist`
    or from the layouts of torchvision and Kaggle in `$FOVEATE_DATA`. If the variable is not set, the idx files are
    downloaded to the user's cache.

    Source: Y. LeCun, C. Cortes, C. J. C. Burges, *The MNIST database of handwritten digits*, CC BY-SA 3.0.

    Raises:
        ValueError: if a file is damaged, the files do not match, or `validation` is not a fraction.
        FileNotFoundError: if a file is missing and cannot be downloaded, or `$FOVEATE_DATA` has no MNIST.
    """
    folder = _own_folder()
    train, test = _read_folder(folder) if folder else _read_cached()
    image = torch.cat([train.image, test.image])
    label = torch.cat([train.label, test.label])
    own = {"train": torch.arange(len(train)), "test": torch.arange(len(train), len(label))}
    classes = tuple("0123456789")
    splits = split_indices(label, classes, own, validation=validation, test=0.5, seed=split_seed, held_out=held_out)
    images = {name: InMemory(image[index], label[index]) for name, index in splits.items()}
    return Dataset("mnist", classes, images["train"], images["validation"], images["test"])


def _own_folder() -> Path | None:
    """Return the folder of MNIST inside `$FOVEATE_DATA`, or None if that is not set.

    Raises:
        FileNotFoundError: if it is set but contains no MNIST.
    """
    root = os.environ.get("FOVEATE_DATA")
    if not root:
        return None
    data = expand_home(root)
    if not data.is_dir():
        found = "a file" if data.is_file() else "nothing"
        raise FileNotFoundError(f"`FOVEATE_DATA` should name a folder. Found {found} at `{data}`: {HELP}.")
    for layout in LAYOUTS:
        if _find(data / layout, "train-images-idx3-ubyte") or has_csv(data / layout):
            return data / layout
    if (data / "mnist").is_dir():
        return data / "mnist"  # the missing file is named next
    raise FileNotFoundError(f"`FOVEATE_DATA` should name a folder that holds mnist/. Found none in `{data}`: {HELP}.")


def _read_cached() -> tuple[InMemory, InMemory]:
    """Return the training and test images of the cache; damaged files are downloaded again."""
    folder = download()
    try:
        return _read_folder(folder)
    except ValueError:
        removed = remove_damaged(folder)
        if not removed:
            raise
        warnings.warn(f"Found damaged files in `{folder}`, downloading them again: {', '.join(removed)}.", stacklevel=4)
    return _read_folder(download())


def _read_folder(folder: Path) -> tuple[InMemory, InMemory]:
    """Return the training and test images of a folder."""
    if not _find(folder, "train-images-idx3-ubyte") and has_csv(folder):
        train, test = (read_csv(folder / name) for name in FILES)
    else:
        train = _read(folder, "train")
        test = _read(folder, "t10k")
    if train.shape != test.shape:
        raise ValueError(f"The images in `{folder}` should be of one shape. Found {train.shape} and {test.shape}.")
    return train, test


def _read(folder: Path, split: str) -> InMemory:
    """Return the images and labels of one split."""
    image_path = _require(folder, f"{split}-images-idx3-ubyte")
    label_path = _require(folder, f"{split}-labels-idx1-ubyte")
    image: UInt8[Tensor, "n height width"] = torch.from_numpy(read_idx(image_path, 3))
    label: UInt8[Tensor, " n"] = torch.from_numpy(read_idx(label_path, 1))
    if len(image) != len(label):
        raise ValueError(
            f"`{image_path}` and `{label_path}` should hold as many images as labels. "
            f"Found {len(image)} and {len(label)}."
        )
    if label.max() > 9:
        raise ValueError(f"`{label_path}` should hold labels from 0 to 9. Found {int(label.max())}.")
    return InMemory(image.unsqueeze(1), label.long())


def _find(folder: Path, name: str) -> Path | None:
    """Return the path of an idx file, or None: plain or gzipped, named as on Kaggle, or in a folder of its name."""
    dotted = name.replace("-idx", ".idx")
    for other in (name, f"{name}.gz", dotted, f"{dotted}.gz"):
        for path in (folder / other, folder / other / other):
            if path.is_file():
                return path
    return None


def _require(folder: Path, name: str) -> Path:
    """Return the path of an idx file.

    Raises:
        FileNotFoundError: if there is none.
    """
    path = _find(folder, name)
    if path is None:
        raise FileNotFoundError(f"`{folder}` should hold the four idx files of MNIST, plain or .gz. Found no `{name}`.")
    return path
