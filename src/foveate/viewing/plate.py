"""Figures drawn with pillow, for their PNG files."""

from itertools import pairwise
from typing import TYPE_CHECKING

from foveate.viewing.figure import Area, Box, Dot, Figure, Line, Mark, Pixels, Words
from foveate.viewing.ink import SMOOTH, write
from foveate.viewing.palette import DARK, LIGHT, Colour

if TYPE_CHECKING:
    from PIL.Image import Image as Picture
    from PIL.ImageDraw import ImageDraw as Pen

ZOOM = 2  # pixels of the picture for one unit of the figure
MARGIN = 32  # pixels around the figure
ANCHORS = {"start": "lm", "middle": "mm", "end": "rm"}


def to_picture(figure: Figure, *, dark: bool = False) -> "Picture":
    """A figure as a picture, twice its size with a margin, in the light theme or the dark one."""
    from PIL import Image, ImageOps

    tones = DARK if dark else LIGHT
    page = Image.new("RGB", (round(figure.width * ZOOM), round(figure.height * ZOOM)), tones["paper"])
    for mark in figure.marks:
        _draw(page, mark, tones)
    return ImageOps.expand(page, MARGIN, tones["paper"])


def _draw(page: "Picture", mark: Mark, tones: dict[str, Colour]) -> None:
    """One mark: words and pictures as they are, shapes without steps."""
    from PIL import Image, ImageDraw

    if isinstance(mark, Words):
        at = (mark.at[0] * ZOOM, mark.at[1] * ZOOM)
        write(page, at, mark.text, round(mark.size * ZOOM), tones[mark.tone], ANCHORS[mark.anchor])
        return
    if isinstance(mark, Pixels):
        x0, y0, x1, y1 = (round(value * ZOOM) for value in mark.corners)
        page.paste(mark.picture.resize((x1 - x0, y1 - y0), Image.Resampling.NEAREST), (x0, y0))
        return
    x0, y0, x1, y1 = _extent(mark)
    left, top = max(0, int(x0 * ZOOM)), max(0, int(y0 * ZOOM))
    size = min(page.width, int(x1 * ZOOM) + 2) - left, min(page.height, int(y1 * ZOOM) + 2) - top
    if min(size) <= 0:
        return
    times = ZOOM * SMOOTH
    sheet = Image.new("L", (size[0] * SMOOTH, size[1] * SMOOTH))
    _shape(ImageDraw.Draw(sheet), mark, times, (left * SMOOTH, top * SMOOTH))
    page.paste(tones[mark.tone], (left, top), sheet.reduce(SMOOTH))


def _extent(mark: Box | Line | Area | Dot) -> tuple[float, float, float, float]:
    """The smallest rectangle (x0, y0, x1, y1) that holds a shape."""
    if isinstance(mark, Box):
        (x0, y0, x1, y1), rim = mark.corners, mark.line
        return x0 - rim, y0 - rim, x1 + rim, y1 + rim
    if isinstance(mark, Dot):
        (x, y), r = mark.at, mark.radius
        return x - r, y - r, x + r, y + r
    rim = mark.width if isinstance(mark, Line) else 0
    xs, ys = zip(*mark.points, strict=True)
    return min(xs) - rim, min(ys) - rim, max(xs) + rim, max(ys) + rim


def _shape(pen: "Pen", mark: Box | Line | Area | Dot, times: int, origin: tuple[int, int]) -> None:
    """A shape, `times` as large, as how much of each pixel it covers."""
    left, top = origin

    def place(x: float, y: float) -> tuple[float, float]:
        return x * times - left, y * times - top

    full = round(255 * getattr(mark, "opacity", 1.0))
    if isinstance(mark, Box):
        corners = [place(*mark.corners[:2]), place(*mark.corners[2:])]
        corners = [corners[0], (corners[1][0] - 1, corners[1][1] - 1)]
        if mark.line:
            half = mark.line / 2 * times
            corners = [(corners[0][0] - half, corners[0][1] - half), (corners[1][0] + half, corners[1][1] + half)]
            pen.rectangle(corners, outline=full, width=round(mark.line * times))
        elif corners[1][0] >= corners[0][0] and corners[1][1] >= corners[0][1]:
            pen.rectangle(corners, fill=full)
    elif isinstance(mark, Dot):
        pen.circle(place(*mark.at), mark.radius * times, fill=full)
    elif isinstance(mark, Area):
        pen.polygon([place(*point) for point in mark.points], fill=full)
    else:
        _stroke(pen, mark, [place(*point) for point in mark.points], times)


def _stroke(pen: "Pen", mark: Line, points: list[tuple[float, float]], times: int) -> None:
    """A line; a dashed one is cut along x or y, along which it lies."""
    width = max(1, round(mark.width * times))
    if not mark.dashed:
        pen.line(points, 255, width, joint="curve")
        return
    for (x0, y0), (x1, y1) in pairwise(points):
        length = max(abs(x1 - x0), abs(y1 - y0), 1)
        for start in range(0, int(length), 8 * times):
            a, b = start / length, min(1.0, (start + 4 * times) / length)
            pen.line([(x0 + (x1 - x0) * a, y0 + (y1 - y0) * a), (x0 + (x1 - x0) * b, y0 + (y1 - y0) * b)], 255, width)
