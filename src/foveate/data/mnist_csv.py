"""Reader of MNIST as CSV, as Kaggle offers it: a label and 784 pixels in each line."""

import warnings
from pathlib import Path

import numpy as np
import torch

from foveate.data.records import InMemory

FILES = ("mnist_train.csv", "mnist_test.csv")
UNLABELED = ("train.csv", "test.csv")  # of a competition, whose test images have no labels
SIDE = 28
MAX_BYTES = 2**30


def has_csv(folder: Path) -> bool:
    """Whether a folder holds the training and test images as CSV.

    Raises:
        ValueError: if it holds the files of a competition, whose test images have no labels.
    """
    if all((folder / name).is_file() for name in FILES):
        return True
    if all((folder / name).is_file() for name in UNLABELED):
        raise ValueError(
            f"`{folder}` should hold MNIST with labels of the test images: {' and '.join(FILES)}, or the four idx "
            f"files. Found {' and '.join(UNLABELED)} of a competition, whose test images have none."
        )
    return False


def read_csv(path: Path) -> InMemory:
    """Return the images and labels of a file with a label and 784 pixels in each line, below a header or without one.

    Raises:
        ValueError: if a line has another number of values, or a value is out of range.
    """
    if path.stat().st_size > MAX_BYTES:
        raise ValueError(f"`{path}` should be at most {MAX_BYTES:,} bytes. Found {path.stat().st_size:,}.")
    try:
        with path.open(encoding="ascii") as file:
            header = not file.read(1).isdigit()
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # for a file without lines
            table = np.loadtxt(path, np.uint8, delimiter=",", skiprows=int(header), ndmin=2, encoding="ascii")
    except (ValueError, OverflowError, UserWarning) as error:
        raise ValueError(f"`{path}` should hold whole numbers from 0 to 255. Found a fault: {error}.") from None
    if table.shape[1] != 1 + SIDE**2:
        raise ValueError(f"`{path}` should hold a label and {SIDE**2} pixels a line. Found {table.shape[1]} values.")
    if table[:, 0].max() > 9:
        raise ValueError(f"`{path}` should hold labels from 0 to 9. Found {table[:, 0].max()}.")
    content = torch.from_numpy(table)
    image = content[:, 1:].reshape(-1, 1, SIDE, SIDE).contiguous()
    return InMemory(image, content[:, 0].long())
