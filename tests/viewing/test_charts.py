"""Charts have their numbers in the right places."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from matplotlib.axes import Axes
from matplotlib.colors import to_hex, to_rgba
from matplotlib.figure import Figure

from foveate.training.diagnostics import Gaze
from foveate.training.evaluate import Evaluation, wilson
from foveate.training.stopping import StopPoint
from foveate.viewing.charts import (
    COLORS,
    MAX_CLASSES,
    plot_confusion,
    plot_error_by_glimpse,
    plot_errors,
    plot_spread,
    plot_stopping,
    plot_stops,
)
from foveate.viewing.style import ACCENT, FAINT, WRONG, figure_of

CONFUSION = [[40, 3, 1], [0, 30, 0], [6, 2, 18]]
NAMES = ("a", "b", "c")


def mode(policy: str, passes: int, wrong: tuple[int, ...]) -> Evaluation:
    return Evaluation(policy, passes, len(wrong), 100, wrong[-1], torch.tensor(CONFUSION), wrong, None)


MODES = [mode("mean", 1, (80, 30, 12)), mode("sampled", 1, (79, 35, 15)), mode("sampled", 10, (78, 28, 9))]


def texts(axes: Axes) -> list[str]:
    return [text.get_text() for text in axes.texts]


def fits(axes: Axes) -> bool:
    """Whether everything that is drawn lies on the page."""
    figure = figure_of(axes)
    figure.pixels()
    box = axes.get_tightbbox()
    assert box is not None
    return box.x0 > -2 and box.y0 > -2 and box.x1 < figure.bbox.width + 2 and box.y1 < figure.bbox.height + 2


def test_a_mode_is_a_dot_on_its_interval() -> None:
    axes = plot_errors(MODES)
    for i, (color, mode) in enumerate(zip(COLORS, MODES, strict=True)):
        interval, dot = axes.lines[2 * i : 2 * i + 2]
        assert tuple(interval.get_xdata()) == mode.interval
        assert list(dot.get_xdata()) == [mode.error_rate]
        assert np.unique([*np.asarray(interval.get_ydata()), *np.asarray(dot.get_ydata())]).tolist() == [i]
        assert interval.get_color() == dot.get_color() == color
    assert {"12.00 %", "15.00 %", "9.00 %", "Sampled policy, average of 10 passes"} <= set(texts(axes))
    assert axes.get_xlabel()
    assert fits(axes)


def test_errors_after_each_glimpse() -> None:
    axes = plot_error_by_glimpse(MODES)
    curves = {line.get_color(): line for line in axes.lines}
    for color, mode in zip(COLORS, MODES, strict=True):
        assert list(curves[color].get_xdata()) == [1, 2, 3]
        assert list(curves[color].get_ydata()) == [wrong / 100 for wrong in mode.num_errors_by_glimpse]
    (band,) = axes.collections
    ys = {round(y, 9) for y in band.get_paths()[0].vertices[:, 1].tolist()}
    assert ys == {round(bound, 9) for wrong in (80, 30, 12) for bound in wilson(wrong, 100)}
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("glimpses", "error")
    assert fits(axes)


@pytest.mark.parametrize(("last", "scale"), [(12, "linear"), (1, "log"), (0, "log")])
def test_errors_that_differ_much_are_logarithmic(last: int, scale: str) -> None:
    axes = plot_error_by_glimpse([mode("mean", 1, (80, last))])
    assert axes.get_yscale() == scale
    assert fits(axes)


def cells(axes: Axes) -> np.ndarray:
    """The colors of the cells."""
    figure_of(axes).pixels()
    (mesh,) = axes.collections
    return np.asarray(mesh.get_facecolor()).reshape(int(len(mesh.get_facecolor()) ** 0.5), -1, 4)


def test_a_curve_of_stopping_is_drawn_point_by_point() -> None:
    points = [StopPoint(0.5, 0.04, 2.0), StopPoint(1.0, 0.02, 7.0)]
    ax = plot_stopping({"test": points, "validation": points[:1]})
    assert [line.get_label() for line in ax.lines] == ["test", "validation"]
    assert ax.lines[0].get_xdata().tolist() == [2, 7]
    assert ax.lines[0].get_ydata().tolist() == [0.04, 0.02]
    assert plot_stopping({"test": [StopPoint(0.5, 0.5, 1.0), *points]}).get_yscale() == "log"


def test_stops_are_bars_of_shares() -> None:
    assert [bar.get_height() for bar in plot_stops([1, 3]).patches] == [0.25, 0.75]


def test_the_confusion_matrix_has_labels_down_and_answers_across() -> None:
    axes = plot_confusion(torch.tensor(CONFUSION), NAMES)
    shown = {}
    for text in axes.texts:
        x, y = text.get_position()
        shown[int(y), int(x)] = int(text.get_text())
    assert shown == {(i, j): n for i, row in enumerate(CONFUSION) for j, n in enumerate(row) if n}
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("answer", "label")
    assert axes.yaxis_inverted()
    assert [label.get_text() for label in axes.get_xticklabels()] == list(NAMES)
    assert fits(axes)


def test_the_confusion_matrix_is_colored_by_share() -> None:
    """A class of which nothing is right has no color on the diagonal; ten images and a thousand look alike."""
    colors = cells(plot_confusion([[0, 10], [250, 750]], NAMES[:2]))
    for cell, (color, alpha) in zip(
        colors.reshape(-1, 4), [(FAINT, 0.35), (WRONG, 0.6), (WRONG, 0.225), (ACCENT, 0.475)], strict=True
    ):
        assert cell.tolist() == pytest.approx(list(to_rgba(color, alpha)))
    assert np.allclose(colors, cells(plot_confusion([[0, 1], [1, 3]], NAMES[:2])))


def test_many_classes_are_cells_without_numbers() -> None:
    axes = plot_confusion([[1] * 60 for _ in range(60)], [f"class{i}" for i in range(60)])
    assert cells(axes).shape[:2] == (MAX_CLASSES, MAX_CLASSES)
    assert {to_hex(color) for color in cells(axes)[np.eye(MAX_CLASSES, dtype=bool)]} == {ACCENT}
    assert texts(axes) == []
    assert fits(axes)


@pytest.mark.parametrize("n", [2, 12, 40])
def test_long_class_names_fit(n: int) -> None:
    axes = plot_confusion(torch.ones(n, n, dtype=torch.int64), [f"{i} a very long $name$ of a class" for i in range(n)])
    assert fits(axes)
    figure_of(axes).pixels()
    rows = [label.get_window_extent() for label in axes.get_yticklabels()]
    columns = [label.get_window_extent() for label in axes.get_xticklabels()]
    assert all(upper.y0 > lower.y1 - 3 for upper, lower in pairwise(rows))
    assert all(left.x1 < right.x0 + 3 for left, right in pairwise(columns))


def test_a_spread_is_a_bar_against_places_at_random() -> None:
    axes = plot_spread(Gaze((0.0, 2.0, 5.0), 10.0, 0.5, 0.1))
    assert [bar.get_height() for bar in axes.patches] == [0.0, 2.0, 5.0]
    assert list(axes.lines[0].get_ydata()) == [10.0, 10.0]
    assert axes.get_legend_handles_labels()[1] == ["places at random: 10.0"]
    assert texts(axes) == ["0.0", "2.0", "5.0"]
    assert axes.get_ylabel() == "pixels between images"
    assert fits(axes)


def test_charts_are_drawn_on_the_axes_of_a_user() -> None:
    axes = Figure().add_subplot()
    assert plot_confusion(CONFUSION, NAMES, axes) is axes
    assert plot_errors(MODES, Figure().add_subplot()).lines
