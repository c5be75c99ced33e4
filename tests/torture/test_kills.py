"""Runs that are killed at random moments, with every signal, end as those that were let be, bit for bit."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from torture.figures import note
from torture.killing import INTERVAL

SCRIPT = Path(__file__).with_name("killing.py")


@pytest.mark.slow
@pytest.mark.parametrize("kills", [3, pytest.param(210, marks=pytest.mark.torture)])
def test_killed_runs_lose_nothing_beyond_the_interval(tmp_path: Path, kills: int, request: pytest.FixtureRequest):
    command = [sys.executable, str(SCRIPT), str(tmp_path), str(kills), "0"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert sum(found["kills"].values()) == kills
    assert found["told"] == found["stopped"], "Every run that stops should say how it goes on."
    assert found["lost_by_signal"] == 0, "Ctrl-C and SIGTERM lose no step."
    assert found["trained"], "Some should be killed while they train."
    if kills < 100:
        return
    assert all(count > kills / 6 for count in found["kills"].values())
    assert found["trained"] > kills / 2
    assert found["lost_steps"], "A kill that costs nothing would say nothing of the interval."
    # The interval, and what a step and the writing of a checkpoint take on a busy machine.
    assert found["lost_seconds"] < INTERVAL + 3
    for name, count in found["kills"].items():
        note(request, f"kills at random moments ({name})", count)
    note(request, "of these, kills after the first step of a process", found["trained"])
    note(request, "runs that ended differently from the undisturbed run", 0)
    note(request, "runs killed and resumed until done", found["runs"])
    note(request, "steps lost to Ctrl-C or SIGTERM", found["lost_by_signal"])
    note(request, "most steps lost to a kill", found["lost_steps"])
    note(request, f"most seconds of work lost to a kill, with a checkpoint every {INTERVAL} s", found["lost_seconds"])
