"""A mark is in its place, in SVG and in the PNG alike."""

import io
import re
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
from PIL import Image

from foveate.viewing.axes import Axis, error_axis
from foveate.viewing.figure import Area, Box, Dot, Figure, Line, Mark, Pixels, Words
from foveate.viewing.palette import DARK, LIGHT
from foveate.viewing.plate import MARGIN, ZOOM, to_picture
from foveate.viewing.svg import data_uri, shared, to_svg


def sheet(*marks: Mark) -> Figure:
    return Figure("sheet", "A <sheet> & more.", 60, 40, marks)


def drawn(mark: Mark, tone: str) -> list[float]:
    """The rectangle (x0, y0, x1, y1) that a mark's tone fills in the PNG, in the figure's units."""
    pixels = np.asarray(to_picture(sheet(mark)), dtype=int)
    rows, columns = np.nonzero(np.abs(pixels - LIGHT[tone]).sum(-1) < 60)
    ends = columns.min(), rows.min(), columns.max() + 1, rows.max() + 1
    return [(value - MARGIN) / ZOOM for value in ends]


@pytest.mark.parametrize(
    ("mark", "corners"),
    [
        (Box((10, 5, 30, 25), "wrong"), (10, 5, 30, 25)),
        (Box((10, 5, 30, 25), "wrong", line=2), (9, 4, 31, 26)),
        (Box((10.5, 5, 11.5, 6), "wrong"), (10.5, 5, 11.5, 6)),
        (Dot((20, 20), "wrong", 6), (14, 14, 26, 26)),
        (Line([(10, 20), (40, 20)], "wrong", 4), (10, 18, 40, 22)),
        (Area([(10, 10), (30, 10), (30, 30)], "wrong", 1.0), (10, 10, 30, 30)),
    ],
)
def test_a_shape_fills_its_place(mark: Mark, corners: tuple[float, ...]) -> None:
    assert drawn(mark, "wrong") == pytest.approx(corners, abs=0.6)


def test_words_are_anchored() -> None:
    ends = {anchor: drawn(Words((30, 20), "HHH", "ink", anchor), "ink") for anchor in ("start", "middle", "end")}
    assert ends["start"][0] == pytest.approx(30, abs=1.5)
    assert ends["end"][2] == pytest.approx(30, abs=1.5)
    for x0, y0, x1, y1 in ends.values():
        assert (y0 + y1) / 2 == pytest.approx(20, abs=1.5)
        assert x1 - x0 == pytest.approx(ends["start"][2] - ends["start"][0], abs=0.6)
    assert sum(ends["middle"][::2]) / 2 == pytest.approx(30, abs=1)


def test_opacity_and_themes() -> None:
    box = sheet(Box((0, 0, 60, 40), "wrong", 0.5))
    for dark, tones in ((False, LIGHT), (True, DARK)):
        page = to_picture(box, dark=dark)
        assert page.getpixel((0, 0)) == tones["paper"]
        middle = [(a + b) / 2 for a, b in zip(tones["paper"], tones["wrong"], strict=True)]
        assert page.getpixel((MARGIN + 60, MARGIN + 40)) == pytest.approx(middle, abs=1)


def test_a_dashed_line_has_gaps() -> None:
    for dashed, least, most in ((False, 0.99, 1.0), (True, 0.4, 0.6)):
        pixels = np.asarray(to_picture(sheet(Line([(0, 20), (60, 20)], "ink", 2, dashed))), dtype=int)
        row = np.abs(pixels[MARGIN + 20 * ZOOM, MARGIN:-MARGIN] - LIGHT["ink"]).sum(-1) < 60
        assert least <= row.mean() <= most


def test_a_mark_beyond_the_sheet_is_no_fault() -> None:
    assert to_picture(sheet(Box((100, 100, 120, 120), "ink"), Dot((-50, 3), "ink"))).size == (184, 144)


def test_svg_has_the_same_places() -> None:
    marks = [
        Box((10, 5, 30, 25), "wrong", 0.5),
        Box((1, 2, 3, 5), "ink", line=2),
        Dot((20, 21), "ink", 6),
        Line([(1, 2), (3, 4.5)], "ink", dashed=True),
        Words((30, 20), "a < b", "ink", "end"),
    ]
    svg = ElementTree.fromstring(to_svg(sheet(*marks)))
    filled, outlined, dot, line, words = svg
    assert [filled.get(name) for name in ("x", "y", "width", "height", "opacity")] == ["10", "5", "20", "20", "0.5"]
    assert (filled.get("fill"), outlined.get("fill"), outlined.get("stroke")) == ("var(--wrong)", "none", "var(--ink)")
    assert [dot.get(name) for name in ("cx", "cy", "r")] == ["20", "21", "6"]
    assert (line.get("points"), line.get("stroke-dasharray")) == ("1,2 3,4.5", "4 4")
    assert (words.text, words.get("text-anchor"), words.get("x")) == ("a < b", "end", "30")
    assert svg.get("viewBox") == "0 0 60 40"
    assert svg.get("aria-label") == "A <sheet> & more."


@pytest.mark.parametrize("lossy", [False, True])
def test_a_picture_is_held_in_its_address(lossy: bool) -> None:
    import base64

    picture = Image.fromarray(np.arange(300, dtype=np.uint8).reshape(10, 10, 3))
    head, data = data_uri(picture, lossy=lossy).split(",")
    assert head == f"data:image/{'webp' if lossy else 'png'};base64"
    with Image.open(io.BytesIO(base64.b64decode(data))) as back:
        difference = np.abs(np.asarray(back.convert("RGB"), dtype=int) - np.asarray(picture, dtype=int))
    assert difference.mean() < 40 if lossy else difference.max() == 0


def test_a_shared_picture_is_put_in_its_place() -> None:
    picture = Image.new("RGB", (30, 20), (200, 10, 10))
    used = to_svg(sheet(Pixels((6, 2, 36, 12), picture, "it")))
    assert 'href="#it"' in used
    assert 'transform="translate(6 2) scale(1 0.5)"' in used
    assert re.search(r'<image id="it" width="30" height="20".*pixelated', shared("it", picture))
    assert "pixelated" not in shared("it", picture.resize((300, 200)))
    page = np.asarray(to_picture(sheet(Pixels((6, 2, 36, 12), picture))))[MARGIN:, MARGIN:]
    rows, columns = np.nonzero((page == (200, 10, 10)).all(-1))
    assert [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1] == [12, 4, 72, 24]


def test_an_axis_runs_from_end_to_end() -> None:
    for log in (False, True):
        axis = Axis(0.01, 1.0, 100, 20, log)
        assert (axis.place(0.01), axis.place(1.0)) == pytest.approx((100, 20))
        assert (axis.place(0.0), axis.place(2.0)) == pytest.approx((100, 20))
        assert all(0.01 <= value <= 1.0 for value in axis.ticks())
    assert Axis(0.01, 1.0, 100, 20, True).place(0.1) == pytest.approx(60)
    assert Axis(0.0, 10.0, 0, 1).ticks() == [0, 2, 4, 6, 8, 10]
    assert Axis(0.005, 0.9, 0, 1, True).ticks() == pytest.approx([0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5])


@pytest.mark.parametrize(
    ("errors", "log"), [([0.5, 0.4], False), ([0.9, 0.01], True), ([0.5, 0.0], True), ([0.0], True)]
)
def test_the_axis_of_errors_holds_them(errors: list[float], log: bool) -> None:
    axis = error_axis(errors, 1000, 100, 0)
    assert axis.log == log
    assert all(0 <= axis.place(error) <= 100 for error in errors)
    assert len(axis.ticks()) >= 2
