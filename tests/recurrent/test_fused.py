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


RUNS = """
from torch._dynamo import config
from saccade.config import Model
from saccade.training.workload import trainer

config.recompile_limit, config.fail_on_recompile_limit_hit = 1, True  # rather than 8, and then quietly uncompiled
small = Model(image=(1, 12, 12), classes=tuple("0123456789"), glimpse_size=(4, 4), num_glimpses=2, unit_pixels=4.0)
for batch in (8, 4):
    trainer(small, batch, "fp32", compiled=True, count=8)()
"""


@pytest.mark.skipif(not can_fuse(torch.device("cpu")), reason="compiling steps needs a C++ compiler: install g++")
def test_every_run_of_a_process_is_compiled_however_many_there_are():
    run = subprocess.run([sys.executable, "-c", RUNS], capture_output=True, text=True, env=os.environ, check=False)
    assert run.returncode == 0, run.stderr


def test_a_compiler_that_is_not_there_is_not_counted_on(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("CXX", "no-such-compiler")
    assert not can_fuse(torch.device("cpu"))
