"""Scanpaths: windows, patches and bars lie where the look says; every shape of image and name can be drawn."""

from typing import Any

import numpy as np
import pytest
import torch
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from foveate.viewing.look import look
from foveate.viewing.record import Look
from foveate.viewing.scanpath import (
    Bars,
    draw_patches,
    draw_verdict,
    gather,
    plot_glimpse,
    plot_looks,
    plot_paths,
    plot_scanpath,
    view_of,
)
from foveate.viewing.style import FAINT, RIGHT, WRONG, figure_of, scale_color, sheet
from viewing.tiny import CLASSES, tiny_look, tiny_model

IMAGE = torch.zeros(1, 20, 30, dtype=torch.uint8)
LONG = "a cat that sat on the mat and looked at the rat and at the other rat"


def count(page: np.ndarray, color: str) -> int:
    """Pixels of this color."""
    return int((abs(page - 255 * np.array(to_rgb(color))) < 3).all(-1).sum())


def drawn(axes: Axes) -> np.ndarray:
    """The pixels of the figure of axes."""
    return figure_of(axes).pixels().astype(int)


def words(figure: Figure) -> list[str]:
    """The texts of a figure."""
    return [text.get_text() for axes in figure.axes for text in axes.texts]


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 30, 90), (1, 90, 30), (3, 300, 400), (1, 1, 1), (2, 5, 5)])
@pytest.mark.parametrize("depth", [1, 6])
def test_every_shape_can_be_drawn(shape: tuple[int, int, int], depth: int) -> None:
    seen = look(tiny_model(shape, depth=depth, num_glimpses=2), torch.rand(shape), label="dog")
    figure = plot_looks(seen)
    page = figure.pixels().astype(int)
    assert all(count(page, scale_color(scale)) for scale in range(depth))
    assert page.shape[1] < 1500
    inside(figure)


def inside(figure: Figure) -> None:
    """Every text lies on the page."""
    page = figure.bbox
    for axes in figure.axes:
        for text in axes.texts:
            box = text.get_window_extent()
            assert box.x0 >= -1
            assert box.x1 <= page.width + 1, text.get_text()
            assert box.y0 >= -1
            assert box.y1 <= page.height + 1, text.get_text()


def test_pixels_of_an_image_are_crisp() -> None:
    """Every pixel of the image is a square of whole pixels of the picture."""
    image = torch.tensor([[[0, 255] * 4, [255, 0] * 4] * 4], dtype=torch.uint8)
    seen = tiny_look(image, [(-1.0, -1.0)])
    page = drawn(plot_scanpath(seen, room=80))[..., 0]
    board = page[:80, :80].reshape(8, 10, 8, 10).swapaxes(1, 2)
    squares = [(row, column) for row in range(3, 8) for column in range(2, 8)]  # away from the path
    for row, column in squares:
        assert (board[row, column] == 255 * ((row + column) % 2)).all()


def test_many_glimpses_take_more_rows_not_a_wider_page() -> None:
    model, image = tiny_model(), torch.rand(1, 20, 30)
    eight, twenty = (plot_looks(look(model, image, num_glimpses=n)).pixels() for n in (8, 20))
    assert twenty.shape[1] == eight.shape[1]
    assert twenty.shape[0] > 2 * eight.shape[0]


def test_looks_are_rows() -> None:
    model = tiny_model()
    looks = [look(model, torch.rand(1, 20, 30)) for _ in range(3)]
    two, three = plot_looks(looks[:2]).pixels(), plot_looks(looks).pixels()
    assert three.shape[1] == two.shape[1]
    assert three.shape[0] > 1.4 * two.shape[0]
    with pytest.raises(ValueError, match="at least one look"):
        plot_looks([])


def test_the_same_look_is_the_same_picture() -> None:
    seen = look(tiny_model(depth=2), torch.rand(1, 20, 30))
    assert plot_looks(seen).encode("png") == plot_looks(seen).encode("png")


@pytest.mark.filterwarnings("ignore:Glyph")  # where no typeface of the system has it
@pytest.mark.parametrize("num_looks", [1, 5])
def test_long_names_and_other_scripts_fit(num_looks: int) -> None:
    classes = ("Bärin $x$", "猫", LONG)
    probabilities = torch.tensor([[0.1, 0.2, 0.7]])
    about: dict[str, Any] = {"classes": classes, "probabilities": probabilities, "name": "long name " * 9}
    seen = tiny_look(IMAGE, [(0.0, 0.0)], label="猫", original=(9, 9), zoom=(0.5, 0.5), **about)
    for figure in (plot_looks([seen] * num_looks), plot_paths([seen] * num_looks)):
        inside(figure)
        assert not overlapping(figure)
        assert any("wrong: it is 猫" in text for text in words(figure))
    assert any("Bärin $x$" in text for text in words(plot_looks(seen)))


def overlapping(figure: Figure) -> list[tuple[str, str]]:
    """Pairs of texts that cover each other."""
    texts = [text for axes in figure.axes for text in axes.texts if text.get_text()]
    boxes = [text.get_window_extent() for text in texts]
    pairs = []
    for i, box in enumerate(boxes):
        for j in range(i):
            across = min(box.x1, boxes[j].x1) - max(box.x0, boxes[j].x0)
            down = min(box.y1, boxes[j].y1) - max(box.y0, boxes[j].y0)
            if across > 1 and down > 3:
                pairs.append((texts[i].get_text(), texts[j].get_text()))
    return pairs


@pytest.mark.parametrize("num_glimpses", [1, 4, 9])
def test_no_number_covers_the_image_or_another(num_glimpses: int) -> None:
    draws = torch.Generator().manual_seed(num_glimpses)
    places = (torch.rand(num_glimpses, 2, generator=draws) * 2 - 1).tolist()
    axes = plot_scanpath(tiny_look(IMAGE, [(x, y) for x, y in places]))
    numbers = [text for text in axes.texts if text.get_text()]
    assert not overlapping(figure_of(axes))
    assert all(text.get_window_extent().x0 > axes.bbox.x1 for text in numbers)
    told = ", ".join(text.get_text() for text in numbers)
    assert len(told.replace("-", ", ").split(", ")) <= num_glimpses
    inside(figure_of(axes))


def test_close_glimpses_share_a_number() -> None:
    axes = plot_scanpath(tiny_look(IMAGE, [(0.0, 0.0), (0.0, 0.01), (0.9, 0.9), (0.0, 0.0)]))
    assert sorted(text.get_text() for text in axes.texts if text.get_text()) == ["1, 2, 4", "3"]
    assert gather([(0.0, 0.0), (5.0, 0.0)], 4.9) == [((0.0, 0.0), [1]), ((5.0, 0.0), [2])]


def test_it_draws_on_the_axes_of_a_user() -> None:
    figure = Figure()
    axes = figure.add_subplot()
    seen = tiny_look(IMAGE, [(0.0, 0.0)] * 2)
    assert plot_scanpath(seen, axes) is axes
    assert plot_glimpse(seen, 1, figure.add_subplot()) in figure.axes


def test_windows_lie_where_the_boxes_are() -> None:
    seen = tiny_look(IMAGE, [(-1.0, 1.0), (0.5, 0.0)], ((4, 4), (8, 12)))
    axes = plot_glimpse(seen, 1)
    drawn_boxes = [list(patch.get_bbox().extents) for patch in reversed(axes.patches)]
    assert drawn_boxes == seen.boxes[1].tolist()
    (x0, y0, x1, y1), zoom = view_of([seen], 300)
    assert (axes.get_xlim(), axes.get_ylim()) == ((x0, x1), (y1, y0))
    assert (x0, y0, x1, y1) == (-5, -3, 35, 23)  # what windows cover beyond the image, up to a fifth of a side
    assert zoom == 8


def test_patches_stand_side_by_side_fine_first() -> None:
    glimpses = torch.tensor([0.2, 0.4, 0.6]).view(1, 3, 1, 1, 1).expand(1, 3, 1, 4, 4)
    seen = tiny_look(IMAGE, [(0.0, 0.0)], ((4, 4), (8, 8), (16, 16)), glimpses=glimpses)
    figure, canvas = sheet(200, 100)
    draw_patches(canvas, seen, 0, 0, 0, 200)
    grays = [value for value in figure.pixels()[30, :, 0].tolist() if value in (51, 102, 153)]
    assert list(dict.fromkeys(grays)) == [51, 102, 153]
    assert grays.count(51) == grays.count(102) == grays.count(153) == 52


def test_bug_17_color_patches_keep_their_color() -> None:
    glimpses = torch.tensor([1.0, 0.2, 0.0]).view(1, 1, 3, 1, 1).expand(1, 1, 3, 4, 4)
    seen = tiny_look(IMAGE.expand(3, 20, 30), [(0.0, 0.0)], glimpses=glimpses)
    figure, canvas = sheet(200, 100)
    draw_patches(canvas, seen, 0, 0, 0, 200)
    assert (figure.pixels() == (255, 51, 0)).all(-1).sum() == 80 * 80


@pytest.mark.parametrize("names", [CLASSES, ("cats", "dogs and owls", LONG)])
@pytest.mark.parametrize("probability", [0.1, 0.5, 0.9])
def test_a_bar_is_as_long_as_the_probability(names: tuple[str, ...], probability: float) -> None:
    shares = torch.tensor([[probability, 1 - probability, 0.0]])
    seen = tiny_look(IMAGE, [(0.0, 0.0)], probabilities=shares, classes=names)
    figure, canvas = sheet(300, 140)
    bars = Bars(canvas, seen, 3, 0, 0, 300)
    bars.show(shares[0])
    page = figure.pixels().astype(int)
    bar = bars.bars[seen.leading(3).index(0)]
    row = page[round(bar.get_y() + bar.get_height() / 2), :, 0]
    track = page[round(bars.bars[seen.leading(3).index(2)].get_y() + 4), :, 0] == round(255 * to_rgb(FAINT)[0])
    assert (row[track] < 200).sum() / track.sum() == pytest.approx(probability, abs=0.02)
    inside(figure)
    assert not overlapping(figure)


def test_the_leading_classes_hold_the_answer_and_the_label() -> None:
    probabilities = torch.tensor([[0.9, 0.0, 0.05, 0.05], [0.1, 0.0, 0.3, 0.6]])
    seen = tiny_look(IMAGE, [(0.0, 0.0)] * 2, classes=("a", "b", "c", "d"), probabilities=probabilities, label="b")
    assert seen.leading(2) == [3, 1]
    assert seen.leading(3) == [3, 0, 1]
    assert seen.leading(9) == [3, 2, 0, 1]
    assert seen.probabilities.equal(probabilities)


def verdict(seen: Look) -> np.ndarray:
    """The pixels of an answer."""
    figure, canvas = sheet(300, 120)
    draw_verdict(canvas, seen, 0, 0, 300)
    return figure.pixels().astype(int)


@pytest.mark.parametrize(
    ("label", "right", "wrong"), [("dog", True, False), ("cat", False, True), (None, False, False)]
)
def test_right_and_wrong_are_told_by_shape_and_word(label: str | None, right: bool, wrong: bool) -> None:
    page = verdict(tiny_look(IMAGE, [(0.0, 0.0)], label=label))
    assert (count(page, RIGHT) > 20) == right
    assert (count(page, WRONG) > 20) == wrong


def test_right_and_wrong_differ_without_color() -> None:
    tick, cross = (verdict(tiny_look(IMAGE, [(0.0, 0.0)], label=CLASSES[i])).mean(-1) for i in (1, 0))
    assert ((tick < 200) != (cross < 200))[:44, :36].mean() > 0.08
