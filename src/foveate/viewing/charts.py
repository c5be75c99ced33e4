"""The charts of a report: the errors, after how many glimpses, what is taken for what, and how gazes differ."""

from collections.abc import Sequence

from foveate.training.evaluate import Evaluation, wilson
from foveate.training.gaze import Gaze
from foveate.viewing.axes import Axis, error_axis, grid, percent, short_percent
from foveate.viewing.figure import Area, Box, Dot, Figure, Line, Mark, Words

WIDTH = 360  # of every chart: what a phone shows at once
TONES = ("accent", "other", "third")  # of the modes
WRITTEN = 12  # classes, up to which the confusion matrix has its numbers written in it
SHOWN = 40  # classes of a confusion matrix
MANY = 12  # glimpses, beyond which not every one is numbered


def modes_chart(modes: Sequence[Evaluation]) -> Figure:
    """The error of each mode as a dot on a line that is its interval."""
    axis = Axis(0.0, 1.1 * max(mode.interval[1] for mode in modes), 16, WIDTH - 12)
    row, foot = 46, 46 * len(modes) + 4
    marks: list[Mark] = []
    for value in axis.ticks():
        x = axis.place(value)
        marks += [
            Line([(x, 0), (x, foot)], "faint", 1),
            Words((x, foot + 12), short_percent(value), "quiet", "middle", 11),
        ]
    for i, (mode, tone) in enumerate(zip(modes, TONES, strict=False)):
        y = i * row + 34
        low, high = mode.interval
        marks += [
            Words((8, y - 20), mode_name(mode)),
            Words((WIDTH - 4, y - 20), percent(mode.error_rate), "ink", "end"),
            Line([(axis.place(low), y), (axis.place(high), y)], tone, 4),
            Dot((axis.place(mode.error_rate), y), tone, 6),
        ]
    said = "; ".join(f"{mode_name(mode)} {percent(mode.error_rate)}" for mode in modes)
    return Figure("errors", f"Error under each evaluation mode: {said}.", WIDTH, foot + 24, marks)


def mode_name(mode: Evaluation) -> str:
    """A mode in a few words."""
    passes = f", average of {mode.num_rollouts} passes" if mode.num_rollouts > 1 else ", one pass"
    return ("Mean policy" if mode.policy == "mean" else "Sampled policy") + passes


def glimpses_chart(modes: Sequence[Evaluation]) -> Figure:
    """The error of each mode after each glimpse, with the interval of the first mode."""
    curves = [[wrong / mode.n for wrong in mode.wrong_by_glimpse] for mode in modes]
    left, right, legend, foot = 52.0, WIDTH - 14.0, 20.0 * len(modes), 20.0 * len(modes) + 190
    bounds = [wilson(wrong, modes[0].n) for wrong in modes[0].wrong_by_glimpse]
    upright = error_axis([*(error for curve in curves for error in curve)], modes[0].n, foot, legend + 12)
    time = len(bounds)
    across = Axis(1, max(2, time), left + 10, right - 6)
    marks = grid(upright, left, right)
    every = -(-time // MANY)
    for t in range(1, time + 1, every):
        marks.append(Words((across.place(t), foot + 14), str(t), "quiet", "middle", 11))
    marks.append(Words(((left + right) / 2, foot + 32), "glimpses", "quiet", "middle"))
    over = [(across.place(t), upright.place(high)) for t, (_, high) in enumerate(bounds, 1)]
    under = [(across.place(t), upright.place(low)) for t, (low, _) in enumerate(bounds, 1)]
    marks.append(Area([*over, *under[::-1]], TONES[0]))
    for i, (mode, curve, tone) in reversed(list(enumerate(zip(modes, curves, TONES, strict=False)))):
        points = [(across.place(t), upright.place(error)) for t, error in enumerate(curve, 1)]
        marks += [Line(points, tone), *(Dot(point, tone) for point in points)]
        marks += [
            Line([(left, 20 * i + 8), (left + 18, 20 * i + 8)], tone, 3),
            Words((left + 26, 20 * i + 8), mode_name(mode)),
        ]
    said = ", ".join(percent(error) for error in curves[0])
    return Figure(
        "glimpses", f"Error after each glimpse, {mode_name(modes[0]).lower()}: {said}.", WIDTH, foot + 42, marks
    )


def confusion_chart(confusion: Sequence[Sequence[int]], classes: Sequence[str]) -> Figure:
    """Images by label (row) and answer (column); mistakes are the darker the more there are of them."""
    shown = min(len(classes), SHOWN)
    most = max((confusion[i][j] for i in range(shown) for j in range(shown) if i != j), default=0)
    left, top = 64.0, 44.0
    side = (WIDTH - left - 2) / shown
    marks: list[Mark] = [
        Words((left + side * shown / 2, 10), "answer", "quiet", "middle"),
        Words((0, top - 16), "label", "quiet"),
    ]
    for i in range(shown):
        y = top + i * side
        if side >= 9:
            size = min(12.0, side)
            marks.append(Words((left - 8, y + side / 2), _cut(classes[i], 8), "ink", "end", size))
            marks.append(
                Words((left + (i + 0.5) * side, top - 12), _cut(classes[i], int(side // 7)), "ink", "middle", size)
            )
        for j in range(shown):
            marks += _cell(confusion[i][j], i == j, most, (left + j * side, y), side, shown <= WRITTEN)
    return Figure("confusion", "Confusion matrix: images by label and answer.", WIDTH, top + side * shown + 2, marks)


def _cell(count: int, right: bool, most: int, at: tuple[float, float], side: float, written: bool) -> list[Mark]:
    """One cell of the confusion matrix."""
    (x, y), gap = at, 0.5 if side > 4 else 0.0
    tone, opacity = (
        ("accent", 0.22) if right else ("wrong", 0.12 + 0.5 * count / max(most, 1)) if count else ("faint", 0.35)
    )
    marks: list[Mark] = [Box((x + gap, y + gap, x + side - gap, y + side - gap), tone, opacity)]
    if written and count:
        marks.append(Words((x + side / 2, y + side / 2), str(count), "ink", "middle", 11 if side > 25 else 9))
    return marks


def _cut(name: str, letters: int) -> str:
    return name if len(name) <= max(1, letters) else name[: max(1, letters - 1)] + "."


def spread_chart(gaze: Gaze) -> Figure:
    """How far apart images are looked at, glimpse by glimpse, against places drawn at random."""
    left, right, foot, head = 40.0, WIDTH - 8.0, 170.0, 26.0
    upright = Axis(0.0, 1.08 * max(gaze.random_spread, *gaze.spread), foot, head)
    step = (right - left) / len(gaze.spread)
    every = -(-len(gaze.spread) // MANY)
    marks: list[Mark] = []
    for value in upright.ticks():
        y = upright.place(value)
        marks += [Line([(left, y), (right, y)], "faint", 1), Words((left - 6, y), f"{value:g}", "quiet", "end", 11)]
    for t, spread in enumerate(gaze.spread):
        x, y = left + (t + 0.5) * step, upright.place(spread)
        marks.append(Box((x - 0.32 * step, min(y, foot - 1), x + 0.32 * step, foot), "accent"))
        if t % every == 0:
            marks.append(Words((x, y - 9), f"{spread:.1f}", "ink", "middle", 11))
            marks.append(Words((x, foot + 12), str(t + 1), "quiet", "middle", 11))
    level = upright.place(gaze.random_spread)
    marks += [
        Line([(left, level), (right, level)], "other", 1.5, dashed=True),
        Words((right, 8), f"- - places at random: {gaze.random_spread:.1f}", "other", "end", 11),
        Words(((left + right) / 2, foot + 30), "glimpse", "quiet", "middle"),
        Words((0, 8), "pixels", "quiet", "start", 11),
    ]
    said = ", ".join(f"{spread:.1f}" for spread in gaze.spread)
    return Figure("spread", f"Pixels between where images are looked at, by glimpse: {said}.", WIDTH, foot + 40, marks)
