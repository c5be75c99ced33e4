"""Batches: equal use of all images, order, incomplete last batches, and the generator."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from asserts import assert_equal
from foveate.data import Canvas, InMemory, batches, num_batches, translated


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def numbered(n: int) -> InMemory:
    """Return images whose pixels are their index."""
    return InMemory(
        torch.arange(n, dtype=torch.uint8).view(-1, 1, 1, 1).expand(-1, 1, 2, 3).contiguous(), torch.arange(n)
    )


def labels(*arguments, **options) -> list[list[int]]:
    return [batch.label.tolist() for batch in batches(*arguments, **options)]


@given(st.integers(1, 20), st.integers(1, 25), st.integers(0, 50), st.booleans())
def test_an_epoch_uses_every_image_equally_often(n, batch_size, scenes, shuffle):
    images = numbered(n)
    dealt = list(batches(images, batch_size, seeded(), epoch_size=scenes, shuffle=shuffle))
    wanted = scenes or n
    sizes = [len(batch.label) for batch in dealt]
    assert len(dealt) == num_batches(images, batch_size, epoch_size=scenes, shuffle=shuffle)
    if shuffle and wanted >= batch_size:
        assert sizes == [batch_size] * (wanted // batch_size)
    else:
        assert sum(sizes) == wanted
        assert set(sizes[:-1]) <= {batch_size}
    for batch in dealt:
        assert_equal(batch.image[:, 0, 0, 0].long(), batch.label)
    seen = torch.cat([batch.label for batch in dealt]).bincount(minlength=n)
    assert seen.max() <= -(-wanted // n)
    assert seen.sum() < wanted or seen.min() >= wanted // n


def test_evaluation_keeps_the_order_and_the_last_batch():
    for generator in (None, seeded()):
        assert labels(numbered(7), 3, generator, shuffle=False) == [[0, 1, 2], [3, 4, 5], [6]]


def test_the_generator_shuffles_training():
    images = numbered(50)
    assert labels(images, 7, seeded(0)) == labels(images, 7, seeded(0)) != labels(images, 7, seeded(1))
    generator = seeded()
    assert labels(images, 7, generator) != labels(images, 7, generator), "the second epoch is another order"


def test_every_batch_renders_new_scenes():
    images = InMemory(torch.full((8, 1, 2, 2), 9, dtype=torch.uint8), torch.arange(8))
    canvas = Canvas("translated", (20, 20))
    first, second = batches(images, 4, seeded(), canvas=canvas)
    assert not torch.equal(first.image, second.image)
    generator = seeded()
    order = torch.randperm(8, generator=generator)
    assert_equal(first.label, order[:4])
    assert_equal(first.image, translated(images.image[:4], (20, 20), generator))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 0}, "`batch_size = 0`"),
        ({"batch_size": 2, "epoch_size": -1}, "`epoch_size = -1`"),
        ({"batch_size": 2, "generator": None}, "`generator` should be given"),
        (
            {"batch_size": 2, "generator": None, "shuffle": False, "canvas": Canvas("centered", (9, 9))},
            "should be given",
        ),
    ],
)
def test_invalid_options_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        list(batches(numbered(5), **{"generator": seeded()} | options))


def test_images_and_labels_of_different_numbers_are_refused():
    with pytest.raises(ValueError, match="Found 2 for 3 images"):
        InMemory(torch.zeros(3, 1, 2, 2, dtype=torch.uint8), torch.arange(2))


def test_images_have_a_name_each_or_none():
    images = numbered(3)
    named = InMemory(images.image, images.label, ("a", "b", "c"))
    assert named.to("cpu").names == named.names
    assert (named + named).names == ("a", "b", "c", "a", "b", "c")
    for wrong in (lambda: named + images, lambda: InMemory(images.image, images.label, ("a",))):
        with pytest.raises(ValueError, match=r"There should be a name for each of [36] images\. Found [13]\."):
            wrong()
