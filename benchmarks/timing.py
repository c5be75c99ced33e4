"""Timing of functions: interleaved repeats, allocated bytes, and the lines and report of the results."""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

Form = Callable[[], object]


@dataclass(frozen=True, kw_only=True)
class Line:
    """One measurement against another, interleaved in one process."""

    topic: str
    """Question that the measurement belongs to."""
    case: str
    """Sizes, batch, precision and threads."""
    measures: str
    """What is measured."""
    against: str
    """What it is measured against; empty if the amount itself is the answer."""
    amount: float
    """Median of the measurement, in `unit`."""
    reference: float
    """Median of what it is measured against, in `unit`; 0 if there is none."""
    unit: str
    """`s an image`, `s a rollout`, `s`, `bytes an image` or `bytes`."""
    value: float
    """Answer: the median ratio, or the amount itself without a reference."""
    low: float
    """Least answer of the repeats."""
    high: float
    """Greatest answer of the repeats."""
    goal: float
    """Answer to reach."""
    at_least: bool
    """Whether the goal is a lower bound on reference / amount; otherwise an upper bound on amount / reference."""

    @property
    def reached(self) -> bool:
        """Whether the goal is met."""
        return self.value >= self.goal if self.at_least else self.value <= self.goal


@dataclass(frozen=True)
class Report:
    """All lines measured on one machine."""

    machine: dict[str, str]
    """Processor, load and versions, on which the numbers depend."""
    lines: tuple[Line, ...]
    """Lines in the order of measurement."""

    def to_json(self) -> str:
        """The report as JSON; each line has an added field `reached`."""
        lines = [asdict(line) | {"reached": line.reached} for line in self.lines]
        return json.dumps({"machine": self.machine, "lines": lines}, indent=2) + "\n"

    @staticmethod
    def from_json(text: str) -> "Report":
        """The report that `to_json` wrote."""
        report: dict[str, Any] = json.loads(text)
        lines = [{name: value for name, value in line.items() if name != "reached"} for line in report["lines"]]
        return Report(report["machine"], tuple(Line(**line) for line in lines))


def compare(amounts: Sequence[float], references: Sequence[float] = (), *, at_least: bool, **words: Any) -> Line:
    """The line of interleaved repeats.

    >>> line = compare([2.0, 4.0], [6.0, 8.0], at_least=True, topic="", case="", measures="", against="", unit="s",
    ...                goal=2.0)
    >>> line.value, line.low, line.high, line.reached
    (2.5, 2.0, 3.0, True)
    """
    answers = list(amounts)
    if references:
        pairs = zip(amounts, references, strict=True)
        answers = [reference / amount if at_least else amount / reference for amount, reference in pairs]
    return Line(
        amount=median(amounts),
        reference=median(references) if references else 0.0,
        value=median(answers),
        low=min(answers),
        high=max(answers),
        at_least=at_least,
        **words,
    )


def alternate(forms: Sequence[Form], repeats: int, seconds: float = 0.05) -> list[list[float]]:
    """Seconds of one call of each form, in each of `repeats` interleaved repeats, after uncounted calls.

    In each repeat a form is called for about `seconds`, so that the clock's resolution suffices for short calls.
    """
    for form in forms:
        form()
    calls = [max(1, round(seconds / clock(form))) for form in forms]
    turns = [[clock(form, count) for form, count in zip(forms, calls, strict=True)] for _ in range(repeats)]
    return [list(column) for column in zip(*turns, strict=True)]


def clock(form: Form, calls: int = 1) -> float:
    """Mean wall-clock seconds of a call."""
    start = time.perf_counter()
    for _ in range(calls):
        form()
    return (time.perf_counter() - start) / calls


def allocated(form: Form) -> int:
    """Bytes of all tensors that a call makes, without views and results written in place.

    >>> allocated(lambda: torch.zeros(10, dtype=torch.uint8).view(2, 5) + 1)
    20
    """
    with torch.no_grad(), _Allocations() as allocations:
        form()
    return allocations.bytes


class _Allocations(TorchDispatchMode):
    """Counter of the memory of results that share none with an argument."""

    def __init__(self) -> None:
        super().__init__()
        self.bytes = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        known = {_storage(value) for value in tree_leaves((args, kwargs)) if isinstance(value, Tensor)}
        made = {_storage(value) for value in tree_leaves(result) if isinstance(value, Tensor)}
        self.bytes += sum(size for _, size in made - known)
        return result


def _storage(value: Tensor) -> tuple[int, int]:
    """Address and size in bytes of a tensor's memory."""
    storage = value.untyped_storage()
    return storage.data_ptr(), storage.nbytes()
