"""Axes: from values to places on a sheet, and the values that are written beside it."""

import math
from dataclasses import dataclass

from foveate.viewing.figure import Line, Mark, Words


@dataclass(frozen=True)
class Axis:
    """A stretch from `start` to `end` of a sheet that stands for the values from `low` to `high`."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def place(self, value: float) -> float:
        """Where a value is; one beyond the axis is at its end."""
        low, high, value = (math.log(each) if self.log else each for each in (self.low, self.high, self._held(value)))
        return self.start + (self.end - self.start) * (value - low) / (high - low)

    def ticks(self) -> list[float]:
        """Round values within the axis: 1, 2 or 5 times a power of ten, or the powers alone where there are many."""
        if self.log:
            low, high = math.floor(math.log10(self.low)), math.ceil(math.log10(self.high))
            heads = (1,) if math.log10(self.high / self.low) > 2.7 else (1, 2, 5)
            values = [head * 10.0**power for power in range(low, high + 1) for head in heads]
        else:
            step = _round_up((self.high - self.low) / 5)
            values = [step * i for i in range(math.ceil(self.low / step), math.floor(self.high / step) + 1)]
        slack = 1e-9 * self.high
        return [value for value in values if self.low - slack <= value <= self.high + slack]

    def _held(self, value: float) -> float:
        return min(max(value, self.low), self.high)


def _round_up(value: float) -> float:
    """The next of 1, 2 or 5 times a power of ten.

    >>> _round_up(0.3), _round_up(6.0), _round_up(2.0)
    (0.5, 10.0, 2.0)
    """
    power = 10.0 ** math.floor(math.log10(value))
    return next(head * power for head in (1, 2, 5, 10) if head * power >= value * (1 - 1e-9))


def error_axis(errors: list[float], n: int, start: float, end: float) -> Axis:
    """An axis for error rates of n images: logarithmic where they differ much, from half an error, for it has no 0."""
    high = min(1.0, 1.15 * max(errors)) or 1.0
    least = max(min(errors), 0.5 / n)
    if high / least > 8:
        return Axis(least / 1.25, high, start, end, log=True)
    return Axis(0.0, high, start, end)


def percent(value: float, digits: int = 2) -> str:
    """A fraction in per cent, as it is written everywhere in a report.

    >>> percent(0.0086), percent(0.5, 0)
    ('0.86 %', '50 %')
    """
    return f"{100 * value:.{digits}f} %"


def short_percent(value: float) -> str:
    """A round fraction in per cent, without needless digits.

    >>> short_percent(0.1), short_percent(0.002)
    ('10 %', '0.2 %')
    """
    return f"{100 * value:.4g} %"


def grid(axis: Axis, left: float, right: float) -> list[Mark]:
    """Level lines across a sheet at the ticks of an upright axis of fractions, each with its value beside it."""
    marks: list[Mark] = []
    for value in axis.ticks():
        y = axis.place(value)
        marks += [
            Line([(left, y), (right, y)], "faint", 1),
            Words((left - 6, y), short_percent(value), "quiet", "end", 11),
        ]
    return marks
