"""Charts have their numbers in the right places."""

import pytest
import torch

from foveate.training.evaluate import Evaluation
from foveate.training.gaze import Gaze
from foveate.viewing.charts import TONES, confusion_chart, glimpses_chart, modes_chart, spread_chart
from foveate.viewing.figure import Area, Box, Dot, Figure, Line, Words

CONFUSION = [[40, 3, 1], [0, 30, 0], [6, 2, 18]]


def mode(policy: str, passes: int, wrong: tuple[int, ...]) -> Evaluation:
    return Evaluation(policy, passes, len(wrong), 100, wrong[-1], torch.tensor(CONFUSION), wrong, None)


MODES = [mode("mean", 1, (80, 30, 12)), mode("sampled", 1, (79, 35, 15)), mode("sampled", 10, (78, 28, 9))]


def marks(figure: Figure, kind: type, tone: str) -> list:
    return [mark for mark in figure.marks if isinstance(mark, kind) and mark.tone == tone]


def texts(figure: Figure) -> list[str]:
    return [mark.text for mark in figure.marks if isinstance(mark, Words)]


def test_a_mode_is_a_dot_on_its_interval_on_one_axis() -> None:
    chart, places = modes_chart(MODES), []
    for tone, mode in zip(TONES, MODES, strict=True):
        (dot,), (line,) = marks(chart, Dot, tone), marks(chart, Line, tone)
        (left, y), (right, _) = line.points
        assert dot.at[1] == y
        low, high = mode.interval
        places += [(low, left), (mode.error_rate, dot.at[0]), (high, right)]
    (a, x0), (b, x1) = min(places), max(places)
    for value, x in places:
        assert x == pytest.approx(x0 + (value - a) / (b - a) * (x1 - x0))
    assert {"12.00 %", "15.00 %", "9.00 %"} <= set(texts(chart))


def test_errors_after_each_glimpse_are_dots_one_below_the_other() -> None:
    chart = glimpses_chart(MODES)
    for tone, mode in zip(TONES, MODES, strict=True):
        dots = marks(chart, Dot, tone)
        assert len(dots) == 3
        assert [dot.at[0] for dot in dots] == pytest.approx([62, 201, 340])
        assert [dot.at for dot in dots] == marks(chart, Line, tone)[0].points
        order = sorted(range(3), key=lambda t: dots[t].at[1])
        assert order == sorted(range(3), key=lambda t: -mode.wrong_by_glimpse[t])
    (band,) = marks(chart, Area, TONES[0])
    for dot, over, under in zip(marks(chart, Dot, TONES[0]), band.points[:3], band.points[:2:-1], strict=True):
        assert over[1] < dot.at[1] < under[1]


def test_the_confusion_matrix_has_labels_down_and_answers_across() -> None:
    chart = confusion_chart(CONFUSION, ("a", "b", "c"))
    cells = {mark.at: int(mark.text) for mark in chart.marks if isinstance(mark, Words) and mark.text.isdigit()}
    assert sorted(cells.values()) == sorted(count for row in CONFUSION for count in row if count)
    xs, ys = (sorted({at[axis] for at in cells}) for axis in (0, 1))
    for (x, y), count in cells.items():
        assert CONFUSION[ys.index(y)][xs.index(x)] == count
    wrong = {round(box.opacity, 4) for box in marks(chart, Box, "wrong")}
    assert len(wrong) == 4  # 1, 2, 3 and 6 mistakes
    assert len(marks(chart, Box, "accent")) == 3


def test_many_classes_are_cells_without_numbers() -> None:
    chart = confusion_chart([[1] * 60 for _ in range(60)], [f"class{i}" for i in range(60)])
    assert len(marks(chart, Box, "accent")) == 40
    assert not [text for text in texts(chart) if text.isdigit()]


def test_a_spread_is_a_bar_against_places_at_random() -> None:
    chart = spread_chart(Gaze((0.0, 2.0, 5.0), 10.0, 0.5, 0.1))
    heights = [box.corners[3] - box.corners[1] for box in marks(chart, Box, "accent")]
    (level,) = [line.points[0][1] for line in marks(chart, Line, "other")]
    foot = marks(chart, Box, "accent")[0].corners[3]
    assert heights[1:] == pytest.approx([0.2 * (foot - level), 0.5 * (foot - level)])
    assert heights[0] == 1  # so that it is seen at all
    assert {"0.0", "2.0", "5.0", "- - places at random: 10.0"} <= set(texts(chart))
