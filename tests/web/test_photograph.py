"""A photographed digit becomes an image as MNIST's are, wherever on the paper it is, however large and however lit."""

import numpy as np
import pytest
import torch
from PIL import Image

from foveate import from_pretrained, look
from foveate.data.sources import load
from foveate.web.examples import DIGITS, strokes
from foveate.web.handwriting import HANDS, trace
from foveate.web.photograph import written
from foveate.web.upload import fit
from web.asking import encoded
from web.test_handwriting import extent, mass, moved

MNIST = HANDS["mnist"]


def photo(digit: str, scale: float = 0.5, x: float = 0.45, y: float = 0.1, pen: float = 0.045) -> np.ndarray:
    """A sheet of grey paper with dark ink somewhere on it, and noise on both."""
    ink = trace(moved(strokes(digit), scale, x, y), (240, 320), pen)[0][0].numpy() / 255.0
    noise = np.random.default_rng(0).normal(0, 5, ink.shape)
    return (205 - 150 * ink + noise).clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize("digit", DIGITS)
def test_ink_fills_the_box_and_its_mass_is_centred(digit: str):
    image, inverted = fit(encoded(photo(digit)), (1, 28, 28), None, MNIST)
    left, right, top, bottom = extent(image)
    assert inverted
    assert max(right - left, bottom - top) + 1 == 20
    assert mass(image) == pytest.approx((14, 14), abs=0.55)  # whole pixels are moved, as in MNIST
    assert image.max() == 255
    assert (image == 0).float().mean() > 0.6  # the paper is black


@pytest.mark.parametrize(("name", "right"), [("mnist", 10), ("digits", 9)])
def test_shipped_models_read_photographed_digits(name: str, right: int):
    model, shape = from_pretrained(name), (1, *HANDS[name].size)
    read = [look(model, fit(encoded(photo(digit)), shape, None, HANDS[name])[0]).answer for digit in DIGITS]
    assert sum(answer == digit for answer, digit in zip(read, DIGITS, strict=True)) >= right


def test_where_it_lies_and_how_large_it_is_makes_no_difference():
    image = written(Image.fromarray(255 - photo("5")), MNIST)
    for scale, x, y in [(0.35, 0.0, 0.6), (0.8, 0.1, 0.1)]:
        other = written(Image.fromarray(255 - photo("5", scale, x, y, pen=0.09 * scale)), MNIST)
        assert (image.int() - other.int()).abs().float().mean() < 8


def test_digits_of_8x8_are_filled_and_centred_by_their_box():
    image = written(Image.fromarray(255 - photo("1")), HANDS["digits"])
    left, right, top, bottom = extent(image)
    assert (top, bottom) == (0, 7)
    assert left + right == pytest.approx(7, abs=1)


def test_an_image_of_the_models_own_size_is_taken_as_it_is():
    own = torch.randint(0, 100, (1, 28, 28), dtype=torch.uint8)
    assert torch.equal(fit(encoded(own[0].numpy()), (1, 28, 28), False, MNIST)[0], own)
    assert torch.equal(fit(encoded(own[0].numpy()), (1, 28, 28), True, MNIST)[0], 255 - own)


def test_without_ink_there_is_nothing():
    assert not written(Image.new("L", (50, 40)), MNIST).any()


def test_a_colour_model_of_handwriting_gets_three_channels():
    image, _ = fit(encoded(photo("3")), (3, 28, 28), None, MNIST)
    assert image.shape == (3, 28, 28)
    assert torch.equal(image[0], image[2])


@pytest.mark.mnist
def test_an_enlarged_image_of_mnist_comes_back():
    """Fitted and centred as MNIST's makers did: another box, or another middle, would move it."""
    images = load("mnist").test.read(torch.arange(100))
    apart = []
    for image in images:
        large = image[0].repeat_interleave(8, 0).repeat_interleave(8, 1)
        sheet = torch.zeros(400, 500, dtype=torch.uint8)
        sheet[100:324, 250:474] = large
        apart.append((written(Image.fromarray(sheet.numpy()), MNIST).int() - image.int()).abs().float().mean())
    assert float(np.median(apart)) < 8
