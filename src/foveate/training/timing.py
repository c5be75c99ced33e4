"""How long things take: forms timed in turn, bytes they allocate, and the line of a table that says so."""

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
    """One measurement against another, made in the same process by turns."""

    topic: str
    """The question it belongs to."""
    case: str
    """Sizes, batch, precision and threads."""
    measures: str
    """What is measured."""
    against: str
    """What it is measured against; empty where the amount itself is the answer."""
    amount: float
    """Median of what is measured: `unit` an image, or a call."""
    reference: float
    """The same of what it is measured against; 0 where there is none."""
    unit: str
    """`s an image`, `s a rollout`, `s`, `bytes an image` or `bytes`."""
    value: float
    """The answer: a median ratio that says how many times or what share, or the amount itself."""
    low: float
    """The least answer of the repeats."""
    high: float
    """The greatest answer of the repeats."""
    goal: float
    """The answer that is wanted."""
    at_least: bool
    """Whether the goal is a least answer, reference / amount; a greatest one is of amount / reference."""

    @property
    def reached(self) -> bool:
        """Whether the goal is met."""
        return self.value >= self.goal if self.at_least else self.value <= self.goal


@dataclass(frozen=True)
class Report:
    """The lines of one machine."""

    machine: dict[str, str]
    """Processor, versions and what else a number depends on."""
    lines: tuple[Line, ...]
    """The table, in the order in which it was measured."""

    def to_json(self) -> str:
        """The report as JSON, each line with whether its goal was reached."""
        lines = [asdict(line) | {"reached": line.reached} for line in self.lines]
        return json.dumps({"machine": self.machine, "lines": lines}, indent=2) + "\n"

    @staticmethod
    def from_json(text: str) -> "Report":
        """The report that `to_json` wrote."""
        report: dict[str, Any] = json.loads(text)
        lines = [{name: value for name, value in line.items() if name != "reached"} for line in report["lines"]]
        return Report(report["machine"], tuple(Line(**line) for line in lines))


def compare(amounts: Sequence[float], references: Sequence[float] = (), *, at_least: bool, **words: Any) -> Line:
    """The line of repeats that were made by turns.

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
    """Seconds of one call of each form, in each of `repeats` turns, after calls that are not counted.

    In its turn a form is called for about `seconds`, so that a short call is not lost in the clock's grain.
    """
    for form in forms:
        form()
    calls = [max(1, round(seconds / clock(form))) for form in forms]
    turns = [[clock(form, count) for form, count in zip(forms, calls, strict=True)] for _ in range(repeats)]
    return [list(column) for column in zip(*turns, strict=True)]


def clock(form: Form, calls: int = 1) -> float:
    """Seconds of the wall clock that a call takes."""
    start = time.perf_counter()
    for _ in range(calls):
        form()
    return (time.perf_counter() - start) / calls


def allocated(form: Form) -> int:
    """Bytes of all tensors that a call makes: views and results written in place count as nothing.

    >>> allocated(lambda: torch.zeros(10, dtype=torch.uint8).view(2, 5) + 1)
    20
    """
    with torch.no_grad(), _Allocations() as allocations:
        form()
    return allocations.bytes


class _Allocations(TorchDispatchMode):
    """Adds up the memory behind results that is not the memory behind an argument."""

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
    """Where a tensor's memory lies, and its size in bytes."""
    storage = value.untyped_storage()
    return storage.data_ptr(), storage.nbytes()
