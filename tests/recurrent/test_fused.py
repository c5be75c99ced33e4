"""What `torch.compile` makes of a step computes what the step computes, draws and dropout included."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from saccade.recurrent.fused import can_fuse

SCRIPT = Path(__file__).with_name("fused_script.py")


@pytest.mark.skipif(not can_fuse(torch.device("cpu")), reason="compiling steps needs a C++ compiler: install g++")
def test_compiled_steps_equal_plain_ones():
    run = subprocess.run([sys.executable, SCRIPT], capture_output=True, text=True, env=os.environ, check=False)
    assert run.returncode == 0, run.stderr
    assert max(json.loads(run.stdout).values()) < 1e-5


def test_a_compiler_that_is_not_there_is_not_counted_on(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("CXX", "no-such-compiler")
    assert not can_fuse(torch.device("cpu"))
