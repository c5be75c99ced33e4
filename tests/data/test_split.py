"""Splits: exact sizes, every image once, the same share of every class, decided by the seed alone."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from asserts import assert_equal
from foveate.data import load_digits
from foveate.data.sources import load
from foveate.data.split import divide, hold_out


@given(st.lists(st.integers(0, 4), min_size=2, max_size=200), st.floats(0.01, 0.99), st.integers(0, 9))
def test_hold_out(label, fraction, seed):
    label = torch.tensor(label)
    kept, held = hold_out(label, fraction, seed, "test")
    assert len(held) == round(len(label) * fraction)
    assert_equal(torch.cat([kept, held]).sort().values, torch.arange(len(label)))
    assert kept.tolist() == sorted(kept.tolist())
    assert held.tolist() == sorted(held.tolist())
    share = label.bincount() * len(held) / len(label)
    assert (label[held].bincount(minlength=len(share)) - share).abs().max() < 1 + 1e-6


@given(st.lists(st.integers(0, 4), min_size=2, max_size=200), st.floats(0.01, 0.99))
def test_the_last_of_every_class_are_as_many_as_random_ones(label, fraction):
    label = torch.tensor(label)
    kept, held = hold_out(label, fraction, 0, "validation", last=True)
    assert_equal(torch.cat([kept, held]).sort().values, torch.arange(len(label)))
    assert kept.tolist() == sorted(kept.tolist())
    assert_equal(
        label[held].bincount(minlength=5), label[hold_out(label, fraction, 3, "test")[1]].bincount(minlength=5)
    )
    for k in label.unique():
        stays, goes = kept[label[kept] == k], held[label[held] == k]
        assert_equal(torch.cat([stays, goes]), (label == k).nonzero().flatten())


def test_a_sixth_of_mnist_is_ten_thousand_exactly():
    kept, held = hold_out(torch.arange(60000) % 10, 1 / 6, 0, "validation")
    assert (len(kept), len(held)) == (50000, 10000)


def test_the_seed_decides():
    label = torch.arange(100) % 3
    held = [hold_out(label, 0.3, seed, "test")[1].tolist() for seed in (0, 0, 1)]
    assert held[0] == held[1] != held[2]


def test_own_splits_are_honoured_and_the_others_held_out_of_train():
    own = {"train": torch.arange(80), "test": torch.arange(80, 100)}
    splits = divide(torch.arange(100) % 2, ("a", "b"), own, validation=0.25, test=0.9, seed=0)
    assert {name: len(index) for name, index in splits.items()} == {"train": 60, "validation": 20, "test": 20}
    assert_equal(splits["test"], own["test"])
    assert_equal(torch.cat([splits["train"], splits["validation"]]).sort().values, own["train"])


def test_the_last_are_held_out_for_the_test_and_then_for_validation():
    splits = divide(torch.arange(20) % 2, ("a", "b"), {}, validation=0.25, test=0.2, seed=0, held_out="last")
    assert {name: index.tolist() for name, index in splits.items()} == {
        "train": list(range(12)),
        "validation": list(range(12, 16)),
        "test": list(range(16, 20)),
    }


def test_what_is_held_out_is_random_or_last():
    with pytest.raises(ValueError, match=r"`held_out` should be `random` or `last`\. Found `held_out = lst`"):
        load_digits(held_out="lst")


def test_digits_can_hold_out_their_last_images():
    data = load("digits", held_out="last")
    assert_equal(data.test.label, load_digits(held_out="last").test.label)
    assert not torch.equal(data.test.read(torch.arange(359)), load("digits").test.read(torch.arange(359)))


def test_a_class_that_is_missing_from_a_split_is_named():
    with pytest.raises(ValueError, match=r"Found no `rare` in (train|test)"):
        divide(torch.tensor([0] * 20 + [1]), ("common", "rare"), {}, validation=0.2, test=0.3, seed=0)


@pytest.mark.parametrize("fraction", [0.0, 1.0, -0.1, float("nan")])
@pytest.mark.parametrize("name", ["validation", "test"])
def test_a_fraction_is_between_0_and_1(name, fraction):
    with pytest.raises(ValueError, match=f"`{name}` should be a fraction between 0 and 1"):
        load_digits(**{name: fraction})


def test_digits_are_scikit_learns_scaled_to_bytes():
    from sklearn import datasets

    grey, _ = datasets.load_digits(return_X_y=True)
    digits = load_digits()
    image = torch.cat(
        [split.read(torch.arange(len(split))) for split in (digits.train, digits.validation, digits.test)]
    )
    assert (image.dtype, image.shape) == (torch.uint8, (1797, 1, 8, 8))
    assert image.unique().tolist() == [round(v * 255 / 16) for v in range(17)]
    assert image.double().sum() == sum(round(v * 255 / 16) for v in grey.flatten())
    assert digits.classes == tuple("0123456789")
