"""One writer: whoever holds the folder is named, and who is gone holds nothing."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from foveate import fit
from foveate.storage.lock import HOLDER, NAME, locked
from foveate.training.epoch import Callback
from training.tiny import outcome, tiny

HOLD = """
import sys, time
from pathlib import Path
from foveate.storage.lock import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path: Path):
    """Another process that holds the folder."""
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def test_the_holder_is_named_and_leaves_no_lock_when_it_is_killed(tmp_path: Path, holder: subprocess.Popen):
    sentence = (
        rf"`{re.escape(str(tmp_path))}` should be written by one process at a time\. Found process {holder.pid} on "
    )
    with pytest.raises(
        ValueError, match=sentence + r".* \(since \d{4}-\d\d-\d\d \d\d:\d\d:\d\d [+-]\d{4}\) writing it"
    ):
        fit(tiny(), tmp_path)
    assert {file.name for file in tmp_path.iterdir()} == {NAME, HOLDER}
    holder.kill()
    holder.wait()
    assert (tmp_path / NAME).exists()
    fit(tiny(epochs=1), tmp_path)
    assert not {NAME, HOLDER} & {file.name for file in tmp_path.iterdir()}


def test_a_run_that_is_being_written_is_neither_resumed_nor_overwritten(tmp_path: Path):
    """From within its own process too."""
    told: list[str] = []

    class Intruder(Callback):
        def on_step(self, epoch: int, step: int) -> None:
            for way in ({"resume": True}, {"overwrite": True}):
                with pytest.raises(ValueError, match=f"Found process {os.getpid()} on") as error:
                    fit(tiny(epochs=1), tmp_path / "run", **way)
                told.append(str(error.value))

    fit(tiny(epochs=1), tmp_path / "run", listener=Intruder())
    assert len(told) == 8
    fit(tiny(epochs=1), tmp_path / "alone")
    assert outcome(tmp_path / "run") == outcome(tmp_path / "alone")


def test_who_waited_while_another_began_and_ended_a_run_does_not_write_over_it(tmp_path: Path, monkeypatch):
    """Both found no run; one trains it to its end before the other comes to its turn."""
    from foveate.training import fit as module

    load = module.load_scenes

    def meanwhile(*arguments: object, **options: object):
        monkeypatch.setattr(module, "load_scenes", load)
        fit(tiny(epochs=1, seed=1), tmp_path)
        return load(*arguments, **options)  # pyright: ignore[reportArgumentType]

    monkeypatch.setattr(module, "load_scenes", meanwhile)
    with pytest.raises(ValueError, match=r"should be a new folder\. Found a run in it"):
        fit(tiny(epochs=1), tmp_path)
    assert outcome(tmp_path)["config"]["training"]["seed"] == 1


def test_many_processes_hold_it_one_at_a_time(tmp_path: Path):
    """Also where one opens the file just before its holder removes it."""
    code = (
        "import sys\nfrom pathlib import Path\nfrom foveate.storage.lock import locked\n"
        "folder, mark = map(Path, sys.argv[1:])\n"
        "for _ in range(300):\n"
        "    try:\n"
        "        with locked(folder):\n"
        "            mark.touch(exist_ok=False)\n"
        "            mark.unlink()\n"
        "    except ValueError:\n"
        "        pass\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path), str(tmp_path / "mark")]
    processes = [subprocess.Popen(command) for _ in range(3)]
    assert [process.wait() for process in processes] == [0, 0, 0]


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b'{"process": 1}', b"\xff"])
def test_a_lock_that_says_nothing_holds_all_the_same(tmp_path: Path, content: bytes):
    with locked(tmp_path):
        (tmp_path / HOLDER).write_bytes(content)
        with pytest.raises(ValueError, match="Found another process writing it"), locked(tmp_path):
            pass


def test_a_disk_without_locks_is_said_and_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    import errno
    import fcntl

    def flock(descriptor: int, how: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", flock)
    with pytest.warns(UserWarning, match="knows no locks: see that one process writes there"), locked(tmp_path):
        pass
