"""`mnist`: 60,000 + 10,000 handwritten digits of 28x28 pixels, found on this machine or downloaded once."""

import os
from pathlib import Path

import torch
from jaxtyping import UInt8
from torch import Tensor

from foveate.data.download import CONTENT_MD5, download
from foveate.data.idx import read_idx
from foveate.data.records import Dataset, InMemory
from foveate.data.split import divide


def load_mnist(*, validation: float = 1 / 6, split_seed: int = 0, held_out: str = "random") -> Dataset:
    """Return MNIST with its own test set; with `validation = 1/6` the other 60,000 images split into 50,000 and 10,000.

    The four idx files, plain or .gz, are read from `$FOVEATE_DATA/mnist` if there is such a folder, else from the
    user's cache, where they are downloaded first.

    Source: Y. LeCun, C. Cortes, C. J. C. Burges, *The MNIST database of handwritten digits*, CC BY-SA 3.0.

    Raises:
        ValueError: if a file is corrupt, the files do not fit together, or `validation` is not a fraction.
        FileNotFoundError: if a file is missing and cannot be downloaded.
    """
    folder = _own_folder() or download()
    train, test = _read(folder, "train"), _read(folder, "t10k")
    if train.shape != test.shape:
        raise ValueError(f"The images in `{folder}` should be of one shape. Found {train.shape} and {test.shape}.")
    image, label = torch.cat([train.image, test.image]), torch.cat([train.label, test.label])
    own = {"train": torch.arange(len(train)), "test": torch.arange(len(train), len(label))}
    classes = tuple("0123456789")
    splits = divide(label, classes, own, validation=validation, test=0.5, seed=split_seed, held_out=held_out)
    return Dataset("mnist", classes, **{name: InMemory(image[i], label[i]) for name, i in splits.items()})


def _own_folder() -> Path | None:
    """Return `$FOVEATE_DATA/mnist` where there is one."""
    root = os.environ.get("FOVEATE_DATA")
    folder = Path(root).expanduser() / "mnist" if root else None
    return folder if folder and folder.is_dir() else None


def _read(folder: Path, split: str) -> InMemory:
    """Return the images and labels of one pair of files."""
    image_path, label_path = _find(folder, f"{split}-images-idx3-ubyte"), _find(folder, f"{split}-labels-idx1-ubyte")
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


def _find(folder: Path, name: str) -> Path:
    """Return the path of an idx file, plain or gzipped."""
    assert name in CONTENT_MD5
    for path in (folder / name, folder / f"{name}.gz"):
        if path.is_file():
            return path
    raise FileNotFoundError(f"`{folder}` should hold the four idx files of MNIST, plain or .gz. Found no `{name}`.")
