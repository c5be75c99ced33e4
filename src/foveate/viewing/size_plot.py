"""The cost of looking as images grow: a plot of time and memory an image, each relative to the smallest image."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from foveate.training.timing import Line
from foveate.viewing.ink import write

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

SIZE = (640, 360)
FRAME = (60, 50, 600, 300)  # left, top, right, bottom
TOP = 2.0  # the highest ratio that is shown
COLOURS = ((31, 119, 180), (214, 39, 40))


def size_plot(lines: Sequence[Line]) -> "Picture":
    """The lines of the topic `size`, one curve for each thing measured; values beyond the frame lie on its edge."""
    from PIL import Image, ImageDraw

    page = Image.new("RGB", SIZE, "white")
    pen = ImageDraw.Draw(page)
    left, top, right, bottom = FRAME
    pen.rectangle(FRAME, outline=(160, 160, 160))
    for ratio in (0.0, 0.5, 1.0, 1.5, 2.0):
        pen.line((left, _height(ratio), right, _height(ratio)), (225, 225, 225))
        write(page, (left - 8, _height(ratio)), f"{ratio:g}", 12, anchor="rm")
    kinds = list(dict.fromkeys(line.measures for line in lines))
    for colour, kind in zip(COLOURS, kinds, strict=False):
        curve = [line for line in lines if line.measures == kind]
        values = [1.0, *(line.value for line in curve)]
        names = [curve[0].against.split()[0], *(line.case.split()[0] for line in curve)]
        places = [left + (right - left) * at / (len(values) - 1) for at in range(len(values))]
        points = list(zip(places, map(_height, values), strict=True))
        pen.line(points, colour, 2)
        for (x, y), name in zip(points, names, strict=True):
            pen.ellipse((x - 3, y - 3, x + 3, y + 3), colour)
            write(page, (x, bottom + 8), name, 12, anchor="ma")
        write(page, (left + 8 + 250 * kinds.index(kind), top - 24), kind.split(",")[0], 13, colour)
    write(page, ((left + right) / 2, bottom + 30), "side of the image in pixels", 12, anchor="ma")
    return page


def _height(ratio: float) -> float:
    """Where a ratio lies on the page."""
    _, top, _, bottom = FRAME
    return bottom - (bottom - top) * min(ratio, TOP) / TOP
