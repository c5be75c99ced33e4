"""The `digits` data set: 1,797 handwritten digits of 8x8 pixels that come with scikit-learn."""

import torch

from foveate.data.records import Dataset, InMemory
from foveate.data.split import split_indices


def load_digits(
    *, validation: float = 1 / 6, test: float = 0.2, split_seed: int = 0, held_out: str = "random"
) -> Dataset:
    """Return scikit-learn's handwritten digits, with gray values scaled from 0..16 to 0..255.

    Source: E. Alpaydin, C. Kaynak, *Optical Recognition of Handwritten Digits*, UCI Machine Learning Repository, 1998.

    Raises:
        ValueError: if `validation` or `test` is not a fraction between 0 and 1.

    Example:
        >>> digits = load_digits()
        >>> len(digits.train), len(digits.validation), len(digits.test), digits.train.shape
        (1198, 240, 359, (1, 8, 8))
    """
    from sklearn import datasets

    gray, digit = datasets.load_digits(return_X_y=True)
    image = (torch.from_numpy(gray) * (255 / 16)).round().to(torch.uint8).view(-1, 1, 8, 8)
    label = torch.from_numpy(digit).long()
    classes = tuple("0123456789")
    splits = split_indices(label, classes, {}, validation=validation, test=test, seed=split_seed, held_out=held_out)
    images = {name: InMemory(image[index], label[index]) for name, index in splits.items()}
    return Dataset("digits", classes, images["train"], images["validation"], images["test"])
