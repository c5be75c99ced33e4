"""What is drawn is where it should be: pixels are read back from the panels."""

import numpy as np
import pytest
import torch
from PIL.Image import Image

from foveate.viewing.palette import BEYOND, PATH, scale_colour
from foveate.viewing.scene import (
    BORDER,
    Frame,
    draw_boxes,
    draw_numbered_path,
    draw_path,
    roomy_frame,
    scene,
    snug_frame,
)
from viewing.tiny import tiny_look

BLACK = torch.zeros(1, 20, 30, dtype=torch.uint8)


def extent(panel: Image, colour: tuple[int, int, int]) -> list[int]:
    """The smallest rectangle (x0, y0, x1, y1) that holds all pixels of a colour."""
    rows, columns = np.nonzero((np.asarray(panel) == colour).all(-1))
    return [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]


@pytest.mark.parametrize(
    ("location", "expected"),
    [((0.0, 0.0), [13, 8, 17, 12]), ((0.5, 0.0), [20, 8, 24, 12]), ((0.0, 0.5), [13, 12, 17, 16])],
)
@pytest.mark.parametrize("colour", [1, 3])
def test_a_box_is_drawn_around_its_pixels(location: tuple[float, float], expected: list[int], colour: int) -> None:
    """Its line, 4 pixels wide, runs along the edge of the window's pixels: as far outside as inside."""
    look = tiny_look(BLACK.expand(colour, 20, 30), [location])
    frame = Frame((20, 30), (0, 0), 10.0)
    panel = scene(look, frame)
    draw_boxes(panel, look, 0, frame)
    x0, y0, x1, y1 = (10 * side + BORDER for side in expected)
    assert look.boxes[0, 0].tolist() == expected
    assert extent(panel, scale_colour(0)) == [x0 - 2, y0 - 2, x1 + 2, y1 + 2]
    inside = np.asarray(panel)[y0 + 3 : y1 - 3, x0 + 3 : x1 - 3]
    assert inside.max() == 0


def test_all_scales_are_drawn_each_in_its_colour() -> None:
    look = tiny_look(BLACK, [(0.0, 0.0)], ((4, 4), (8, 8), (16, 16)))
    frame = roomy_frame([look], 200)
    panel = scene(look, frame)
    draw_boxes(panel, look, 0, frame)
    for scale, half in enumerate((2, 1, 1)):
        x0, y0, x1, y1 = look.boxes[0, scale].tolist()
        (left, top), (right, bottom) = frame.place((x0, y0)), frame.place((x1, y1))
        assert extent(panel, scale_colour(scale)) == [left - half, top - half, right + half, bottom + half]


def test_only_the_boxes_of_the_step_are_drawn() -> None:
    look = tiny_look(BLACK, [(-0.5, 0.0), (0.5, 0.0)])
    frame = Frame((20, 30), (0, 0), 10.0)
    panel = scene(look, frame)
    draw_boxes(panel, look, 1, frame)
    assert extent(panel, scale_colour(0))[0] == look.boxes[1, 0, 0] * 10 + BORDER - 2


@pytest.mark.parametrize("zoom", [7.0, 0.5])
def test_the_image_is_shown_in_its_place(zoom: float) -> None:
    image = torch.full((3, 20, 30), 40, dtype=torch.uint8)
    image[:, 10:, 20:] = torch.tensor([200, 100, 50], dtype=torch.uint8).view(3, 1, 1)
    frame = Frame((20, 30), (4, 2), zoom)
    panel = scene(tiny_look(image, [(0.0, 0.0)]), frame)
    (left, top), (right, bottom) = frame.place((20, 10)), frame.place((30, 20))
    assert extent(panel, (200, 100, 50)) == [left, top, right, bottom]
    assert panel.size == (38 * zoom + 2 * BORDER, 24 * zoom + 2 * BORDER)
    assert panel.getpixel((0, 0)) == BEYOND


def test_pixels_stay_crisp() -> None:
    image = torch.arange(6, dtype=torch.uint8).view(1, 2, 3) * 50
    panel = np.asarray(scene(tiny_look(image, [(0.0, 0.0)]), Frame((2, 3), (0, 0), 9.0)))[
        BORDER:-BORDER, BORDER:-BORDER
    ]
    assert np.array_equal(panel[..., 0], np.kron(image[0].numpy(), np.ones((9, 9))))


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_the_path_ends_at_the_glimpse(steps: int) -> None:
    look = tiny_look(BLACK, [(-0.5, -0.5), (0.5, -0.5), (0.5, 0.5)])
    frame = Frame((20, 30), (0, 0), 10.0)
    panel = scene(look, frame)
    draw_path(panel, look, steps, frame)
    x0, y0, x1, y1 = extent(panel, PATH)
    points = [frame.place(((a + c) / 2, (b + d) / 2)) for a, b, c, d in look.boxes[:steps, 0].tolist()]
    assert panel.getpixel((int(points[-1][0]), int(points[-1][1]))) == PATH
    assert x0 == pytest.approx(min(x for x, _ in points), abs=5)
    assert x1 == pytest.approx(max(x for x, _ in points), abs=5)
    assert y0 == pytest.approx(min(y for _, y in points), abs=5)
    assert y1 == pytest.approx(max(y for _, y in points), abs=5)


def test_badges_stay_on_the_panel() -> None:
    """In the corners too: a badge has a light rim all around."""
    look = tiny_look(BLACK, [(-1.0, -1.0), (1.0, 1.0)], ((1, 1),))
    frame = snug_frame(look, 300)
    panel = scene(look, frame)
    draw_numbered_path(panel, look, frame)
    pixels = np.asarray(panel)
    assert (pixels[0, 11:13] == 255).all()
    assert (pixels[-1, -13:-11] == 255).all()


@pytest.mark.parametrize(("windows", "beyond"), [(((4, 4),), (1, 1)), (((16, 16),), (6, 4)), (((2, 8),), (3, 0))])
def test_a_frame_shows_what_lies_beyond_up_to_a_fifth(
    windows: tuple[tuple[int, int], ...], beyond: tuple[int, int]
) -> None:
    look = tiny_look(BLACK, [(0.0, 0.0), (1.0, 1.0)], windows)
    assert roomy_frame([look], 200).beyond == beyond
