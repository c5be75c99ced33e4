"""Long runs do not grow: memory and time a step after 20,000 steps are those after 200."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from torture.figures import note

SCRIPT = Path(__file__).with_name("growing.py")


@pytest.mark.slow
@pytest.mark.parametrize("steps", [500, pytest.param(20_000, marks=pytest.mark.torture)])
def test_a_long_run_does_not_grow(tmp_path: Path, steps: int, request: pytest.FixtureRequest):
    """The allocator may keep a few MB more; of what a step allocates, all is given back."""
    command = [sys.executable, str(SCRIPT), str(tmp_path), str(steps)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    (early, late), (few, many) = found["memory"], found["objects"]
    assert late < early + 8
    assert many < 1.02 * few
    quick, slow = found["milliseconds"]
    assert slow < 1.5 * quick, "Time of the processor, which a busy machine stretches too."
    if steps > 500:
        note(request, "memory after 200 steps, MB", round(early, 1))
        note(request, f"memory after {steps:,} steps, MB", round(late, 1))
        note(request, "median step of the first 400, ms of processor time", round(quick, 2))
        note(request, f"median step of the last 200 of {steps:,}, ms of processor time", round(slow, 2))
