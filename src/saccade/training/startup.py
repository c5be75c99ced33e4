"""How long `saccade --help` and `import saccade` take, each in a new process."""

import subprocess
import sys
from collections.abc import Iterator

from saccade.training.timing import Line, clock, compare

IMPORT = """
import time, torch
start = time.perf_counter()
import saccade
for name in saccade.__all__:
    getattr(saccade, name)
print(time.perf_counter() - start)
"""


def startup(repeats: int) -> Iterator[Line]:
    """Both times, by turns."""
    times = [(clock(_help), _import()) for _ in range(repeats)]
    asked = [("saccade --help", 0.3), ("import saccade and all its public names, after import torch", 0.2)]
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


def _help() -> None:
    subprocess.run([sys.executable, "-m", "saccade", "--help"], check=True, stdout=subprocess.DEVNULL)


def _import() -> float:
    done = subprocess.run([sys.executable, "-c", IMPORT], check=True, capture_output=True, text=True)
    return float(done.stdout)
