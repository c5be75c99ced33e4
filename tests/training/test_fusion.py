"""Steps are compiled where that pays, where it is asked for, and never where it cannot be done.

What `torch.compile` makes of a step computes what the step computes, draws and dropout included.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from foveate.config import Training
from foveate.training import fusion
from foveate.training.fusion import WORTHWHILE, can_fuse, choose_fusion, fused

CPU = torch.device("cpu")
SCRIPT = Path(__file__).with_name("fused_script.py")


@pytest.fixture
def able(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("CXX", "sh")  # something that is there


@pytest.fixture
def unable(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("CXX", "no-such-compiler")


def chosen(wish, steps, processes=1, device=CPU):
    return choose_fusion(Training(compile=wish), steps, device, processes)


@pytest.mark.usefixtures("able")
@pytest.mark.parametrize(
    ("wish", "steps", "choice"),
    [("auto", WORTHWHILE - 1, False), ("auto", WORTHWHILE, True), ("on", 1, True), ("off", WORTHWHILE, False)],
)
def test_the_number_of_steps_decides_unless_told(wish, steps, choice):
    assert chosen(wish, steps) is choice


@pytest.mark.usefixtures("able")
@pytest.mark.parametrize(("wish", "choice"), [("auto", False), ("on", True), ("off", False)])
def test_in_several_processes_it_is_done_where_it_is_asked_for(wish, choice):
    assert chosen(wish, WORTHWHILE, processes=2) is choice


@pytest.mark.parametrize(("wish", "choice"), [("auto", False), ("on", True), ("off", False)])
def test_on_a_gpu_it_is_done_where_it_is_asked_for(monkeypatch, wish, choice):
    monkeypatch.setattr(fusion, "find_spec", lambda name: name == "triton")
    assert chosen(wish, WORTHWHILE, device=torch.device("cuda")) is choice


@pytest.mark.usefixtures("unable")
def test_without_a_compiler_auto_means_off_and_on_is_refused():
    assert chosen("auto", WORTHWHILE) is False
    with pytest.raises(ValueError, match=r"`compile = on` should find a C\+\+ compiler .* choose `compile = off`"):
        chosen("on", 1)


@pytest.mark.parametrize(("device", "calls"), [("cpu", "cpp_wrapper"), ("cuda", "triton.cudagraphs")])
def test_calls_from_cpp_are_asked_for_on_a_cpu_and_a_cuda_graph_on_a_gpu(monkeypatch, device, calls):
    asked = []
    monkeypatch.setattr(torch, "compile", lambda function, **settings: asked.append(settings["options"]) or function)
    fused(lambda: None, device)
    assert asked[0].keys() - {"fallback_random"} == {calls}
    assert calls in torch._inductor.list_options()  # else only a GPU would tell that it is called otherwise


@pytest.mark.skipif(not can_fuse(torch.device("cpu")), reason="compiling steps needs a C++ compiler: install g++")
def test_compiled_steps_equal_plain_ones():
    run = subprocess.run([sys.executable, SCRIPT], capture_output=True, text=True, env=os.environ, check=False)
    assert run.returncode == 0, run.stderr
    for name, distance in json.loads(run.stdout).items():
        assert distance < (0.02 if "bfloat16" in name else 1e-5), name


RUNS = """
from torch._dynamo import config
from foveate.config import Model
from foveate.training.workload import trainer

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
