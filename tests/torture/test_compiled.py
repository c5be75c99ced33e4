"""A run with compiled steps that was stopped inside an epoch goes on bit for bit, compiled anew by another process."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from foveate.speed.compile import can_compile
from torture.compiled import STOPS
from torture.figures import note
from training.tiny import outcome

SCRIPT = Path(__file__).with_name("compiled.py")


@pytest.mark.torture
@pytest.mark.skipif(not can_compile(torch.device("cpu")), reason="Compiling steps needs a C++ compiler: install g++.")
def test_a_compiled_run_that_was_stopped_is_the_one_that_was_let_be(tmp_path: Path, request: pytest.FixtureRequest):
    for what in ("whole", "stop", "resume"):
        done = subprocess.run([sys.executable, str(SCRIPT), str(tmp_path), what], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-3000:]
        graphs = int(done.stdout)
        assert graphs == 1 if what == "whole" else graphs >= 1, "Each step should be one compiled call."
        if what == "stop":
            states = {name: torch.load(tmp_path / name / "last.pt", weights_only=True) for name in STOPS}
            found = {name: (state["progress"]["epoch"] + 1, state["epoch"]["done"]) for name, state in states.items()}
            assert found == STOPS
    for name in STOPS:
        assert outcome(tmp_path / name) == outcome(tmp_path / "whole")
        note(request, "compiled runs stopped inside an epoch that ended like the undisturbed run", 1)
