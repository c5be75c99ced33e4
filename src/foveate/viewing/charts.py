"""Charts with matplotlib: errors, error by glimpse, stopping, confusion matrix, spread of the gaze, densities."""

from collections.abc import Mapping, Sequence
from dataclasses import astuple
from functools import partial

import numpy as np
from jaxtyping import Float, Int64
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, to_rgba
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter
from torch import Tensor

from foveate.training.diagnostics import Gaze
from foveate.training.evaluate import Evaluation, wilson
from foveate.training.stopping import StopPoint
from foveate.viewing.style import ACCENT, FAINT, INK, OTHER, PAPER, QUIET, RIGHT, WRONG, AggFigure, panel, sheet, styled

WIDTH = 3.75  # inches of every chart: 360 pixels of a page, the width of a phone
COLORS = (ACCENT, OTHER, RIGHT)  # of the modes
MAX_LABELED_CLASSES = 12  # whose cells have numbers in the confusion matrix
MAX_CLASSES = 40  # of a confusion matrix
MAX_LETTERS = 18  # of a class name at a confusion matrix
LOG_RATIO = 8  # between the largest and the smallest error: beyond it the axis is logarithmic
DENSITY_SIDE = 112  # pixels, the longer side of a density
DIM = 0.55  # brightness of the mean image under a density
FIXATIONS = LinearSegmentedColormap.from_list(
    "fixations", [(1, 0.43, 0.08, 0), (1, 0.75, 0.4, 0.72), (1, 0.87, 0.54, 0.95), (1, 0.93, 0.59, 0.95)]
)
"""Colors of a density: transparent, orange, light."""


@styled
def plot_errors(modes: Sequence[Evaluation], ax: Axes | None = None) -> Axes:
    """Draw the error of each mode as a dot, its 95 % interval as a line.

    Example:
        >>> import foveate
        >>> from foveate.data import load
        >>> found = foveate.evaluate(foveate.from_pretrained("digits"), load("digits").test)
        >>> axes = plot_errors([found])
        >>> axes.figure.savefig("chart.png")
    """
    ax = ax or new_axes(0.47 * len(modes) + 0.45)
    for i, (mode, color) in enumerate(zip(modes, COLORS, strict=False)):
        low, high = mode.interval
        ax.plot([low, high], [i, i], color=color, linewidth=4, solid_capstyle="butt")
        ax.plot(mode.error_rate, i, "o", color=color, markersize=9)
        ax.text(0.01, i - 0.42, mode_name(mode), transform=ax.get_yaxis_transform(), va="center")
        ax.text(1, i - 0.42, percent(mode.error_rate), transform=ax.get_yaxis_transform(), va="center", ha="right")
    ax.set(xlim=(0, 1.1 * max(mode.interval[1] for mode in modes)), ylim=(len(modes) - 0.6, -0.8), yticks=())
    ax.set_xlabel("error, with its 95 % interval")
    ax.xaxis.set_major_formatter(_percents())
    ax.xaxis.set_major_locator(MaxNLocator(5))
    ax.grid(axis="x")
    ax.spines["left"].set_visible(False)
    return ax


def mode_name(mode: Evaluation) -> str:
    """Name a mode."""
    passes = f", average of {mode.num_rollouts} passes" if mode.num_rollouts > 1 else ", one pass"
    return ("Mean policy" if mode.policy == "mean" else "Sampled policy") + passes


@styled
def plot_error_by_glimpse(modes: Sequence[Evaluation], ax: Axes | None = None) -> Axes:
    """Draw the error of each mode after each glimpse, with the 95 % interval of the first mode.

    Example:
        >>> import foveate
        >>> from foveate.data import load
        >>> found = foveate.evaluate(foveate.from_pretrained("digits"), load("digits").test)
        >>> axes = plot_error_by_glimpse([found])
        >>> axes.figure.savefig("chart.png")
    """
    ax = ax or new_axes(2.7)
    n = modes[0].n
    glimpses = range(1, modes[0].num_glimpses + 1)
    errors = [wrong / mode.n for mode in modes for wrong in mode.num_errors_by_glimpse]
    least = max(min(errors), 0.5 / n)
    is_log = max(errors) / least > LOG_RATIO
    floor = least if is_log else 0.0  # no error lies at half an error on a logarithmic axis
    for mode, color in reversed(list(zip(modes, COLORS, strict=False))):
        curve = [max(floor, wrong / mode.n) for wrong in mode.num_errors_by_glimpse]
        ax.plot(glimpses, curve, "o-", color=color, markersize=5, linewidth=1.8, label=mode_name(mode), clip_on=False)
    low, high = zip(*(wilson(wrong, n) for wrong in modes[0].num_errors_by_glimpse), strict=True)
    ax.fill_between(glimpses, low, high, color=COLORS[0], alpha=0.18, linewidth=0)
    if is_log:
        ax.set_yscale("log", subs=(2, 5))
        ax.set_ylim(least / 1.25, min(1.0, 1.15 * max(errors)))
        ax.yaxis.set_minor_formatter(_percents() if max(errors) / least < 500 else NullFormatter())
    else:
        ax.set_ylim(0, min(1.0, 1.15 * max(errors)) or 1.0)
    ax.yaxis.set_major_formatter(_percents())
    ax.xaxis.set_major_locator(MaxNLocator(12, integer=True))
    ax.set(xlabel="glimpses", ylabel="error")
    ax.grid(axis="y", which="both")
    ax.tick_params(which="both", length=0)
    ax.legend(loc="lower left", bbox_to_anchor=(0, 1), frameon=False, reverse=True, borderaxespad=0.2)
    return ax


@styled
def plot_stopping(curves: Mapping[str, Sequence[StopPoint]], ax: Axes | None = None) -> Axes:
    """Draw error against mean glimpses for images that stop when sure, a curve for each name.

    Example:
        >>> import foveate
        >>> from foveate.data import load
        >>> from foveate.training.stopping import stopping_curve
        >>> points = stopping_curve(foveate.from_pretrained("digits"), load("digits").test)
        >>> plot_stopping({"test": points}).get_xlabel()
        'glimpses on average'
    """
    ax = ax or new_axes(2.7)
    tables = {name: np.array(list(map(astuple, points))).T for name, points in curves.items()}
    errors = np.concatenate([error for _, error, _ in tables.values()])
    least = min(errors[errors > 0], default=1.0)
    is_log = max(errors) / least > LOG_RATIO
    floor = 0.5 * least * is_log  # no error lies at half the least one on a logarithmic axis
    for i, (name, (_, error, glimpses)) in enumerate(tables.items()):
        color = COLORS[i] if len(curves) <= len(COLORS) else f"C{i}"
        ax.plot(glimpses, error.clip(floor), "o-", color=color, markersize=2.5, linewidth=1.5, label=name)
    if is_log:
        ax.set_yscale("log", subs=(2, 5))
        ax.yaxis.set_minor_formatter(_percents() if max(errors) / least < 500 else NullFormatter())
    else:
        ax.set_ylim(0, min(1.0, 1.15 * max(errors)) or 1.0)
    ax.yaxis.set_major_formatter(_percents())
    ax.set(xlabel="glimpses on average", ylabel="error")
    ax.grid(axis="y", which="both")
    ax.tick_params(which="both", length=0)
    ax.legend(loc="upper right", frameon=False)
    return ax


@styled
def plot_stops(num_stops_by_glimpse: Sequence[int], ax: Axes | None = None) -> Axes:
    """Draw the share of the images that stop after each glimpse.

    Example:
        >>> plot_stops([2, 5, 3]).get_ylabel()
        'images'
    """
    ax = ax or new_axes(2.3)
    shares = np.array(num_stops_by_glimpse) / max(1, sum(num_stops_by_glimpse))
    bars = ax.bar(range(1, len(shares) + 1), shares, 0.64, color=ACCENT)
    if len(shares) <= 12:
        ax.bar_label(bars, fmt=partial(percent, digits=0), padding=2, fontsize=8.5)
    ax.yaxis.set_major_formatter(_percents())
    ax.xaxis.set_major_locator(MaxNLocator(12, integer=True))
    ax.set(xlabel="glimpses", ylabel="images")
    ax.grid(axis="y")
    ax.tick_params(length=0)
    ax.margins(y=0.1)
    return ax


@styled
def plot_confusion(
    confusion: Int64[Tensor, "classes classes"] | Sequence[Sequence[int]],
    classes: Sequence[str],
    ax: Axes | None = None,
) -> Axes:
    """Draw the confusion matrix, labels in rows, answers in columns, colored by the share of the row.

    Of more than 40 classes the first 40 are drawn.

    Example:
        >>> plot_confusion([[9, 1], [0, 7]], ["cat", "dog"]).get_xlabel()
        'answer'
    """
    ax = ax or new_axes(WIDTH)
    counts = np.asarray(confusion)[:MAX_CLASSES, :MAX_CLASSES]
    shown = len(counts)
    shares = counts / np.maximum(np.asarray(confusion).sum(1, keepdims=True)[:MAX_CLASSES], 1)
    colors = np.empty((shown, shown, 4))
    colors[:] = to_rgba(WRONG)
    colors[np.eye(shown, dtype=bool)] = to_rgba(ACCENT)
    colors[..., 3] = 0.1 + 0.5 * shares
    colors[counts == 0] = to_rgba(FAINT, 0.35)
    edges = np.arange(shown + 1)
    ax.pcolormesh(edges, edges, colors, edgecolor=PAPER, linewidth=1 if shown <= MAX_LABELED_CLASSES else 0.3)
    if shown <= MAX_LABELED_CLASSES:
        for (row, column), count in np.ndenumerate(counts):
            if count:
                ax.text(column + 0.5, row + 0.5, f"{count}", ha="center", va="center", fontsize=7.5)
    names = [name if len(name) <= MAX_LETTERS else name[: MAX_LETTERS - 1] + "…" for name in classes[:shown]]
    size = min(9.0, 150 / shown)
    ax.set(xlim=(0, shown), ylim=(shown, 0), xlabel="answer", ylabel="label", aspect="equal")
    ax.set_xticks(edges[:-1] + 0.5, names, fontsize=size, color=INK, rotation=90 if max(map(len, names)) > 2 else 0)
    ax.set_yticks(edges[:-1] + 0.5, names, fontsize=size, color=INK)
    ax.tick_params(length=0, labeltop=True, labelbottom=False)
    ax.xaxis.set_label_position("top")
    ax.spines[:].set_visible(False)
    return ax


@styled
def plot_spread(gaze: Gaze, ax: Axes | None = None) -> Axes:
    """Draw how far the gaze differs between images at each glimpse, compared to random locations.

    Example:
        >>> import foveate
        >>> from foveate.data import load
        >>> found = foveate.evaluate(foveate.from_pretrained("digits"), load("digits").test)
        >>> axes = plot_spread(found.gaze)
        >>> axes.figure.savefig("chart.png")
    """
    ax = ax or new_axes(2.3)
    glimpses = range(1, len(gaze.spread) + 1)
    bars = ax.bar(glimpses, gaze.spread, 0.64, color=ACCENT)
    if len(gaze.spread) <= 12:
        ax.bar_label(bars, fmt="%.1f", padding=2, fontsize=8.5)
    words = f"places at random: {gaze.random_spread:.1f}"
    ax.axhline(gaze.random_spread, color=OTHER, linestyle="--", linewidth=1.5, label=words)
    ax.xaxis.set_major_locator(MaxNLocator(12, integer=True))
    ax.set(xlabel="glimpse", ylabel="pixels between images")
    ax.grid(axis="y")
    ax.tick_params(length=0)
    ax.margins(y=0.1)
    ax.legend(loc="lower right", bbox_to_anchor=(1, 1), frameon=False, borderaxespad=0.2, labelcolor=OTHER)
    return ax


@styled
def plot_density(
    counts: Int64[Tensor, "rows columns"], under: Float[Tensor, "height width"], ax: Axes | None = None
) -> Axes:
    """Draw the smoothed density of fixations over a gray image: orange where it is low, light where it is high.

    Example:
        >>> import torch
        >>> axes = plot_density(torch.eye(8, dtype=torch.int64), torch.zeros(28, 28))
    """
    from scipy.ndimage import gaussian_filter

    height, width = under.shape
    if ax is None:
        zoom = DENSITY_SIDE / max(height, width)
        ax = panel(sheet(width * zoom, height * zoom)[0], 0, 0, width * zoom, height * zoom)
    density = gaussian_filter(counts.numpy().astype(float), 1.0, mode="constant")
    extent = (0, width, height, 0)
    ax.set(xticks=(), yticks=())
    ax.spines[:].set_visible(False)
    ax.imshow(under.numpy(), "gray", vmin=0, vmax=1 / DIM, interpolation="bicubic", extent=extent)
    share = np.sqrt(density / max(density.max(), 1e-9))
    ax.imshow(share, FIXATIONS, vmin=0, vmax=1, interpolation="bicubic", extent=extent)
    return ax


@styled
def plot_densities(
    fixations: Int64[Tensor, "groups time rows columns"],
    unders: Sequence[Float[Tensor, "height width"]],
    groups: Sequence[str] = ("",),
) -> AggFigure:
    """Draw the density of each glimpse (across) in each group of images (down) over the mean image of the group."""
    height, width = unders[0].shape
    zoom = DENSITY_SIDE / max(height, width)
    wide = width * zoom + 8
    high = height * zoom + 8
    left = 24 + 8 * max(map(len, groups))
    figure, canvas = sheet(left + wide * fixations.shape[1] + 24, high * len(groups) + 72)
    for t in range(fixations.shape[1]):
        canvas.text(left + (t + 0.5) * wide - 4, 36, str(t + 1), color=QUIET, fontsize=12, ha="center", va="center")
    for i, (group, steps, under) in enumerate(zip(groups, fixations, unders, strict=True)):
        top = 48 + i * high
        canvas.text(left - 10, top + high / 2 - 4, group, fontsize=11, ha="right", va="center")
        for t, counts in enumerate(steps):
            plot_density(counts, under, panel(figure, left + t * wide, top, wide - 8, high - 8))
    return figure


def new_axes(height: float) -> Axes:
    """Axes of a new figure, `height` inches high."""
    layout = ConstrainedLayoutEngine(w_pad=0.08, h_pad=0.08)
    figure = AggFigure(figsize=(WIDTH, height), layout=layout, dpi=240)
    return figure.add_subplot()


def _percents() -> FuncFormatter:
    return FuncFormatter(lambda value, _: f"{100 * value:.4g} %")


def percent(value: float, digits: int = 2) -> str:
    """Format a fraction in percent.

    >>> percent(0.0086), percent(0.5, 0)
    ('0.86 %', '50 %')
    """
    return f"{100 * value:.{digits}f} %"
