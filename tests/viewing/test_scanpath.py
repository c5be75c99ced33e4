"""The whole picture: every shape of image, glimpse and answer can be drawn, the same every time."""

import numpy as np
import pytest
import torch
from PIL.Image import Image

from foveate.viewing.look import look
from foveate.viewing.palette import FAINT, RIGHT, WRONG, scale_colour
from foveate.viewing.panels import BAR, bars, leading, stack, verdict
from foveate.viewing.scanpath import picture
from viewing.tiny import CLASSES, tiny_look, tiny_model

IMAGE = torch.zeros(1, 20, 30, dtype=torch.uint8)


def pixels(page: Image, colour: tuple[int, int, int]) -> int:
    return int((np.asarray(page) == colour).all(-1).sum())


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 30, 90), (1, 90, 30), (3, 300, 400), (1, 1, 1), (2, 5, 5)])
@pytest.mark.parametrize("depth", [1, 3, 6])
def test_every_shape_can_be_drawn(shape: tuple[int, int, int], depth: int) -> None:
    seen = look(tiny_model(shape, depth=depth, num_glimpses=2), torch.rand(shape), label="dog")
    page = picture(seen)
    assert page.mode == "RGB"
    assert all(pixels(page, scale_colour(scale)) for scale in range(depth))
    assert page.width < 1500


def test_many_glimpses_take_more_rows_not_a_wider_page() -> None:
    model, image = tiny_model(), torch.rand(1, 20, 30)
    eight, twenty = (picture(look(model, image, num_glimpses=n)) for n in (8, 20))
    assert twenty.width == eight.width
    assert twenty.height > 2 * eight.height


def test_looks_are_rows() -> None:
    model = tiny_model()
    looks = [look(model, torch.rand(1, 20, 30)) for _ in range(3)]
    two, three = picture(looks[:2]), picture(looks)
    assert three.width == two.width
    assert three.height > 1.4 * two.height
    with pytest.raises(ValueError, match="at least one look"):
        picture([])


def test_looks_at_images_of_several_sizes_each_have_their_frame() -> None:
    wide = look(tiny_model(), torch.rand(1, 20, 30))
    tall = look(tiny_model((3, 40, 20)), torch.rand(3, 40, 20))
    tall_rows, wide_rows, mixed = picture([tall, tall]), picture([wide, wide]), picture([wide, tall])
    assert 2 * mixed.height == tall_rows.height + wide_rows.height


def test_the_same_look_is_the_same_picture() -> None:
    seen = look(tiny_model(depth=2), torch.rand(1, 20, 30))
    assert picture(seen).tobytes() == picture(seen).tobytes()


def test_a_name_in_another_script_or_very_long_can_be_drawn() -> None:
    classes = ("Bärin", "猫", "a cat that sat on the mat and looked at the rat")
    seen = tiny_look(IMAGE, [(0.0, 0.0)], classes=classes, label="猫", name="long name " * 9)
    assert picture(seen).width < 1000


def test_patches_stand_side_by_side_fine_first() -> None:
    glimpses = torch.tensor([0.2, 0.4, 0.6]).view(1, 3, 1, 1, 1).expand(1, 3, 1, 4, 4)
    seen = tiny_look(IMAGE, [(0.0, 0.0)], ((4, 4), (8, 8), (16, 16)), glimpses=glimpses)
    sheet = np.asarray(stack(seen, 0, 200))
    greys = [value for value in sheet[sheet.shape[0] // 2, :, 0].tolist() if value in (51, 102, 153)]
    assert list(dict.fromkeys(greys)) == [51, 102, 153]
    assert greys.count(51) == greys.count(102) == greys.count(153) == 52
    assert sheet.shape[1] <= 200


def test_bug_17_colour_patches_keep_their_colour() -> None:
    glimpses = torch.tensor([1.0, 0.2, 0.0]).view(1, 1, 3, 1, 1).expand(1, 1, 3, 4, 4)
    seen = tiny_look(IMAGE.expand(3, 20, 30), [(0.0, 0.0)], glimpses=glimpses)
    assert pixels(stack(seen, 0, 200), (255, 51, 0)) == 88 * 88


@pytest.mark.parametrize("probability", [0.1, 0.5, 0.9])
def test_a_bar_is_as_long_as_the_probability(probability: float) -> None:
    seen = tiny_look(IMAGE, [(0.0, 0.0)], probabilities=torch.tensor([[probability, 1 - probability, 0.0]]))
    sheet = np.asarray(bars(seen, 0, 3, 300))
    middle = sheet[leading(seen, 3).index(0) * BAR + BAR // 2, :, 0]
    track = np.flatnonzero(sheet[leading(seen, 3).index(2) * BAR + BAR // 2, :, 0] == FAINT[0])  # the empty bar
    filled = (middle[track[0] : track[-1]] < FAINT[0]).sum()
    assert filled / len(track) == pytest.approx(probability, abs=0.02)


def test_the_leading_classes_hold_the_answer_and_the_label() -> None:
    probabilities = torch.tensor([[0.9, 0.0, 0.05, 0.05], [0.1, 0.0, 0.3, 0.6]])
    seen = tiny_look(IMAGE, [(0.0, 0.0)] * 2, classes=("a", "b", "c", "d"), probabilities=probabilities, label="b")
    assert leading(seen, 2) == [3, 1]
    assert leading(seen, 3) == [3, 0, 1]
    assert leading(seen, 9) == [3, 2, 0, 1]
    assert seen.probabilities.equal(probabilities)


@pytest.mark.parametrize(
    ("label", "right", "wrong"), [("dog", True, False), ("cat", False, True), (None, False, False)]
)
def test_right_and_wrong_are_told_by_shape_and_word(label: str | None, right: bool, wrong: bool) -> None:
    sheet = verdict(tiny_look(IMAGE, [(0.0, 0.0)], label=label), 300)
    assert (pixels(sheet, RIGHT) > 50) == right
    assert (pixels(sheet, WRONG) > 50) == wrong


def test_right_and_wrong_differ_without_colour() -> None:
    sheets = (verdict(tiny_look(IMAGE, [(0.0, 0.0)], label=label), 300) for label in (CLASSES[1], CLASSES[0]))
    tick, cross = (np.asarray(sheet.convert("L")) for sheet in sheets)
    assert ((tick < 200) != (cross < 200))[:40, :36].mean() > 0.1
