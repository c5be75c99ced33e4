"""Strokes become images as MNIST's are: fitted into 20x20, centered by mass, anti-aliased, however they were drawn."""

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from foveate import from_pretrained, look, weights
from foveate.data.handwriting import INK_STYLES
from foveate.data.sources import load
from foveate.web.examples import DIGITS, example_images, strokes
from foveate.web.handwriting import draw_on_pad, write

MNIST, SMALL = INK_STYLES["mnist"], INK_STYLES["digits"]


def moved(drawing: list, scale: float, x: float, y: float) -> list:
    """The same drawing, elsewhere on the pad and of another size."""
    return [[(scale * a + x, scale * b + y) for a, b in stroke] for stroke in drawing]


def extent(image: torch.Tensor) -> tuple[int, int, int, int]:
    """First and last column and row with ink."""
    columns, rows = image[0].amax(0).nonzero().flatten(), image[0].amax(1).nonzero().flatten()
    return int(columns[0]), int(columns[-1]), int(rows[0]), int(rows[-1])


def mass(image: torch.Tensor) -> tuple[float, float]:
    """Center of mass (x, y), the middle of the first pixel being (0, 0)."""
    ink = image[0].double()
    at = torch.arange(len(ink)).double()
    return float((ink.sum(0) * at).sum() / ink.sum()), float((ink.sum(1) * at).sum() / ink.sum())


@pytest.mark.parametrize("digit", DIGITS)
def test_ink_fills_the_box_and_its_mass_is_centred(digit: str):
    image, _ = write(strokes(digit), MNIST)
    left, right, top, bottom = extent(image)
    assert max(right - left, bottom - top) + 1 == 20
    assert mass(image) == pytest.approx((14, 14), abs=0.55)  # the pixel (14, 14): whole pixels are moved, as in MNIST


@given(scale=st.floats(0.2, 1.0), x=st.floats(-0.1, 0.3), y=st.floats(-0.1, 0.3), digit=st.sampled_from(sorted(DIGITS)))
def test_where_and_how_large_one_draws_makes_no_difference(scale: float, x: float, y: float, digit: str):
    image, placed = write(strokes(digit), MNIST)
    other, replaced = write(moved(strokes(digit), scale, x, y), MNIST)
    assert (image.int() - other.int()).abs().max() <= 40  # a subpixel at an edge
    assert (image.int() - other.int()).abs().float().mean() < 1
    assert replaced.scale * scale == pytest.approx(placed.scale)
    assert replaced.pen == placed.pen


def test_placed_says_where_the_pad_has_gone():
    """The end of a stroke is found where `placed` puts it: x and y are not confused, nor is anything shifted."""
    drawing = [[(0.2, 0.3), (0.2, 0.9)], [(0.2, 0.9), (0.5, 0.9)]]
    for image, placed in (write(drawing, MNIST), write(drawing, SMALL), draw_on_pad(drawing, (30, 40))):
        for x, y in [(0.2, 0.3), (0.2, 0.6), (0.5, 0.9)]:
            column, row = placed.scale * x + placed.x0, placed.scale * y + placed.y0
            assert image[0, int(row), int(column)] > 100
        column, row = placed.scale * 0.5 + placed.x0, placed.scale * 0.3 + placed.y0
        assert image[0, int(row), min(int(column), image.shape[2] - 1)] == 0


def test_edges_are_smooth():
    image, _ = write(strokes("8"), MNIST)
    assert image.max() == 255
    between = ((image > 0) & (image < 255)).sum()
    assert 0.2 < between / (image > 0).sum() < 0.8


def test_a_dot_stays_a_dot_in_the_middle():
    for hand in (MNIST, SMALL):
        image, _ = write([[(0.9, 0.1)]], hand)
        left, right, top, bottom = extent(image)
        assert max(right - left, bottom - top) < 5
        assert (left + right + 1) / 2 == pytest.approx(hand.middle, abs=1)


def test_what_is_heavy_on_one_side_stays_whole():
    """A long thin line with a blot at its end: centered by mass it would leave the image."""
    blot = [(0.1 + 0.02 * i, 0.1 + 0.02 * j) for i in range(8) for j in range(8)]
    drawing = [blot + [(0.1, 0.1)] + [(0.1 + 0.4 * (i % 2), 0.15) for i in range(2)], [(0.1, 0.1), (0.1, 0.9)]]
    image, placed = write(drawing, MNIST)
    free = dataclasses.replace(MNIST, size=(60, 60), middle=30.5)
    whole, _ = write(drawing, free)
    assert float(image.double().sum() / whole.double().sum()) == pytest.approx(1, abs=0.02)
    assert placed.scale * 0.9 + placed.y0 + placed.pen / 2 <= 28.01


def test_the_pad_as_it_is_keeps_its_shape_on_any_image():
    image, placed = draw_on_pad([[(0, 0.5), (1, 0.5)]], (20, 50))
    assert (placed.scale, placed.x0, placed.y0) == (20, 15, 0)
    assert extent(image)[:2] == (14, 35)  # the pad and half a pen


def test_examples_are_curves_through_their_points():
    for digit, points in DIGITS.items():
        for curve, knots in zip(strokes(digit), points, strict=True):
            path = np.array(curve)
            for knot in knots:
                assert np.abs(path - np.array(knot) / 100).sum(1).min() < 1e-3
            assert np.linalg.norm(np.diff(path, axis=0), axis=1).max() < 0.06


@pytest.mark.parametrize("name", weights.list_models())
def test_shipped_models_read_every_example(name: str):
    model = from_pretrained(name)
    if name not in INK_STYLES:
        pytest.skip("A model for other canvases is tried by the tests of the page.")
    images = example_images(INK_STYLES[name])
    assert [look(model, image).answer for image in images] == list(DIGITS)


@pytest.mark.parametrize("source", ["digits", pytest.param("mnist", marks=pytest.mark.mnist)])
def test_written_digits_are_as_bright_as_real_ones(source: str):
    """As much ink, as white at the most, and the same size as the images of the data set."""
    test = load(source).test
    real = test.read(torch.arange(len(test))).double()
    written = example_images(INK_STYLES[source]).double()
    assert written.shape[1:] == real.shape[1:]
    assert float(written.mean()) == pytest.approx(float(real.mean()), rel=0.1)
    assert float(written.amax((1, 2, 3)).mean()) == pytest.approx(float(real.amax((1, 2, 3)).mean()), rel=0.05)
    sides = [max(right - left, bottom - top) + 1 for left, right, top, bottom in map(extent, real[:300])]
    mine = [max(right - left, bottom - top) + 1 for left, right, top, bottom in map(extent, written)]
    assert np.mean(mine) == pytest.approx(np.mean(sides), abs=0.2)


@pytest.mark.mnist
def test_mnist_itself_is_centred_by_mass_on_pixel_14():
    """The convention that `write` follows, read from the data: a rival, 13.5, would fail."""
    images = load("mnist").test.read(torch.arange(500))
    x, y = zip(*map(mass, images), strict=True)
    assert np.mean(x) == pytest.approx(14, abs=0.05)
    assert np.mean(y) == pytest.approx(14, abs=0.05)
    assert MNIST.middle == 14.5  # from the edge of the first pixel
