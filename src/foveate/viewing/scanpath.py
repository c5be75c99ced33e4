"""Scanpaths with matplotlib: the path over an image, the boxes of a glimpse, and sheets of every glimpse."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.text import Text
from torch import Tensor

from foveate.viewing.record import Look
from foveate.viewing.style import (
    BEYOND,
    FAINT,
    INK,
    PAPER,
    PATH,
    QUIET,
    RIGHT,
    WRONG,
    AggFigure,
    as_array,
    figure_of,
    fit,
    outlined,
    panel,
    scale_color,
    sheet,
    styled,
    zoom_to,
)

Point = tuple[float, float]
View = tuple[tuple[float, float, float, float], float]

MARGIN = 36  # pixels around a sheet
GUTTER = 50  # pixels to the right of an image, for the numbers of the glimpses
ROW_GAP = 34
BAND_GAP = 26  # pixels between the rows of glimpses of one look
COLUMN_GAP = 22
PATH_GAP = 30
MIN_COLUMN = 152  # pixels, the width of a column
PER_ROW = 8  # glimpses
PER_ROW_OF_PATHS = 4  # overviews
VERDICT_WIDTH = 190  # pixels, at least
HEADING = 36  # pixels, the height of a glimpse's number
NUMBER_STEP = 18  # pixels between two numbers
PATCH = 88  # pixels, the longer side of a single patch
PATCH_GAP = 8
PATCHES_PER_ROW = 4
RIM = 3  # pixels around a patch
SHORT = 3  # letters of a class name that stands next to its bar; a longer one stands above it
SMALL_BAR = 24  # pixels, the height of a row of bars
LONG_BAR = 40
THICKNESS = 9  # of a bar
LEGEND_LINE = 26
LEGEND_ITEM = 136  # pixels, the width of a scale in a legend
LEGEND_TEXT: dict[str, Any] = {"fontsize": 12, "color": QUIET, "verticalalignment": "center"}
LIGHTER = "#a0a7b1"
LEADER = "#929aa5"  # visible on black and on white
NEAR = 0.06  # of the image's longer side: closer glimpses share a number
BAR_TEXT: dict[str, Any] = {"fontsize": 11, "verticalalignment": "center"}


@styled
def plot_scanpath(look: Look, ax: Axes | None = None, *, room: int = 360) -> Axes:
    """Draw the path over the image; the numbers of the glimpses stand to its right, where they cover nothing.

    Args:
        look: where the model looked.
        ax: axes to draw on; a new figure if absent.
        room: pixels of the longer side of the image in a new figure, about.

    Example:
        >>> import foveate
        >>> seen = foveate.look(foveate.from_pretrained("digits"), 0.5 * torch.rand(1, 8, 8))
        >>> axes = plot_scanpath(seen)
        >>> axes.figure.savefig("path.png")
    """
    height, width = look.image.shape[1:]
    if ax is None:
        zoom = zoom_to((height, width), room)
        figure, _ = sheet(width * zoom + GUTTER, height * zoom)
        ax = panel(figure, 0, 0, width * zoom, height * zoom)
    show_image(ax, look)
    draw_path(ax, look.centers())
    draw_dots(ax, look.centers())
    _number_glimpses(ax, look)
    return ax


@styled
def plot_glimpse(look: Look, step: int, ax: Axes | None = None, *, room: int = 360) -> Axes:
    """Draw the windows of one glimpse and the path to it; `step` 0 is the first glimpse.

    Args:
        look: where the model looked.
        step: index of the glimpse.
        ax: axes to draw on; a new figure if absent.
        room: pixels of the longer side of the image in a new figure, about.

    Example:
        >>> import foveate
        >>> seen = foveate.look(foveate.from_pretrained("digits"), 0.5 * torch.rand(1, 8, 8))
        >>> axes = plot_glimpse(seen, 0)
        >>> axes.figure.savefig("glimpse.png")
    """
    if ax is None:
        view = view_of([look], room)
        (x0, y0, x1, y1), zoom = view
        ax = view_panel(sheet((x1 - x0) * zoom, (y1 - y0) * zoom)[0], view, 0, 0)
    show_image(ax, look)
    draw_windows(ax, look.boxes[step].tolist())
    draw_path(ax, look.centers()[: step + 1])
    draw_dots(ax, [look.centers()[step]])
    return ax


@styled
def plot_looks(looks: Look | Sequence[Look]) -> AggFigure:
    """Draw everything on a sheet: paths, answers, and for every glimpse its windows, its patches and its probabilities.

    Several looks are drawn as rows.

    Raises:
        ValueError: if there is no look.

    Example:
        >>> import foveate
        >>> model = foveate.from_pretrained("digits")
        >>> looks = [foveate.look(model, 0.5 * torch.rand(1, 8, 8)) for _ in range(2)]
        >>> plot_looks(looks).savefig("looks.png")
    """
    looks = [looks] if isinstance(looks, Look) else list(looks)
    if not looks:
        raise ValueError("There should be at least one look to draw. Found none.")
    rows = [_measure(look, looks, single=len(looks) == 1) for look in looks]
    width = max(row.width for row in rows) + 2 * MARGIN
    lines = 1 - (-looks[0].boxes.shape[1] // _legend_columns(width))
    height = sum(row.height + ROW_GAP for row in rows) + lines * LEGEND_LINE
    figure, canvas = sheet(width, height + 2 * MARGIN)
    top = MARGIN
    for row in rows:
        _draw_row(canvas, row, top)
        top += row.height + ROW_GAP
    _draw_legend(canvas, looks[0], top)
    return figure


@styled
def plot_paths(looks: Sequence[Look], room: int = 220) -> AggFigure:
    """Draw paths and answers on a sheet, a few in a row, each image about `room` pixels large."""
    zooms = [zoom_to((look.image.shape[1], look.image.shape[2]), room) for look in looks]
    sizes = [(look.image.shape[2] * zoom, look.image.shape[1] * zoom) for look, zoom in zip(looks, zooms, strict=True)]
    wide = max(room, *(width for width, _ in sizes)) + GUTTER + PATH_GAP
    high = max(height for _, height in sizes) + max(map(verdict_height, looks)) + 44
    across = min(len(looks), PER_ROW_OF_PATHS)
    figure, canvas = sheet(across * wide - PATH_GAP + 2 * MARGIN, -(-len(looks) // across) * high + 2 * MARGIN)
    for i, (look, (width, height)) in enumerate(zip(looks, sizes, strict=True)):
        left = MARGIN + i % across * wide
        top = MARGIN + i // across * high
        plot_scanpath(look, panel(figure, left, top, width, height))
        draw_verdict(canvas, look, left, top + height + 14, wide - PATH_GAP)
    return figure


def view_of(looks: Sequence[Look], room: int) -> View:
    """The part (x0, y0, x1, y1) of images of one size to show, and its zoom.

    It holds the image, and what windows cover around it, up to a fifth of a side.
    """
    height, width = looks[0].image.shape[1:]
    boxes = torch.cat([look.boxes.flatten(0, 1) for look in looks])
    over = torch.maximum(-boxes[:, :2], boxes[:, 2:] - torch.tensor([width, height])).amax(0).tolist()
    x = min(max(0, over[0]), width // 5)
    y = min(max(0, over[1]), height // 5)
    return (-x, -y, width + x, height + y), zoom_to((height + 2 * y, width + 2 * x), room)


def draw_windows(ax: Axes, windows: Sequence[Sequence[float]]) -> list[Rectangle]:
    """Draw boxes (x0, y0, x1, y1), coarse first, each with a dark rim; the finest has the widest line."""
    drawn = []
    for scale, (x0, y0, x1, y1) in reversed(list(enumerate(windows))):
        line = 2.2 if scale == 0 else 1.3
        style: dict[str, Any] = {"linewidth": line, "path_effects": outlined(line + 1.6)}
        box = Rectangle(
            (x0, y0), x1 - x0, y1 - y0, fill=False, edgecolor=scale_color(scale), joinstyle="miter", **style
        )
        drawn.append(ax.add_patch(box))
    return drawn


def draw_verdict(canvas: Axes, look: Look, left: float, top: float, room: float) -> list[Text]:
    """Draw the answer and its probability, a mark if the label is known, and remarks; all fit into `room` pixels."""
    mark = {None: "", True: "✓ ", False: "✗ "}[look.correct]
    color = RIGHT if look.correct else WRONG
    texts = [canvas.text(left, top + 40, mark, color=color, fontsize=26, verticalalignment="baseline")]
    start = left + texts[0].get_window_extent().width
    answer = canvas.text(start, top + 40, look.answer, fontsize=28, verticalalignment="baseline")
    percent = canvas.text(0, top + 40, f"{100 * look.probability:.1f} %", fontsize=13, color=QUIET)
    fit(answer, room - (start - left) - percent.get_window_extent().width - 12)
    percent.set_x(start + answer.get_window_extent().width + 12)
    texts += [answer, percent]
    for i, (words, tone) in enumerate(_remarks(look)):
        remark = canvas.text(left, top + 58 + 24 * i, words, fontsize=13, color=tone, verticalalignment="top")
        texts.append(fit(remark, room))
    return texts


def patch_layout(look: Look, room: float) -> tuple[float, float, int]:
    """Width and height of a patch in pixels, and how many stand in a row of `room` pixels."""
    high, wide = look.glimpses.shape[-2:]
    across = min(look.glimpses.shape[1], PATCHES_PER_ROW)
    side = min(PATCH, (room - PATCH_GAP * (across - 1)) / across) - 2 * RIM
    zoom = side / max(high, wide)
    zoom = int(zoom) if zoom >= 1 else zoom
    return wide * zoom + 2 * RIM, high * zoom + 2 * RIM, across


def patches_height(look: Look, room: float) -> float:
    """Height of the patches of a glimpse in pixels."""
    _, high, across = patch_layout(look, room)
    rows = -(-look.glimpses.shape[1] // across)
    return rows * (high + PATCH_GAP) - PATCH_GAP


def draw_patches(canvas: Axes, look: Look, step: int, left: float, top: float, room: float) -> list[AxesImage]:
    """Draw what the model saw at a glimpse, fine first, each patch framed in the color of its window."""
    wide, high, across = patch_layout(look, room)
    images = []
    for scale, patch in enumerate(look.glimpses[step]):
        x = left + scale % across * (wide + PATCH_GAP)
        y = top + scale // across * (high + PATCH_GAP)
        canvas.add_artist(Rectangle((x, y), wide, high, color=scale_color(scale), linewidth=0))
        inside = (x + RIM, x + wide - RIM, y + high - RIM, y + RIM)
        images.append(canvas.imshow(as_array(patch), interpolation="nearest", aspect="auto", extent=inside, zorder=2))
    return images


class Bars:
    """Probabilities of the leading classes as bars, the most probable one dark; a long name stands above its bar."""

    def __init__(self, canvas: Axes, look: Look, num_classes: int, left: float, top: float, room: float) -> None:
        self.classes = look.leading(num_classes)
        names = [look.classes[c] for c in self.classes]
        self.step = bar_step(look, num_classes)
        is_long = self.step == LONG_BAR
        rows = top + self.step * np.arange(len(names))
        middle = rows + SMALL_BAR / 2
        start = left if is_long else left + 10 * max(map(len, names)) + 8
        end = left + room if is_long else left + room - 58
        below = rows + LONG_BAR - 12 if is_long else middle
        self.length = end - start
        self.bars = []
        for y in below - THICKNESS / 2:
            canvas.add_artist(Rectangle((start, y), self.length, THICKNESS, facecolor=FAINT))
            self.bars.append(canvas.add_artist(Rectangle((start, y), 0, THICKNESS)))
        self.names = [canvas.text(left, y, name, **BAR_TEXT) for y, name in zip(middle, names, strict=True)]
        self.values = [canvas.text(left + room, y, "", ha="right", **BAR_TEXT) for y in middle]
        for name in self.names:
            fit(name, room - 60)

    def show(self, probabilities: Float[Tensor, " classes"]) -> None:
        """Set the bars."""
        best = int(probabilities.argmax())
        for c, bar, name, value in zip(self.classes, self.bars, self.names, self.values, strict=True):
            share = float(probabilities[c])
            bar.set_width(self.length * share)
            bar.set_color(INK if c == best else LIGHTER)
            name.set_color(INK if c == best else QUIET)
            value.set(text=f"{100 * share:.0f} %", color=INK if c == best else QUIET)


def bar_step(look: Look, num_classes: int) -> int:
    """Height of a row of bars in pixels."""
    longest = max(len(look.classes[c]) for c in look.leading(num_classes))
    return LONG_BAR if longest > SHORT else SMALL_BAR


def draw_number(canvas: Axes, number: int, left: float, top: float) -> Text:
    """Draw the number of a glimpse in a dark pill."""
    pill = {"boxstyle": "circle,pad=0.3" if number < 10 else "round,pad=0.3,rounding_size=0.8", "facecolor": INK}
    style: dict[str, Any] = {"color": PAPER, "fontsize": 11, "ha": "center", "va": "center_baseline"}
    return canvas.text(left + 13, top + 12, str(number), bbox={**pill, "linewidth": 0}, **style)


@dataclass(frozen=True)
class _Row:
    """A look with the sizes of its row on a sheet, in pixels."""

    look: Look
    view: View
    num_classes: int
    overview: tuple[float, float]
    """Width and height of the path over the image."""
    panel: tuple[float, float]
    """Width and height of the image in a column."""
    room: float
    """Width of a column."""
    band: float
    """Height of a column."""

    @property
    def width(self) -> float:
        """Width of the row."""
        columns = min(len(self.look.boxes), PER_ROW)
        return self.left + columns * (self.room + COLUMN_GAP) - COLUMN_GAP

    @property
    def left(self) -> float:
        """Where the columns begin."""
        return max(self.overview[0] + GUTTER, VERDICT_WIDTH) + 16

    @property
    def height(self) -> float:
        """Height of the row."""
        bands = -(-len(self.look.boxes) // PER_ROW)
        return max(self.overview[1] + 14 + verdict_height(self.look), bands * (self.band + BAND_GAP) - BAND_GAP)


def _measure(look: Look, looks: Sequence[Look], single: bool) -> _Row:
    """Sizes of a row; images of one size share their view."""
    alike = [other for other in looks if other.image.shape[1:] == look.image.shape[1:]]
    view = view_of(alike, 184 if single else 168)
    (x0, y0, x1, y1), zoom = view
    num_classes = 5 if single else 3
    wide = (x1 - x0) * zoom
    high = (y1 - y0) * zoom
    room = max(wide, MIN_COLUMN)
    height, width = look.image.shape[1:]
    large = zoom_to((height, width), round(1.4 * max(wide, high)))
    bars = bar_step(look, num_classes) * len(look.leading(num_classes))
    band = HEADING + high + 12 + patches_height(look, room) + 12 + bars
    return _Row(look, view, num_classes, (width * large, height * large), (wide, high), room, band)


def _draw_row(canvas: Axes, row: _Row, top: float) -> None:
    """Draw one look: the whole path and the answer, then a column for each glimpse."""
    look = row.look
    figure = figure_of(canvas)
    width, height = row.overview
    plot_scanpath(look, panel(figure, MARGIN, top, width, height))
    draw_verdict(canvas, look, MARGIN, top + height + 14, row.left - 16)
    for step in range(len(look.boxes)):
        left = MARGIN + row.left + step % PER_ROW * (row.room + COLUMN_GAP)
        y = top + step // PER_ROW * (row.band + BAND_GAP)
        draw_number(canvas, step + 1, left, y)
        if look.sure and step == len(look.boxes) - 1:
            canvas.text(left + 34, y + 12, "sure", **LEGEND_TEXT)
        y += HEADING
        ax = view_panel(figure, row.view, left, y)
        plot_glimpse(look, step, ax)
        y += row.panel[1] + 12
        draw_patches(canvas, look, step, left, y, row.room)
        y += patches_height(look, row.room) + 12
        Bars(canvas, look, row.num_classes, left, y, row.room).show(look.probabilities[step])


def view_panel(figure: Figure, view: View, left: float, top: float) -> Axes:
    """Axes on a sheet that show a part of an image."""
    (x0, y0, x1, y1), zoom = view
    ax = panel(figure, left, top, (x1 - x0) * zoom, (y1 - y0) * zoom)
    ax.set(xlim=(x0, x1), ylim=(y1, y0))
    return ax


def _draw_legend(canvas: Axes, look: Look, top: float) -> None:
    """Draw the legend: the color and the window size of each scale."""
    per_row = _legend_columns(canvas.get_xlim()[1])
    canvas.text(MARGIN, top + 8, "pixels under each window", **LEGEND_TEXT)
    for scale, (x0, y0, x1, y1) in enumerate(look.boxes[0].tolist()):
        left = MARGIN + scale % per_row * LEGEND_ITEM
        middle = top + 8 + (1 + scale // per_row) * LEGEND_LINE
        canvas.add_patch(Rectangle((left, middle - 8), 16, 16, color=scale_color(scale), linewidth=0))
        canvas.text(left + 24, middle, f"{x1 - x0} x {y1 - y0}", **LEGEND_TEXT)


def _legend_columns(width: float) -> int:
    """Scales in a row of the legend of a sheet of this width."""
    return max(1, int((width - 2 * MARGIN) // LEGEND_ITEM))


def show_image(ax: Axes, look: Look) -> None:
    """Show the image; a unit of the axes is a pixel of it, and what lies outside is gray."""
    height, width = look.image.shape[1:]
    limits = (ax.get_xlim(), ax.get_ylim())
    is_free = ax.get_autoscale_on()
    ax.set(facecolor=BEYOND, xticks=(), yticks=())
    ax.spines[:].set_visible(False)
    ax.imshow(as_array(look.image), interpolation="antialiased", extent=(0, width, height, 0))
    if not is_free:
        ax.set(xlim=limits[0], ylim=limits[1])


def draw_path(ax: Axes, points: Sequence[Point]) -> Line2D:
    """Draw a path through points of the image."""
    x, y = zip(*points, strict=True)
    (line,) = ax.plot(x, y, color=PATH, linewidth=2.2, path_effects=outlined(3.8), solid_joinstyle="round")
    return line


def draw_dots(ax: Axes, points: Sequence[Point]) -> Line2D:
    """Draw dots at points of the image."""
    x, y = zip(*points, strict=True)
    (dots,) = ax.plot(x, y, "o", color=PATH, markersize=5, markeredgecolor="black", markeredgewidth=0.8)
    return dots


def _number_glimpses(ax: Axes, look: Look) -> None:
    """Write the numbers of the glimpses to the right of the image, each with a thin line to its place."""
    height, width = look.image.shape[1:]
    groups = gather(look.centers(), NEAR * max(height, width))
    groups.sort(key=lambda group: group[0][1])
    heights = _spread([y / height for (_, y), _ in groups], NUMBER_STEP / ax.bbox.height)
    for (point, numbers), at in zip(groups, heights, strict=True):
        line = {"arrowstyle": "-", "color": LEADER, "linewidth": 0.8, "shrinkA": 0, "shrinkB": 3}
        ax.annotate("", point, (1, 1 - at), textcoords="axes fraction", arrowprops=line)
        text = ax.text(1 + 6 / ax.bbox.width, 1 - at, abbreviate(numbers), transform=ax.transAxes, va="center")
        text.set_fontsize(11)
        fit(text, GUTTER - 7)


def gather(points: Sequence[Point], near: float) -> list[tuple[Point, list[int]]]:
    """Group points that lie within `near` of the mean of a group: the mean, and the numbers from 1.

    >>> gather([(0.0, 0.0), (9.0, 9.0), (0.0, 1.0)], 2.0)
    [((0.0, 0.5), [1, 3]), ((9.0, 9.0), [2])]
    """
    groups: list[tuple[Point, list[int]]] = []
    for number, (x, y) in enumerate(points, 1):
        for i, ((mean_x, mean_y), numbers) in enumerate(groups):
            if math.dist((x, y), (mean_x, mean_y)) <= near:
                n = len(numbers)
                mean = ((mean_x * n + x) / (n + 1), (mean_y * n + y) / (n + 1))
                groups[i] = (mean, [*numbers, number])
                break
        else:
            groups.append(((x, y), [number]))
    return groups


def _spread(heights: list[float], step: float) -> list[float]:
    """Move sorted heights apart by at least `step`, downward, then upward from 1.

    >>> _spread([0.5, 0.5, 1.0], 0.25)
    [0.5, 0.75, 1.0]
    """
    for i in range(1, len(heights)):
        heights[i] = max(heights[i], heights[i - 1] + step)
    limit = 1.0
    for i in reversed(range(len(heights))):
        heights[i] = min(heights[i], limit)
        limit = heights[i] - step
    return heights


def abbreviate(numbers: Sequence[int]) -> str:
    """Abbreviate increasing numbers.

    >>> abbreviate([1, 2, 3, 5, 7, 8])
    '1-3, 5, 7, 8'
    """
    runs: list[list[int]] = []
    for number in numbers:
        if runs and runs[-1][-1] == number - 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ", ".join(f"{run[0]}-{run[-1]}" if len(run) > 2 else ", ".join(map(str, run)) for run in runs)


def _remarks(look: Look) -> list[tuple[str, str]]:
    """Lines under the answer, with their colors."""
    height, width = look.original
    remarks = []
    if look.correct is not None:
        remarks.append(("right", RIGHT) if look.correct else (f"wrong: it is {look.label}", WRONG))
    if look.stopping:
        remarks.append((look.stopping, QUIET))
    if look.stop is not None and len(look.answers) > 1:
        remarks.append((f"before: {', '.join(answer for answer, _ in look.answers[:-1])}", QUIET))
    if look.name:
        remarks.append((look.name, QUIET))
    if look.zoom != (1, 1):
        remarks.append((f"{width} x {height} pixels", QUIET))
    return remarks


def verdict_height(look: Look) -> int:
    """Height of an answer with its remarks in pixels."""
    return 58 + 24 * len(_remarks(look))
