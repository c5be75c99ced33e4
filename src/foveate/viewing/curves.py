"""Curves in a terminal: lines of braille dots under an axis, and sparklines."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from foveate.viewing.axes import error_axis, short_percent

if TYPE_CHECKING:
    from rich.text import Text

BARS = "▁▂▃▄▅▆▇█"
LABEL = 8  # columns, of the values beside the axis
DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))  # of a braille letter: four rows of two


@dataclass(frozen=True)
class Curve:
    """Fractions, one an epoch, in a style of rich."""

    name: str
    values: Sequence[float]
    style: str


def sparkline(values: Sequence[float], width: int) -> str:
    """The last values, or means of several where there are more than `width`, as bars from the least to the greatest.

    >>> sparkline([0, 1, 2, 3], 4), sparkline([1, 1], 4), sparkline([0, 0, 7, 7], 2)
    ('▁▃▆█', '▁▁', '▁█')
    """
    finite = [value for value in values if value == value and abs(value) != float("inf")]
    per = max(1, -(-len(finite) // width))
    means = [sum(part) / len(part) for part in (finite[i : i + per] for i in range(0, len(finite), per))]
    if not means:
        return ""
    low, span = min(means), max(means) - min(means)
    return "".join(BARS[round((value - low) / span * 7) if span else 0] for value in means)


def plot(curves: Sequence[Curve], width: int, height: int) -> "list[Text]":
    """Lines of text: the curves over the epochs, logarithmic where they span much; later curves over earlier ones."""
    from rich.text import Text

    values = [value for curve in curves for value in curve.values]
    if not values:
        return []
    least = min((value for value in values if value > 0), default=1.0)
    axis = error_axis(values, max(1, round(0.5 / least)), 4 * height - 1, 0)
    columns = 2 * (width - LABEL)
    most = max(len(curve.values) for curve in curves)
    cells: dict[tuple[int, int], tuple[int, str]] = {}
    for curve in curves:
        for x, y in _dots([axis.place(value) for value in curve.values], most, columns):
            cell = y // 4, x // 2
            cells[cell] = cells.get(cell, (0, ""))[0] | DOTS[y % 4][x % 2], curve.style
    labels = {round(axis.place(value)) // 4: short_percent(value) for value in axis.ticks()}
    lines = []
    for row in range(height):
        line = Text(no_wrap=True).append(f"{labels.get(row, ''):>{LABEL - 2}} {'┤' if row in labels else '│'}", "dim")
        for column in range(width - LABEL):
            bits, style = cells.get((row, column), (0, ""))
            line.append(chr(0x2800 + bits) if bits else " ", style)
        lines.append(line)
    foot = f"{'1':<{width - LABEL - len(str(most))}}{most}" if most > 1 else "1"
    return [*lines, Text(" " * LABEL + foot, "dim", no_wrap=True)]


def _dots(heights: Sequence[float], most: int, columns: int) -> list[tuple[int, int]]:
    """Dots (x, y) of a line through heights that are spread evenly, `most` of them over all columns."""
    scale = (columns - 1) / max(most - 1, 1)
    dots = [(round(i * scale), round(height)) for i, height in enumerate(heights)]
    if len(dots) > most:
        return dots
    joined = dots[:1]
    for (x0, y0), (x1, y1) in pairwise(dots):
        steps = max(abs(x1 - x0), abs(y1 - y0), 1)
        joined += [(round(x0 + (x1 - x0) * i / steps), round(y0 + (y1 - y0) * i / steps)) for i in range(1, steps + 1)]
    return joined
