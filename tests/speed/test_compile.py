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
from foveate.speed import compile
from foveate.speed.compile import can_compile, compile_function, cpp_compiler
from foveate.training.check import MIN_STEPS, should_compile

CPU = torch.device("cpu")
SCRIPT = Path(__file__).with_name("fused_script.py")


@pytest.fixture
def able(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("CXX", "sh")  # something that is there


@pytest.fixture
def unable(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("CXX", "no-such-compiler")


def chosen(wish, steps, processes=1, device=CPU):
    return should_compile(Training(compile=wish), steps, device, processes)


@pytest.mark.usefixtures("able")
@pytest.mark.parametrize(
    ("wish", "steps", "choice"),
    [("auto", MIN_STEPS - 1, False), ("auto", MIN_STEPS, True), ("on", 1, True), ("off", MIN_STEPS, False)],
)
def test_the_number_of_steps_decides_unless_told(wish, steps, choice):
    assert chosen(wish, steps) is choice


@pytest.mark.usefixtures("able")
@pytest.mark.parametrize(("wish", "choice"), [("auto", False), ("on", True), ("off", False)])
def test_in_several_processes_it_is_done_where_it_is_asked_for(wish, choice):
    assert chosen(wish, MIN_STEPS, processes=2) is choice


@pytest.mark.parametrize(
    ("wish", "steps", "choice"), [("auto", MIN_STEPS, True), ("auto", 1, False), ("on", 1, True), ("off", 1, False)]
)
def test_on_a_gpu_the_number_of_steps_decides_too(monkeypatch, wish, steps, choice):
    monkeypatch.setattr(compile, "find_spec", lambda name: name == "triton")
    assert chosen(wish, steps, device=torch.device("cuda")) is choice


@pytest.mark.usefixtures("unable")
def test_without_a_compiler_auto_means_off_and_on_is_refused():
    assert chosen("auto", MIN_STEPS) is False
    with pytest.raises(ValueError, match=r"`compile = on` should find a C\+\+ compiler .* choose `compile = off`"):
        chosen("on", 1)


@pytest.mark.parametrize(("device", "calls"), [("cpu", "cpp_wrapper"), ("cuda", "triton.cudagraphs")])
def test_calls_from_cpp_are_asked_for_on_a_cpu_and_a_cuda_graph_on_a_gpu(monkeypatch, device, calls):
    asked = []
    monkeypatch.setattr(torch, "compile", lambda function, **settings: asked.append(settings["options"]) or function)
    monkeypatch.setattr("foveate.speed.compile._random_state", lambda device: None)
    compile_function(lambda: None, device)()
    assert asked[0].keys() - {"fallback_random", "cpp.cxx"} == {calls}
    assert calls in torch._inductor.list_options()  # else only a GPU would tell that it is called otherwise


@pytest.mark.skipif(not can_compile(torch.device("cpu")), reason="compiling steps needs a C++ compiler: install g++")
@pytest.mark.parametrize("extent", ["quick", pytest.param("whole", marks=pytest.mark.slow)])
def test_compiled_steps_equal_plain_ones(extent: str):
    run = subprocess.run([sys.executable, SCRIPT, extent], capture_output=True, text=True, env=os.environ, check=False)
    assert run.returncode == 0, run.stderr
    for name, distance in json.loads(run.stdout).items():
        assert distance < (0.02 if "bfloat16" in name else 1e-5), name


RUNS = """
from torch._dynamo import config
from foveate.config import Model
from benchmarks.workload import trainer

config.recompile_limit, config.fail_on_recompile_limit_hit = 1, True  # rather than 8, and then quietly uncompiled
small = Model(image=(1, 12, 12), classes=tuple("0123456789"), glimpse_size=(4, 4), num_glimpses=2, baseline="value")
for batch in (8, 4):
    trainer(small, batch, "fp32", compiled=True, count=8)()
"""


@pytest.mark.skipif(not can_compile(torch.device("cpu")), reason="compiling steps needs a C++ compiler: install g++")
@pytest.mark.slow
def test_every_run_of_a_process_is_compiled_however_many_there_are():
    run = subprocess.run([sys.executable, "-c", RUNS], capture_output=True, text=True, env=os.environ, check=False)
    assert run.returncode == 0, run.stderr


def test_a_compiler_that_is_not_there_is_not_counted_on(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("CXX", "no-such-compiler")
    assert not can_compile(torch.device("cpu"))


@pytest.mark.parametrize(
    ("words", "compiler"),
    [
        ("", "g++"),
        ("clang++", "clang++"),
        ("ccache g++", "g++"),
        ("/usr/bin/ccache /opt/gcc/bin/g++ -m64", "/opt/gcc/bin/g++"),
        ("'my g++'", "my g++"),
        ("'", "'"),
    ],
)
@pytest.mark.skipif(sys.platform == "darwin", reason="another compiler is the default there")
def test_the_compiler_is_read_from_cxx(monkeypatch: pytest.MonkeyPatch, words: str, compiler: str):
    monkeypatch.setenv("CXX", words)
    assert cpp_compiler() == compiler


def draw(value):
    if value.sum() > 100:
        raise ValueError("an error of the function itself")
    return torch.nn.functional.dropout(value)


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch):
    """A compiler that draws random numbers, and then fails."""

    def compile(function, **settings):
        def fail(value):
            torch.rand(3)
            raise OSError(28, "No space left on device")

        return fail

    monkeypatch.setattr(torch, "compile", compile)
    compile_function.cache_clear()


@pytest.mark.usefixtures("failing")
def test_where_compiling_fails_the_plain_function_goes_on_with_the_same_numbers():
    torch.manual_seed(0)
    expected = [draw(torch.ones(5)) for _ in range(2)]
    torch.manual_seed(0)
    with pytest.warns(UserWarning, match=r"^Compiling .* failed \(.*No space left on device\)\. The run goes on"):
        first = compile_function(draw, "cpu", required=False)(torch.ones(5))
    assert torch.equal(first, expected[0])
    assert torch.equal(compile_function(draw, "cpu", required=False)(torch.ones(5)), expected[1])  # without a word


@pytest.mark.usefixtures("failing")
def test_where_compiling_is_asked_for_its_failure_is_an_error():
    with pytest.raises(ValueError, match=r"^`compile = on` should .* No space left on device\)\. Choose"):
        compile_function(draw, "cpu", required=True)(torch.ones(5))


@pytest.mark.usefixtures("failing")
def test_errors_of_the_function_itself_are_its_own():
    for _ in range(2):
        with pytest.raises(ValueError, match="an error of the function itself"):
            compile_function(draw, "cpu", required=False)(torch.ones(500))


# Importing the compiler takes longer than failing to compile: each case is a fork of one process that imported it.
BROKEN = """
import os, pathlib, sys
import torch
import torch._inductor.compile_fx
from foveate.speed.compile import compile_function, reset_compiler

for number, compiler in enumerate(sys.argv[1:]):
    if (child := os.fork()) == 0:
        os.environ["CXX"] = compiler
        os.environ["TORCHINDUCTOR_CACHE_DIR"] = compiler + "-cache"
        os.dup2(os.open(compiler + "-said", os.O_CREAT | os.O_WRONLY), 2)
        reset_compiler()
        add = compile_function(lambda value: value + 1, "cpu", required=False)
        assert add(torch.ones(2)).tolist() == [2, 2]
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0, compiler
"""
NO_HEADERS = """#!/bin/sh
case $1 in --version) echo g++ 12;; *) echo fatal error: Python.h: No such file >&2; exit 1;; esac
"""
COMPILERS = {
    "headers": (NO_HEADERS, "install python3-dev"),
    "false": ("#!/bin/sh\nexit 1\n", "No working C++ compiler"),
}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs processes that fork")
def test_a_compiler_that_cannot_do_it_costs_one_sentence(tmp_path: Path):
    """No Python headers, and no working compiler."""
    for name, (program, _) in COMPILERS.items():
        (tmp_path / name).write_text(program)
        (tmp_path / name).chmod(0o755)
    command = [sys.executable, "-c", BROKEN, *(str(tmp_path / name) for name in COMPILERS)]
    run = subprocess.run(command, capture_output=True, text=True, env=os.environ, check=False)
    assert run.returncode == 0, run.stderr
    for name, (_, reason) in COMPILERS.items():
        said = (tmp_path / f"{name}-said").read_text()
        assert said.count("The run goes on without compiling.") == 1
        assert reason in said


CREATE = """
import os
import torch
from foveate.training.state import create_train_state
from training.tiny import tiny

config = tiny(image=(1, 8, 8), classes=("a", "b"))
compiled = os.fork() == 0
create_train_state(config, torch.device("cpu"), compiled=compiled)
if not compiled:
    assert os.wait()[1] == 0
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs processes that fork")
def test_a_cache_folder_that_cannot_be_made_costs_one_sentence_whether_compiled_or_not(tmp_path: Path):
    (tmp_path / "file").touch()
    environment = {**os.environ, "TORCHINDUCTOR_CACHE_DIR": str(tmp_path / "file" / "cache")}
    environment["PYTHONPATH"] = os.pathsep.join(sys.path)
    run = subprocess.run([sys.executable, "-c", CREATE], capture_output=True, text=True, env=environment, check=False)
    assert run.returncode == 0, run.stderr
    assert run.stderr.count("`TORCHINDUCTOR_CACHE_DIR` should be a folder that can be written. Found ") == 2
