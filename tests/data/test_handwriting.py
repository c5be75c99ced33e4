"""A photographed digit becomes an image as MNIST's are, wherever on the paper it is, however large and however lit."""

import numpy as np
import pytest
import torch
from PIL import Image

from foveate import from_pretrained, look
from foveate.config import Model
from foveate.data.handwriting import (
    INK_STYLES,
    brightness_warning,
    fit_ink,
)
from foveate.data.ink import find_ink, has_bright_border, ink_warning
from foveate.data.sources import load
from foveate.training.build import Attention
from foveate.training.prepare import prepare
from foveate.viewing.look import UnfamiliarPicture
from foveate.web.examples import DIGITS, strokes
from foveate.web.handwriting import draw_on_pad
from web.asking import photograph
from web.test_handwriting import extent, mass, moved

MNIST = INK_STYLES["mnist"]
DIGIT_CLASSES = tuple("0123456789")
MODEL = Model(image=(1, 28, 28), classes=DIGIT_CLASSES, picture_size=(28, 28), handwriting="mnist")


@pytest.fixture(scope="module")
def mnist() -> Attention:
    return from_pretrained("mnist")


def photo(digit: str, scale: float = 0.5, x: float = 0.45, y: float = 0.1, pen: float = 0.045) -> np.ndarray:
    """A sheet of gray paper with dark ink somewhere on it, and noise on both."""
    ink = draw_on_pad(moved(strokes(digit), scale, x, y), (240, 320), pen)[0][0].numpy() / 255.0
    noise = np.random.default_rng(0).normal(0, 5, ink.shape)
    return (205 - 150 * ink + noise).clip(0, 255).astype(np.uint8)


def drawing(digit: str) -> np.ndarray:
    """A digit as a paint program saves it: white on black, 280 x 280 pixels."""
    return draw_on_pad(strokes(digit), (280, 280))[0][0].numpy()


@pytest.mark.parametrize("digit", DIGITS)
def test_ink_fills_the_box_and_its_mass_is_centered(digit: str):
    prepared = prepare(photo(digit), MODEL)
    left, right, top, bottom = extent(prepared.image)
    assert prepared.inverted
    assert max(right - left, bottom - top) + 1 == 20
    assert mass(prepared.image) == pytest.approx((14, 14), abs=0.55)  # moved by whole pixels, as in MNIST
    assert prepared.image.max() == 255
    assert (prepared.image == 0).float().mean() > 0.6  # the paper is black
    assert not prepared.warning


@pytest.mark.parametrize(("name", "least"), [("mnist", 10), ("digits", 9), ("translated", 10), ("cluttered60", 9)])
@pytest.mark.parametrize("kind", ["photo", "dark", "light"])
def test_shipped_models_read_written_digits_on_any_paper(name: str, least: int, kind: str):
    """Dark ink on white, white on black, and a photograph: prepared without any option."""
    model = from_pretrained(name)
    make = {"photo": photo, "dark": lambda digit: 255 - drawing(digit), "light": drawing}[kind]
    answers = [look(model, make(digit)).answer for digit in DIGITS]
    assert sum(answer == digit for answer, digit in zip(answers, DIGITS, strict=True)) >= least


WHITE, BLACK = (255, 255, 255), (0, 0, 0)


def inked(digit: str, paper: tuple[int, int, int], pen: tuple[int, int, int], size=(240, 320)) -> np.ndarray:
    """Ink of a color on paper of a color, with noise on both."""
    ink = draw_on_pad(moved(strokes(digit), 0.5, 0.45, 0.1), size, 0.045)[0][0, :, :, None].numpy() / 255.0
    noise = np.random.default_rng(0).normal(0, 2, (*size, 3))
    return (ink * pen + (1 - ink) * paper + noise).clip(0, 255).astype(np.uint8)


def lit(digit: str, light: np.ndarray) -> np.ndarray:
    """Dark ink on white paper under a light that differs from place to place, from 0 to 1."""
    return (inked(digit, (240, 240, 240), (80, 80, 80)) * light[:, :, None]).astype(np.uint8)


def transparent(digit: str, color: int) -> Image.Image:
    ink = inked(digit, BLACK, WHITE)[..., 0]
    return Image.fromarray(np.stack([np.full_like(ink, color), ink], -1), "LA")


def on_a_table(digit: str) -> np.ndarray:
    table = np.full((340, 420, 3), 50, np.uint8)
    table[50:290, 50:370] = inked(digit, (225, 225, 225), (40, 40, 40))
    return table


def squared(digit: str) -> np.ndarray:
    sheet = inked(digit, (240, 240, 240), (30, 30, 90))
    for lines in (sheet[::16], sheet[:, ::16]):
        np.minimum(lines, np.array([150, 170, 220], np.uint8), out=lines)
    return sheet


ROWS, COLUMNS = np.mgrid[:240, :320]
SHEETS = {
    "dark on gray paper": lambda digit: inked(digit, (100, 100, 100), (20, 20, 20)),
    "light on gray paper": lambda digit: inked(digit, (140, 140, 140), (250, 250, 250)),
    "yellow on white": lambda digit: inked(digit, WHITE, (255, 255, 0)),
    "red on green as bright": lambda digit: inked(digit, (0, 130, 0), (255, 0, 0)),
    "blue on black": lambda digit: inked(digit, BLACK, (20, 40, 200)),
    "light falls off": lambda digit: lit(digit, 1 - COLUMNS / 320 * 0.75),
    "a lamp": lambda digit: lit(digit, 0.4 + 0.6 * np.exp(-(((COLUMNS - 60) / 150) ** 2) - ((ROWS - 60) / 120) ** 2)),
    "a shadow": lambda digit: lit(digit, np.where(ROWS + COLUMNS > 330, 0.5, 1.0)),
    "a sheet on a table": on_a_table,
    "squared paper": squared,
    "black on transparent": lambda digit: transparent(digit, 0),
    "white on transparent": lambda digit: transparent(digit, 255),
    "1 bit": lambda digit: Image.fromarray(inked(digit, WHITE, BLACK)[..., 0] > 127),
    "16 bits": lambda digit: Image.fromarray(inked(digit, WHITE, BLACK)[..., 0].astype(np.uint16) * 257),
    "the model's own size": lambda digit: np.asarray(
        Image.fromarray(inked(digit, (110, 110, 110), (20, 20, 20), (112, 112))).resize((28, 28))
    ),
}


@pytest.mark.parametrize("kind", SHEETS)
def test_ink_is_found_on_any_paper_in_any_light(kind: str, mnist: Attention):
    digits = list(DIGITS)[::2]
    prepared = [prepare(SHEETS[kind](digit), mnist.config) for digit in digits]
    answers = mnist(torch.stack([each.image for each in prepared]), sample=False).final_logits.argmax(-1)
    assert [str(int(answer)) for answer in answers] == digits
    assert not any(each.warning for each in prepared)


def test_dark_and_light_ink_give_the_same_image():
    dark, light = prepare(255 - drawing("4"), MODEL), prepare(drawing("4"), MODEL)
    assert torch.equal(dark.image, light.image)
    assert (dark.inverted, light.inverted) == (True, False)
    assert torch.equal(prepare(255 - drawing("4"), MODEL, ink="dark").image, dark.image)
    assert not torch.equal(prepare(255 - drawing("4"), MODEL, ink="light").image, dark.image)


def test_where_it_lies_and_how_large_it_is_makes_no_difference():
    image = prepare(photo("5"), MODEL).image
    for scale, x, y in [(0.35, 0.0, 0.6), (0.8, 0.1, 0.1)]:
        other = prepare(photo("5", scale, x, y, pen=0.09 * scale), MODEL).image
        assert (image.int() - other.int()).abs().float().mean() < 8


def test_the_zoom_is_the_scale_of_the_ink():
    """The bounding box of the ink has 20 pixels in the image, and 20 / zoom in the picture."""
    picture = np.zeros((1200, 900), np.uint8)
    picture[500:900, 300:340] = 255  # 400 pixels high
    assert prepare(picture, MODEL).zoom == pytest.approx((0.05, 0.05), rel=0.05)


def test_digits_of_8x8_are_filled_and_centered_by_their_box():
    image, _ = fit_ink(find_ink(Image.fromarray(photo("1"))).strength, INK_STYLES["digits"])
    left, right, top, bottom = extent(image)
    assert (top, bottom) == (0, 7)
    assert left + right == pytest.approx(7, abs=1)


def test_an_image_of_the_models_own_size_is_not_moved():
    own = torch.randint(0, 100, (1, 28, 28), dtype=torch.uint8)
    assert torch.equal(prepare(own[0].numpy(), MODEL).image, own)
    assert torch.equal(prepare(own[0].numpy(), MODEL, ink="dark").image, 255 - own)
    assert torch.equal(prepare(255 - own[0].numpy(), MODEL).image, own)  # a bright border is paper
    assert torch.equal(prepare(own, MODEL, ink="dark").image, 255 - own)
    assert torch.equal(prepare(255 - own, MODEL).image, 255 - own)  # a tensor is taken as it is
    assert torch.equal(prepare(own / 255, MODEL, ink="dark").image, 1 - own / 255)


def test_resize_fits_the_whole_picture_instead():
    picture = np.zeros((56, 112), np.uint8)
    picture[10:30, 20:40] = 255
    image = prepare(picture, MODEL, resize="stretch").image
    assert extent(image) == (4, 10, 4, 15)  # 5..10 across and 5..15 down, and a soft edge


@pytest.mark.parametrize("value", [0, 128, 255])
def test_paper_without_ink_is_said_so(value: int):
    prepared = prepare(np.full((50, 40), value, np.uint8), MODEL)
    assert not prepared.image.any()
    assert "No ink stands out" in prepared.warning


def test_noise_is_no_ink():
    noise = np.random.default_rng(0).normal(200, 4, (100, 100)).astype(np.uint8)
    assert "No ink stands out" in prepare(noise, MODEL).warning


def test_a_photograph_of_something_else_is_warned_about():
    with pytest.warns(UnfamiliarPicture, match="does not look like a digit on plain paper"):
        seen = look(from_pretrained("digits"), photograph())
    assert "does not look like" in seen.warning


def test_an_image_brighter_than_any_of_the_data_is_warned_about():
    assert "brighter than any of `mnist`" in prepare(torch.full((1, 28, 28), 200, dtype=torch.uint8), MODEL).warning
    assert "darker than any of `mnist`" in prepare(torch.full((1, 28, 28), 0.01), MODEL).warning
    assert not prepare(torch.full((1, 28, 28), 0.2), MODEL).warning


@pytest.mark.parametrize("source", ["digits", pytest.param("mnist", marks=pytest.mark.mnist)])
def test_no_image_of_the_data_is_warned_about(source: str):
    test = load(source).test
    for image in test.read(torch.arange(min(len(test), 1000))):
        assert not brightness_warning(image, INK_STYLES[source], source)
        assert not has_bright_border(Image.fromarray(image[0].numpy()))


def test_ink_that_covers_the_border_is_not_handwriting():
    sheet = np.zeros((50, 50))
    sheet[:, :20] = 200
    assert "border would be ink" in ink_warning(sheet)
    sheet[:, :20] = 0
    sheet[:, 22:25] = 200  # a one from edge to edge
    assert not ink_warning(sheet)


def test_blots_and_sheets_are_not_handwriting():
    sheet = np.zeros((100, 100))
    sheet[4:96, 30:70] = sheet[30:70, 4:96] = 200
    sheet[20:80, 20:80] = 200
    assert "more than 50% of the picture" in ink_warning(sheet)
    corner = np.zeros((100, 100))
    corner[10:60, 10:32] = corner[38:60, 10:60] = 200
    assert "too wide" in ink_warning(corner)
    corner[10:60, 10:60] = 200
    assert "one filled box" in ink_warning(corner)


def test_a_color_model_of_handwriting_gets_three_channels():
    model = Model(image=(3, 28, 28), classes=DIGIT_CLASSES, picture_size=(28, 28), handwriting="mnist")
    image = prepare(photo("3"), model).image
    assert image.shape == (3, 28, 28)
    assert torch.equal(image[0], image[2])


@pytest.mark.mnist
def test_an_enlarged_image_of_mnist_comes_back():
    """Fitted and centered as MNIST's makers did: another box, or another middle, would move it."""
    images = load("mnist").test.read(torch.arange(100))
    apart = []
    for image in images:
        large = image[0].repeat_interleave(8, 0).repeat_interleave(8, 1)
        sheet = torch.zeros(400, 500, dtype=torch.uint8)
        sheet[100:324, 250:474] = large
        apart.append((prepare(sheet.numpy(), MODEL).image.int() - image.int()).abs().float().mean())
    assert float(np.median(apart)) < 8
