"""Curves in a terminal: every value has its dot in its place."""

import pytest

from foveate.viewing.curves import BARS, DOTS, LABEL, Curve, plot, sparkline

WIDTH, HEIGHT = 48, 6


def dots(curves: list[Curve]) -> set[tuple[int, int]]:
    """The dots (x, y) that are drawn, from the top left of the field."""
    found = set()
    for row, line in enumerate(plot(curves, WIDTH, HEIGHT)[:-1]):
        for column, letter in enumerate(line.plain[LABEL:]):
            bits = ord(letter) - 0x2800 if letter != " " else 0
            found |= {(2 * column + x, 4 * row + y) for y in range(4) for x in range(2) if bits & DOTS[y][x]}
    return found


def test_a_rising_curve_runs_from_corner_to_corner() -> None:
    found = dots([Curve("it", [0.2, 0.6, 1.0], "red")])
    xs, ys = {x for x, _ in found}, {y for _, y in found}
    assert xs == set(range(2 * (WIDTH - LABEL)))  # joined, without a gap
    assert min(ys) == 0
    assert (max(xs), 0) in found
    heights = [min(y for x, y in found if x == column) for column in sorted(xs)]
    assert heights == sorted(heights, reverse=True)


def test_one_value_is_one_dot_and_none_is_no_plot() -> None:
    assert len(dots([Curve("it", [0.5], "red")])) == 1
    assert plot([Curve("it", [], "red")], WIDTH, HEIGHT) == []


def test_epochs_are_spread_over_the_longest_curve() -> None:
    short = dots([Curve("short", [0.5, 0.5], "red"), Curve("long", [0.9] * 11, "blue")])
    low = [x for x, y in short if y > 4]
    assert max(low) == pytest.approx((2 * (WIDTH - LABEL) - 1) / 10, abs=1)


def test_labels_stand_at_their_values() -> None:
    lines = [line.plain for line in plot([Curve("it", [0.9, 0.001], "red")], WIDTH, HEIGHT)]
    labels = {float(line[: LABEL - 2].strip(" %")): row for row, line in enumerate(lines[:-1]) if line[:6].strip()}
    assert sorted(labels, reverse=True) == list(labels)
    assert {10.0, 1.0} <= set(labels)
    assert all(line[LABEL - 1] in "┤│" for line in lines[:-1])
    assert lines[-1].split() == ["1", "2"]
    assert all(len(line) == WIDTH for line in lines)


def test_a_later_curve_lies_over_an_earlier_one() -> None:
    first, second = Curve("a", [0.5, 0.5], "red"), Curve("b", [0.5, 0.5], "blue")
    for curves, style in (([first, second], "blue"), ([second, first], "red")):
        styles = {
            str(span.style) for line in plot(curves, WIDTH, HEIGHT)[:-1] for span in line.spans if span.style != "dim"
        }
        assert styles == {style}


@pytest.mark.parametrize(
    ("values", "width", "bars"), [([], 5, ""), ([3], 5, "▁"), ([0, 7], 5, "▁█"), ([7, 0] * 3, 3, "▁▁▁")]
)
def test_sparklines(values: list[float], width: int, bars: str) -> None:
    assert sparkline(values, width) == bars


def test_a_sparkline_leaves_out_what_is_no_number_and_fits() -> None:
    assert sparkline([1.0, float("nan"), 2.0, float("inf")], 9) == BARS[0] + BARS[-1]
    assert len(sparkline(list(range(1000)), 30)) <= 30
