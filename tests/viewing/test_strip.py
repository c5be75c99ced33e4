"""The figures of a look: boxes at known locations are at known places of the page."""

import xml.etree.ElementTree as ElementTree

import pytest
import torch

from foveate.viewing.scene import BORDER
from foveate.viewing.strip import PATH_ROOM, path_figure, step_figure
from foveate.viewing.svg import to_svg
from viewing.tiny import tiny_look

BLACK = torch.zeros(1, 20, 30, dtype=torch.uint8)


def boxes(svg: str, tone: str) -> list[tuple[float, ...]]:
    """The rectangles (x0, y0, x1, y1) of a tone."""
    found = []
    for box in ElementTree.fromstring(svg).iter("rect"):
        if box.get("stroke") == f"var(--{tone})":
            x, y, width, height = (float(box.get(name, "")) for name in ("x", "y", "width", "height"))
            found.append((x, y, x + width, y + height))
    return found


def test_every_scale_has_its_box_in_its_place() -> None:
    """On an image of 20x30 pixels, windows of 4 and 8 around (0.5, 0): what lies beyond the image is not shown here."""
    look = tiny_look(BLACK, [(0.0, 0.0), (0.5, 0.0)], ((4, 4), (8, 8)))
    svg = to_svg(step_figure(look, 1, "it"))
    zoom = 104 / 30
    for scale in range(2):
        x0, y0, x1, y1 = (value * zoom + BORDER for value in look.boxes[1, scale].tolist())
        assert boxes(svg, f"scale{scale}") == [pytest.approx((x0, y0, x1, y1), abs=0.01)]


def test_what_lies_beyond_the_image_moves_the_boxes() -> None:
    look = tiny_look(BLACK, [(-1.0, -1.0)], ((4, 4),))  # one pixel beyond the left and the top
    assert look.boxes[0, 0].tolist()[:2] == [-1, -1]
    (corners,) = boxes(to_svg(step_figure(look, 0, "it")), "scale0")
    zoom = 104 / 32
    assert corners == pytest.approx((BORDER, BORDER, BORDER + 4 * zoom, BORDER + 4 * zoom), abs=0.01)


def test_the_path_is_numbered_at_its_places() -> None:
    look = tiny_look(BLACK, [(-0.8, -0.8), (0.8, 0.8), (0.8, 0.8)])
    svg = ElementTree.fromstring(to_svg(path_figure(look, "it")))
    words = {text.text: (float(text.get("x", "")), float(text.get("y", ""))) for text in svg.iter("text")}
    assert set(words) == {"1", "2, 3"}
    zoom = PATH_ROOM / 30
    for numbers, step in (("1", 0), ("2, 3", 1)):
        x0, y0, x1, y1 = look.boxes[step, 0].tolist()
        assert words[numbers] == pytest.approx(((x0 + x1) / 2 * zoom + BORDER, (y0 + y1) / 2 * zoom + BORDER), abs=0.01)


def test_badges_that_would_touch_are_one() -> None:
    """Also where only the longer pill of several numbers reaches the next."""
    look = tiny_look(BLACK, [(-0.5, 0.0), (-0.45, 0.0), (-0.4, 0.0), (-0.15, 0.0), (0.9, 0.9)])
    svg = ElementTree.fromstring(to_svg(path_figure(look, "it")))
    assert [text.text for text in svg.iter("text")] == ["1-4", "5"]
