"""Disks that fail under a run: whichever system call is the last, or is refused, the run goes on bit for bit."""

import errno
import os
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from foveate import fit
from foveate.settings import read
from foveate.storage import journal
from foveate.storage.checkpoint import load_checkpoint
from foveate.storage.files import atomic_write
from foveate.training.epoch import Callback
from foveate.training.run import Run
from torture.disk import Disk, Fault, Killed, kill, refuse, shorten, tear
from torture.figures import note
from torture.killing import load_once
from torture.power import Platter, lay
from training.tiny import outcome, tiny

SHORT = {"epochs": 1, "epoch_size": 64, "validation": 0.05, "checkpoint_minutes": 0.0, "learning_rate": 1e-2}
LONG = SHORT | {"epochs": 2, "epoch_size": 96, "ema_decay": 0.9, "dropout": 0.2}
FORMS = [pytest.param(SHORT, id="short"), pytest.param(LONG, id="long", marks=pytest.mark.torture)]
STRIDE = 9  # of the short form; tests/storage/test_checkpoint.py tries every call of one checkpoint
NAMES = {"best", "config.json", "last.pt", "machine.json", "metrics.jsonl", "previous.pt", "split.json", "test.json"}


@pytest.fixture(autouse=True)
def digits(monkeypatch: pytest.MonkeyPatch) -> None:
    """The images are read once."""
    monkeypatch.setattr("foveate.training.scenes.load", load_once)


class Steps(Callback):
    """The steps that a run took, over all epochs."""

    def __init__(self) -> None:
        self.taken: list[tuple[int, int]] = []

    def on_step(self, epoch: int, step: int) -> None:
        self.taken.append((epoch, step))


def whole(folder: Path, settings: dict[str, Any]) -> tuple[dict[str, Any], Disk]:
    """What the undisturbed run leaves, and its calls."""
    folder.mkdir()
    with Disk(folder) as disk:
        fit(tiny(**settings), folder)
    return outcome(folder), disk


def disturbed(folder: Path, settings: dict[str, Any], fault: Fault) -> tuple[BaseException | None, Steps]:
    """Train until the fault ends it: with what, and after which steps."""
    folder.mkdir()
    steps = Steps()
    with Disk(folder, fault):
        try:
            fit(tiny(**settings), folder, listener=steps)
        except (Killed, OSError) as error:
            return error, steps
    return None, steps


def go_on(folder: Path, settings: dict[str, Any]) -> tuple[dict[str, Any], Steps]:
    """Resume the run, or begin it where none was begun: what it leaves, and its steps."""
    steps = Steps()
    fit(tiny(**settings), folder, resume=(folder / "config.json").exists(), listener=steps)
    assert {file.name for file in folder.iterdir()} == NAMES
    assert {file.name for file in (folder / "best").iterdir()} == {"config.json", "model.safetensors", "split.json"}
    return outcome(folder), steps


@pytest.mark.parametrize("settings", FORMS)
@pytest.mark.parametrize("fault", [kill, tear])
def test_a_run_killed_at_any_call_goes_on_bit_for_bit(tmp_path: Path, settings: dict, fault, request):
    """And at most the last step, which is what the interval is here, is lost."""
    expected, disk = whole(tmp_path / "whole", settings)
    tried = [at for at in range(1, disk.count + 1) if fault is kill or disk.calls[at - 1] == "write"]
    tried = tried if settings is LONG else tried[::STRIDE]
    for at in tried:
        error, before = disturbed(tmp_path / f"{at}", settings, fault(at))
        assert isinstance(error, Killed)
        found, after = go_on(tmp_path / f"{at}", settings)
        assert found == expected, f"{fault.__name__} at call {at}"
        if before.taken and after.taken:
            assert after.taken[0] >= before.taken[-1]
    note(request, f"kills at a chosen system call ({fault.__name__})", len(tried))


@pytest.mark.slow
@pytest.mark.parametrize("settings", FORMS)
@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO], ids=["ENOSPC", "EIO"])
@pytest.mark.parametrize("calls", [1, 10**9], ids=["once", "from-then-on"])
def test_a_call_that_is_refused_ends_in_a_sentence_and_the_run_goes_on(
    tmp_path: Path, settings: dict, error: int, calls: int, request
):
    if calls > 1 and error == errno.EIO:
        pytest.skip("As ENOSPC: the first call that is refused ends the run, whatever the error.")
    expected, disk = whole(tmp_path / "whole", settings)
    told = 0
    tried = range(1, disk.count + 1, 1 if settings is LONG else STRIDE)
    for at in tried:
        folder = tmp_path / f"{at}"
        raised, _ = disturbed(folder, settings, refuse(error, at, calls))
        if raised is not None:
            assert isinstance(raised, OSError)
            assert raised.errno == error
            told += 1
            assert str(folder) in str(raised.filename), f"call {at} should name its file"
        elif outcome(folder) == expected:
            continue  # what could not be cleaned up does not matter
        assert go_on(folder, settings)[0] == expected, f"call {at}"
    assert told > len(tried) / 2
    note(request, f"calls refused ({errno.errorcode[error]})", len(tried))


def test_a_disk_that_takes_little_at_a_time(tmp_path: Path):
    expected, _ = whole(tmp_path / "whole", SHORT)
    error, _ = disturbed(tmp_path / "run", SHORT, shorten(777))
    assert error is None
    assert outcome(tmp_path / "run") == expected


def read_only(disk: Disk, name: str, arguments: tuple) -> tuple:
    """Nothing may be changed."""
    if name not in ("open", "close", "fsync") or (name == "open" and arguments[1] & os.O_CREAT):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))
    return arguments


def test_a_folder_that_cannot_be_written_is_one_sentence_and_stays_as_it_was(tmp_path: Path):
    error, steps = disturbed(tmp_path / "new", SHORT, read_only)
    assert isinstance(error, OSError)
    assert error.errno == errno.EROFS
    assert not steps.taken
    assert not list((tmp_path / "new").iterdir())
    whole(tmp_path / "run", SHORT)
    before = {file: file.read_bytes() for file in (tmp_path / "run").rglob("*") if file.is_file()}
    with Disk(tmp_path / "run", read_only), pytest.raises(OSError, match="Read-only file system"):
        fit(tiny(**SHORT), tmp_path / "run", resume=True)
    assert before == {file: file.read_bytes() for file in (tmp_path / "run").rglob("*") if file.is_file()}


def saves(disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Mark in the log of the disk when each checkpoint is done, by its step."""
    save = Run.save

    def saved(run: Run) -> None:
        save(run)
        disk.mark(run.progress.step)

    monkeypatch.setattr(Run, "save", saved)


def cuts(disk: Disk) -> Iterator[tuple[int, dict[str, bytes]]]:
    """After each call: the step that was saved by then (-1: none) and each new state that the power may leave."""
    platter, saved, before = Platter(), -1, []
    for call in disk.log:
        if call[0] == "mark":
            saved, before = call[1], []
            continue
        platter.follow(call)
        states = list(platter.states())
        yield from ((saved, state) for state in states if state not in before)
        before = states


@pytest.mark.slow
@pytest.mark.parametrize("settings", FORMS)
def test_a_power_cut_between_any_two_calls_costs_no_checkpoint(
    tmp_path: Path, settings: dict, monkeypatch: pytest.MonkeyPatch, request
):
    """In every state that the disk may be left in; a draw of them goes on to the end, bit for bit."""
    source = tmp_path / "whole"
    source.mkdir()
    with Disk(source) as disk, monkeypatch.context() as patch:
        saves(disk, patch)
        fit(tiny(**settings), source)
    expected, states = outcome(source), list(cuts(disk))
    drawn = set(random.Random(0).sample(range(len(states)), 150 if settings is LONG else 3))
    for number, (saved, state) in enumerate(states):
        folder = tmp_path / f"{number}"
        folder.mkdir()
        lay(state, source, folder)
        if (folder / "config.json").exists():
            read(folder / "config.json")
            found = load_checkpoint(folder)["progress"]
            assert found["step"] >= saved
            assert len(journal.read(folder / "metrics.jsonl", found["epoch"])) == found["epoch"]
        else:
            assert saved <= 0  # the run had not begun
        if number in drawn:
            assert go_on(folder, settings)[0] == expected
    note(request, "states of the disk after a power cut", len(states))
    note(request, "of these, runs resumed to the end", len(drawn))


def test_the_model_of_a_power_cut_sees_what_is_not_synced(tmp_path: Path):
    """Without the syncs of `atomic_write`, a power cut would cost a file: the model is not blind."""
    contents = (b"", b"before", b"after!")
    with Disk(tmp_path) as disk:
        for number, content in enumerate(contents[1:], 1):
            with atomic_write(tmp_path / "file") as file:
                file.write(content)
            disk.mark(number)

    def kept(calls: list[tuple]) -> bool:
        """Whether the file is always the one that was written last, or the one that is being written, and whole."""
        disk.log = calls
        found = [(saved, state.get(f"{tmp_path}/file", b"")) for saved, state in cuts(disk)]
        return all(content in contents[max(saved, 0) : max(saved, 0) + 2] for saved, content in found)

    calls, of_folder = disk.log, ("fsync", str(tmp_path))
    assert kept(calls)
    assert not kept([call for call in calls if call[0] != "fsync" or call == of_folder])
    assert not kept([call for call in calls if call != of_folder])
