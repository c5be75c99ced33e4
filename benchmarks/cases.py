"""Cases of a benchmark: batch, precision, and compiled or not; their names, and the fastest of several."""

import itertools
import os
from statistics import median

import torch

from benchmarks.timing import Form, alternate
from benchmarks.workload import DTYPES, Precision
from foveate.speed.compile import can_compile

Case = tuple[int, Precision, bool]
"""Batch, precision, and whether the step is compiled."""


def plain_cases(*batches: int) -> list[Case]:
    """Cases that are not compiled, in both precisions."""
    return [(batch, precision, False) for batch, precision in itertools.product(batches, DTYPES)]


def fused_cases(*batches: int) -> list[Case]:
    """Compiled cases where the machine can compile: few, since compiling takes long."""
    return [(batch, "bf16", True) for batch in batches] if can_compile(torch.device("cpu")) else []


def thread_counts() -> tuple[int, ...]:
    """Numbers of threads to measure: 1, and 2 if there are two cores."""
    return (1, 2) if (os.cpu_count() or 1) > 1 else (1,)


def stated(case: Case, threads: int = 1) -> str:
    """The case in words."""
    batch, precision, compiled = case
    plural = "s" if threads > 1 else ""
    return f"{precision}, batch {batch}, {threads} thread{plural}{', compiled' if compiled else ''}"


def named(case: Case) -> str:
    """The case in few words."""
    batch, precision, compiled = case
    return f"{precision} at {batch}{', compiled' if compiled else ''}"


def best_of(forms: dict[Case, Form]) -> tuple[Case, Form]:
    """The case with the least time an image, and its form."""
    # Interleaved, since a machine whose speed changes would otherwise favor the case measured at its fastest.
    turns = alternate(list(forms.values()), 5, 0.05)
    times = {case: median(seconds) / case[0] for case, seconds in zip(forms, turns, strict=True)}
    best = min(times, key=times.__getitem__)
    return best, forms[best]
