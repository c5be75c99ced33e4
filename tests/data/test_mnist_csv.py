"""MNIST as CSV: read as Kaggle offers it, or refused in a sentence."""

from pathlib import Path

import numpy as np
import pytest
import torch

from asserts import assert_equal
from foveate.data import load_mnist
from foveate.data.mnist_csv import read_csv

HEADER = ",".join(["label", *(f"{row}x{column}" for row in range(1, 29) for column in range(1, 29))]) + "\n"


def write(path: Path, n: int, header: str = HEADER, columns: int = 784) -> None:
    """Write images whose pixel `i` is `i` modulo 251 plus the label, which is the number of the line modulo 10."""
    lines = []
    for line in range(n):
        pixels = (np.arange(columns) + line % 10) % 251
        lines.append(",".join(map(str, [line % 10, *pixels])))
    path.parent.mkdir(exist_ok=True)
    path.write_text(header + "\n".join(lines) + "\n")


@pytest.mark.parametrize("folder", [".", "mnist"])
def test_mnist_is_read_from_csv(tmp_path, monkeypatch, folder):
    monkeypatch.setenv("FOVEATE_DATA", str(tmp_path))
    write(tmp_path / folder / "mnist_train.csv", 60)
    write(tmp_path / folder / "mnist_test.csv", 20)
    data = load_mnist()
    assert (len(data.train), len(data.validation), len(data.test), data.train.shape) == (50, 10, 20, (1, 28, 28))
    image = data.test.read(torch.arange(20))
    assert_equal(data.test.label, torch.arange(20) % 10)
    assert_equal(image[:, 0, 0, 0].long(), data.test.label)
    assert (image[0, 0, 1, 0], image[0, 0, 0, 1]) == (28, 1), "row by row"


@pytest.mark.parametrize("header", ["", HEADER], ids=["no header", "header"])
def test_a_header_is_no_image(tmp_path, header):
    write(tmp_path / "a.csv", 3, header)
    assert read_csv(tmp_path / "a.csv").label.tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ("1,2,3\n", "3 values"),
        ("", "whole numbers from 0 to 255"),
        (HEADER, "whole numbers from 0 to 255"),
        ("1," * 784 + "256\n", "whole numbers from 0 to 255"),
        ("1," * 784 + "0.5\n", "whole numbers from 0 to 255"),
        ("1," * 784 + "x\n", "whole numbers from 0 to 255"),
        ("10," + "1," * 783 + "1\n", "labels from 0 to 9. Found 10"),
        ("1," * 784 + "1\n1,2\n", "whole numbers from 0 to 255"),
        ("é\n", "whole numbers from 0 to 255"),
    ],
)
def test_other_files_are_refused_in_a_sentence(tmp_path, content, found):
    path = tmp_path / "a.csv"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(ValueError, match=f"`{path}` should hold.*{found}") as raised:
        read_csv(path)
    assert "\n" not in str(raised.value)


def test_the_files_of_a_competition_are_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("FOVEATE_DATA", str(tmp_path))
    write(tmp_path / "train.csv", 60)
    write(tmp_path / "test.csv", 20, columns=783)
    with pytest.raises(ValueError, match=r"Found train\.csv and test\.csv of a competition"):
        load_mnist()
