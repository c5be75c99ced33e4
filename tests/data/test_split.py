"""Splits: exact sizes, every image once, equal shares of every class, determined by the seed."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from asserts import assert_equal
from foveate.data import load_digits
from foveate.data.sources import load
from foveate.data.split import split_indices, stratified_split


@given(st.lists(st.integers(0, 4), min_size=2, max_size=200), st.floats(0.01, 0.99), st.integers(0, 9))
def test_stratified_split_has_the_exact_size_and_shares(label, fraction, seed):
    label = torch.tensor(label)
    kept, held = stratified_split(label, fraction, seed, "test")
    assert len(held) == round(len(label) * fraction)
    assert_equal(torch.cat([kept, held]).sort().values, torch.arange(len(label)))
    assert kept.tolist() == sorted(kept.tolist())
    assert held.tolist() == sorted(held.tolist())
    share = label.bincount() * len(held) / len(label)
    assert (label[held].bincount(minlength=len(share)) - share).abs().max() < 1 + 1e-6


@given(st.lists(st.integers(0, 4), min_size=2, max_size=200), st.floats(0.01, 0.99))
def test_held_out_last_takes_as_many_of_each_class_as_random(label, fraction):
    label = torch.tensor(label)
    kept, held = stratified_split(label, fraction, 0, "validation", held_out="last")
    assert_equal(torch.cat([kept, held]).sort().values, torch.arange(len(label)))
    assert kept.tolist() == sorted(kept.tolist())
    assert_equal(
        label[held].bincount(minlength=5), label[stratified_split(label, fraction, 3, "test")[1]].bincount(minlength=5)
    )
    for k in label.unique():
        stays, goes = kept[label[kept] == k], held[label[held] == k]
        assert_equal(torch.cat([stays, goes]), (label == k).nonzero().flatten())


@given(st.integers(2, 200), st.floats(0.01, 0.99))
def test_held_out_tail_ignores_classes(n, fraction):
    kept, held = stratified_split(torch.arange(n) % 3, fraction, 0, "validation", held_out="tail")
    assert_equal(torch.cat([kept, held]), torch.arange(n))
    assert len(held) == round(n * fraction)


def test_the_tail_of_mnist_is_the_last_ten_thousand():
    kept, held = stratified_split(torch.arange(60000) % 10, 1 / 6, 0, "validation", held_out="tail")
    assert (kept[-1], held[0], held[-1]) == (49999, 50000, 59999)


def test_a_sixth_of_mnist_is_ten_thousand_exactly():
    kept, held = stratified_split(torch.arange(60000) % 10, 1 / 6, 0, "validation")
    assert (len(kept), len(held)) == (50000, 10000)


def test_the_seed_determines_the_split():
    label = torch.arange(100) % 3
    held = [stratified_split(label, 0.3, seed, "test")[1].tolist() for seed in (0, 0, 1)]
    assert held[0] == held[1] != held[2]


def test_own_splits_are_kept_and_others_held_out_of_train():
    own = {"train": torch.arange(80), "test": torch.arange(80, 100)}
    splits = split_indices(torch.arange(100) % 2, ("a", "b"), own, validation=0.25, test=0.9, seed=0)
    assert {name: len(index) for name, index in splits.items()} == {"train": 60, "validation": 20, "test": 20}
    assert_equal(splits["test"], own["test"])
    assert_equal(torch.cat([splits["train"], splits["validation"]]).sort().values, own["train"])


def test_held_out_last_takes_the_test_before_validation():
    splits = split_indices(torch.arange(20) % 2, ("a", "b"), {}, validation=0.25, test=0.2, seed=0, held_out="last")
    assert {name: index.tolist() for name, index in splits.items()} == {
        "train": list(range(12)),
        "validation": list(range(12, 16)),
        "test": list(range(16, 20)),
    }


def test_unknown_values_of_held_out_are_refused():
    with pytest.raises(ValueError, match=r"`held_out` should be `random`, `last` or `tail`\. Found `held_out = lst`"):
        load_digits(held_out="lst")


def test_digits_can_hold_out_their_last_images():
    data = load("digits", held_out="last")
    assert_equal(data.test.label, load_digits(held_out="last").test.label)
    assert not torch.equal(data.test.read(torch.arange(359)), load("digits").test.read(torch.arange(359)))


@given(st.lists(st.integers(3, 9), min_size=2, max_size=12), st.sampled_from(["random", "last"]), st.integers(0, 9))
def test_three_images_of_a_class_are_enough(sizes, held_out, seed):
    label = torch.cat([torch.full((size,), k) for k, size in enumerate(sizes)])
    classes = tuple(map(str, range(len(sizes))))
    splits = split_indices(label, classes, {}, validation=1 / 6, test=0.2, seed=seed, held_out=held_out)
    assert_equal(torch.cat(list(splits.values())).sort().values, torch.arange(len(label)))
    for index in splits.values():
        assert index.tolist() == sorted(index.tolist())
        assert set(label[index].tolist()) == set(range(len(sizes)))


def test_a_split_with_every_class_is_not_changed():
    label = torch.arange(300) % 7
    drawn = split_indices(label, tuple("abcdefg"), {}, validation=1 / 6, test=0.2, seed=3)
    kept, test = stratified_split(label, 0.2, 3, "test")
    train, validation = stratified_split(label[kept], 1 / 6, 3, "validation")
    assert_equal(drawn["test"], test)
    assert_equal(drawn["validation"], kept[validation])
    assert_equal(drawn["train"], kept[train])


def test_the_seed_picks_the_held_out_image_of_a_small_class():
    label = torch.tensor([0] * 3 + [1] * 100)
    held = {
        int(split_indices(label, ("a", "b"), {}, validation=0.1, test=0.1, seed=seed)["test"][0]) for seed in range(30)
    }
    assert held == {0, 1, 2}


@pytest.mark.parametrize(
    ("own", "size", "message"),
    [
        (
            {},
            2,
            "at least 3 images to be in test, validation and train, and `rare` has 2",
        ),
        (
            {"test": torch.arange(2), "train": torch.arange(2, 21)},
            1,
            "at least 2 images to be in validation and train, and `rare` has 0",
        ),
    ],
)
def test_a_class_that_is_too_small_is_refused_with_its_size(own, size, message):
    label = torch.cat([torch.ones(size, dtype=torch.int64), torch.zeros(20, dtype=torch.int64)])
    with pytest.raises(ValueError, match=message):
        split_indices(label, ("common", "rare"), own, validation=0.2, test=0.3, seed=0)


def test_a_tail_without_a_class_is_refused_with_advice():
    with pytest.raises(ValueError, match=r"Found no `b` in train.*Choose `held_out = random` or `last`"):
        split_indices(torch.arange(20) // 19, ("a", "b"), {}, validation=0.2, test=0.3, seed=0, held_out="tail")


@pytest.mark.parametrize("fraction", [0.0, 1.0, -0.1, float("nan")])
@pytest.mark.parametrize("name", ["validation", "test"])
def test_a_fraction_is_between_0_and_1(name, fraction):
    with pytest.raises(ValueError, match=f"`{name}` should be a fraction between 0 and 1"):
        load_digits(**{name: fraction})


def test_digits_equal_those_of_scikit_learn():
    from sklearn import datasets

    gray, _ = datasets.load_digits(return_X_y=True)
    digits = load_digits()
    image = torch.cat(
        [split.read(torch.arange(len(split))) for split in (digits.train, digits.validation, digits.test)]
    )
    assert (image.dtype, image.shape) == (torch.uint8, (1797, 1, 8, 8))
    assert image.unique().tolist() == [round(v * 255 / 16) for v in range(17)]
    assert image.double().sum() == sum(round(v * 255 / 16) for v in gray.flatten())
    assert digits.classes == tuple("0123456789")
