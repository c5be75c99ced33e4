"""Benchmarks in new processes: `foveate --help`, `import foveate`, and the peak memory of training."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from benchmarks.timing import Line, clock, compare

ROOT = Path(__file__).parents[1]
IMPORT = """
import time, torch
start = time.perf_counter()
import foveate
for name in foveate.__all__:
    getattr(foveate, name)
print(time.perf_counter() - start)
"""

# Reads /proc/self/status, since the peak of `getrusage` may come from the process that started this one.
TRAIN = """
import torch
from pathlib import Path
from benchmarks.workload import MNIST, trainer
torch.set_num_threads(1)
step = trainer(MNIST, {batch}, "bf16", compiled={fused}, count={count})
for _ in range(20):
    step()
print(next(line.split()[1] for line in Path("/proc/self/status").read_text().splitlines() if "VmHWM" in line))
"""


def startup(repeats: int) -> Iterator[Line]:
    """Times of `foveate --help` and `import foveate`, interleaved."""
    times = [(clock(_help), _run(IMPORT)) for _ in range(repeats)]
    asked = [("foveate --help", 0.3), ("import foveate and all its public names, after import torch", 0.2)]
    for (measures, goal), seconds in zip(asked, zip(*times, strict=True), strict=True):
        yield compare(
            list(seconds),
            topic="start",
            case="a new process each time",
            measures=measures,
            against="",
            unit="s",
            goal=goal,
            at_least=False,
        )


def peak(quick: bool, *, fused: bool) -> Iterator[Line]:
    """Peak memory of a process that trains on a data set of MNIST's size in memory; needs /proc/self/status."""
    if not Path("/proc/self/status").exists():
        return
    batch, count = (8, 100) if quick else (512, 60_000)
    yield compare(
        [1024 * _run(TRAIN.format(batch=batch, fused=fused, count=count))],
        topic="memory",
        case=f"{count:,} images of 28 px, bf16, batch {batch}{', compiled' if fused else ''}",
        measures="peak memory of a process that trains",
        against="",
        unit="bytes",
        goal=2.0**30,
        at_least=False,
    )


def _help() -> None:
    subprocess.run([sys.executable, "-m", "foveate", "--help"], check=True, stdout=subprocess.DEVNULL)


def _run(script: str) -> float:
    """The number that a script prints."""
    return float(
        subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True, cwd=ROOT).stdout
    )
