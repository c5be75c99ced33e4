"""A process that trains keeps its memory: its steps are not handed the same pages again and again."""

import subprocess
import sys

import pytest

from saccade.training import memory

# As a step does: many tensors, none of them large, that are all given back.
ROUNDS = """
import resource, torch
from saccade.training.workload import MNIST, trainer
trainer(MNIST, 8, "fp32")
def round():
    blocks = [torch.zeros(4 * 2**20) for _ in range(8)]
for _ in range(3):
    round()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(3):
    round()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def in_a_process(code: str) -> str:
    """What it prints: what is set for memory stays set in a process."""
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


kept = "from saccade.training.memory import keep_memory; print(keep_memory())"
glibc = pytest.mark.skipif(in_a_process(kept) != "True", reason="another allocator than glibc's")


@glibc
def test_who_learns_is_given_no_page_twice():
    assert int(in_a_process(ROUNDS)) < 100  # of the 32,768 pages that each round fills


@pytest.mark.parametrize("platform", ["darwin", "win32"])
def test_elsewhere_memory_is_left_to_the_system(monkeypatch, platform):
    monkeypatch.setattr(memory.sys, "platform", platform)
    assert not memory.keep_memory()


def test_another_library_of_linux_is_left_alone(monkeypatch):
    monkeypatch.setattr(memory.sys, "platform", "linux")
    monkeypatch.setattr(memory.ctypes, "CDLL", lambda _: object())
    assert not memory.keep_memory()
