"""A process that trains keeps its memory: its steps are not handed the same pages again and again."""

import platform
import subprocess
import sys

import pytest

from benchmarks.workload import trainer
from foveate import fit
from foveate.config import Model
from foveate.speed import memory
from training.tiny import tiny

# As a step does, on a larger scale: tensors that are all given back, some of them large.
ROUNDS = """
import resource, torch
from foveate.speed.memory import keep_memory
assert keep_memory(), "glibc can"
def round():
    blocks = [torch.zeros(megabytes * 2**18) for megabytes in (16, 40) * 4]
for _ in range(3):
    round()
counts = [resource.getrusage(resource.RUSAGE_SELF).ru_minflt]
for _ in range(5):
    round()
    counts.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt)
print(min(after - before for before, after in zip(counts, counts[1:])))
"""


def in_a_process(code: str) -> str:
    """What it prints: what is set for memory stays set in a process."""
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another allocator than glibc's")
def test_no_page_is_given_twice():
    """At least in one round: a system short of memory takes pages from any process."""
    assert int(in_a_process(ROUNDS)) < 100  # of the 57,344 pages that each round fills


@pytest.mark.parametrize("name", ["darwin", "win32"])
def test_elsewhere_memory_is_left_to_the_system(monkeypatch, name):
    monkeypatch.setattr(memory.sys, "platform", name)
    assert not memory.keep_memory()


def test_another_library_of_linux_is_left_alone(monkeypatch):
    monkeypatch.setattr(memory.sys, "platform", "linux")
    monkeypatch.setattr(memory.ctypes, "CDLL", lambda _: object())
    assert not memory.keep_memory()


def test_who_trains_keeps_it(monkeypatch, tmp_path):
    asked = []
    for place in ("foveate.training.fit", "benchmarks.workload"):
        monkeypatch.setattr(f"{place}.keep_memory", lambda place=place: asked.append(place))
    fit(tiny(), tmp_path / "run")
    trainer(Model(image=(1, 8, 8), classes=("a", "b"), baseline="value"), 4, "fp32", count=4)
    assert asked == ["foveate.training.fit", "benchmarks.workload"]
