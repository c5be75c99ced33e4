"""No system call escapes: those by which the kernel sees a run's folder change are those that `Disk` lets fail."""

import json
import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from torture.figures import note

SCRIPT = Path(__file__).with_name("traced.py")
CALL = re.compile(r"^\d+ +(\w+)\((.*)\) += (-?\d+)")
# Whatever else concerns a file changes it, as far as this test knows.
HARMLESS = re.compile(
    "access|chdir|close|execve|faccessat2|fadvise64|fcntl|flock|fstat|getcwd|getdents64|ioctl|lseek|lstat|mmap|"
    "newfstatat|poll|pread64|read|readlink|stat|statfs|statx"
)
READING = re.compile(r"O_RDONLY(?!.*O_CREAT)")


def whole(lines: list[str]) -> list[str]:
    """Calls in the middle of which another thread was heard, put together again."""
    begun, found = {}, []
    for line in lines:
        thread = line.partition(" ")[0]
        if line.endswith(" <unfinished ...>"):
            begun[thread] = line.removesuffix(" <unfinished ...>")
        elif match := re.match(r"^\d+ +<\.\.\. \w+ resumed>(.*)", line):
            found.append(begun.pop(thread) + match[1])
        else:
            found.append(line)
    return found


def changes(log: Path, folder: Path) -> list[str]:
    """The calls that have changed the folder, by name."""
    calls = [match.groups() for line in whole(log.read_text().splitlines()) if (match := CALL.match(line))]
    there = [(name, words) for name, words, result in calls if f"{folder}/" in words and not result.startswith("-")]
    there += [(name, words) for name, words, _ in calls if f"{folder}>" in words and name == "fsync"]
    there = [(name, words) for name, words in there if not (name == "openat" and READING.search(words))]
    return [name for name, _ in there if not HARMLESS.fullmatch(name)]


@pytest.mark.torture
@pytest.mark.skipif(shutil.which("strace") is None, reason="Needs `strace`, which shows the system calls of Linux.")
def test_the_calls_that_are_tried_are_all_that_the_kernel_sees(tmp_path: Path, request: pytest.FixtureRequest):
    folder, log = tmp_path / "run", tmp_path / "log"
    folder.mkdir()
    command = [
        "strace",
        "-f",
        "-y",
        "-e",
        "trace=%file,%desc",
        "-o",
        str(log),
        sys.executable,
        str(SCRIPT),
        str(folder),
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    expected = json.loads(done.stdout)
    assert len(expected) > 50
    assert Counter(changes(log, folder)) == Counter(expected)
    note(request, "system calls of two runs, each of which can fail or be the last", len(expected))
