"""Checkpoints: known by their checksum, written aside, the one before kept; whatever fails, a whole one stands."""

import errno
import os
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from foveate import fit
from foveate.storage.checkpoint import load_checkpoint, save_checkpoint
from torture.disk import Disk, Killed, kill, refuse, shorten, tear
from training.tiny import Interrupt, outcome, tiny


def state(number: int) -> dict[str, Any]:
    """Something to keep."""
    return {"number": number, "weights": torch.full((300,), float(number))}


def number(folder: Path) -> int:
    """Which of the states a folder keeps, found without a warning, and whole."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = load_checkpoint(folder)
    assert torch.equal(found["weights"], state(found["number"])["weights"])
    return found["number"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two checkpoints: 1 is the one before, 2 the last."""
    for each in (1, 2):
        save_checkpoint(tmp_path, state(each))
    return tmp_path


def test_the_last_is_found_and_the_one_before_is_kept(folder: Path):
    assert sorted(file.name for file in folder.iterdir()) == ["last.pt", "previous.pt"]
    assert number(folder) == 2
    assert torch.load(folder / "previous.pt", weights_only=True)["number"] == 1
    (folder / "last.pt").unlink()  # as a kill between two renames leaves it
    assert number(folder) == 1


@given(data=st.data())
def test_any_damage_is_known(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject):
    folder = tmp_path_factory.mktemp("run")
    for each in (1, 2):
        save_checkpoint(folder, state(each))
    content = (folder / "last.pt").read_bytes()
    place = data.draw(st.integers(0, len(content) - 1))
    kind = data.draw(st.sampled_from(["flip", "cut", "add", "swap", "zeros"]))
    bit = 1 << data.draw(st.integers(0, 7))
    flipped = content[:place] + bytes([content[place] ^ bit]) + content[place + 1 :]
    swapped = content[place:] + content[:place]
    damaged = {"flip": flipped, "cut": content[:place], "add": content + bytes([bit]), "swap": swapped}
    (folder / "last.pt").write_bytes(damaged.get(kind, bytes(len(content))))
    if (folder / "last.pt").read_bytes() == content:
        return
    with pytest.warns(UserWarning, match=r"last\.pt` is damaged: the run goes on from the checkpoint before\."):
        assert load_checkpoint(folder)["number"] == 1
    assert number(folder) == 1  # it was said once


def test_a_damaged_checkpoint_never_takes_the_place_of_the_whole_one(folder: Path):
    """Killed while the next one is written, when the last was damaged: the one that was whole still is."""
    (folder / "last.pt").write_bytes(b"damaged")
    with pytest.warns(UserWarning, match="damaged"):
        load_checkpoint(folder)
    with Disk(folder) as disk:
        save_checkpoint(folder, state(3))
    for at in range(1, disk.count + 1):
        for file, each in (("last.pt", 2), ("previous.pt", 1)):
            save_checkpoint(folder, state(each))
            os.replace(folder / "last.pt", folder / file)
        (folder / "last.pt").write_bytes(b"damaged")
        with pytest.warns(UserWarning, match="damaged"):
            load_checkpoint(folder)
        with Disk(folder, kill(at)), pytest.raises(Killed):
            save_checkpoint(folder, state(3))
        assert number(folder) in (1, 3)


@pytest.mark.parametrize("damage", [b"", b"hello", b"x" * 1000])
def test_two_damaged_checkpoints_are_one_sentence(folder: Path, damage: bytes):
    for name in ("last.pt", "previous.pt"):
        (folder / name).write_bytes(damage)
    with pytest.raises(
        ValueError, match=r"last\.pt` should be a whole checkpoint\. Found a damaged one, and no"
    ) as error:
        load_checkpoint(folder)
    assert "\n" not in str(error.value)


def test_a_disk_that_cannot_read_the_last_gives_the_one_before(folder: Path, monkeypatch: pytest.MonkeyPatch):
    read = Path.read_bytes

    def failing(path: Path) -> bytes:
        if path.name == "last.pt":
            raise OSError(errno.EIO, "Input/output error")
        return read(path)

    monkeypatch.setattr(Path, "read_bytes", failing)
    with pytest.warns(UserWarning, match="damaged"):
        assert load_checkpoint(folder)["number"] == 1


def calls(folder: Path) -> int:
    """System calls that a checkpoint takes."""
    with Disk(folder) as disk:
        save_checkpoint(folder, state(2))
    return disk.count


@pytest.mark.parametrize("fault", [kill, tear])
def test_a_kill_at_any_call_leaves_the_last_or_the_new_one(folder: Path, fault):
    found = []
    for at in range(1, calls(folder) + 1):
        save_checkpoint(folder, state(2))
        with Disk(folder, fault(at)), pytest.raises(Killed):
            save_checkpoint(folder, state(3))
        found.append(number(folder))
    assert found == sorted(found)
    assert set(found) == {2, 3}


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO, errno.EROFS, errno.EDQUOT])
@pytest.mark.parametrize("more", [1, 10**9])
def test_a_call_that_is_refused_names_the_file_and_leaves_the_last_or_the_new_one(folder: Path, error: int, more: int):
    for at in range(1, calls(folder) + 1):
        save_checkpoint(folder, state(2))
        raised = None
        with Disk(folder, refuse(error, at, more)):
            try:
                save_checkpoint(folder, state(3))
            except OSError as refusal:
                raised = refusal
        if raised is None:
            assert number(folder) == 3
            continue
        assert (raised.errno, str(raised.filename).startswith(str(folder))) == (error, True)
        assert number(folder) in (2, 3)


@pytest.mark.parametrize("size", [1, 777])
def test_short_writes_are_gone_on_with(folder: Path, size: int):
    with Disk(folder, shorten(size)):
        save_checkpoint(folder, state(3))
    assert number(folder) == 3


@pytest.mark.parametrize("change", ["weights", "progress", "epoch", "all"])
def test_what_is_whole_but_of_another_model_is_one_sentence(tmp_path: Path, change: str):
    with pytest.raises(KeyboardInterrupt):
        fit(tiny(checkpoint_minutes=0.0), tmp_path, listener=Interrupt(1, step=3))
    found = load_checkpoint(tmp_path)
    if change == "weights":
        found["learner"]["model"] = {"none": torch.zeros(1)}
    elif change == "progress":
        found["progress"] = {"epochs": 3}
    elif change == "epoch":
        found["epoch"]["draws"]["scenes"] = torch.zeros(3, dtype=torch.uint8)
    else:
        found = {"other": 1}
    save_checkpoint(tmp_path, found)
    with pytest.raises(ValueError, match=r"should be a checkpoint of the model in `config\.json` beside it") as error:
        fit(tiny(checkpoint_minutes=0.0), tmp_path, resume=True)
    assert "\n" not in str(error.value)


class Trap:
    """What a checkpoint would run if anything in it were run."""

    def __reduce__(self):
        return os.mkdir, ("sprung",)


def test_nothing_in_a_checkpoint_is_executed(folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(folder)
    save_checkpoint(folder, {"trap": Trap()})
    with pytest.raises(ValueError, match="should be a checkpoint"):
        load_checkpoint(folder)
    assert not (folder / "sprung").exists()


def test_a_run_goes_on_from_the_one_before_and_ends_the_same(tmp_path: Path):
    """best/ and metrics.jsonl too are brought back: they knew of an epoch that the checkpoint before does not."""
    config = tiny(epochs=3)
    fit(config, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        fit(config, tmp_path / "run", listener=Interrupt(2))
    (tmp_path / "run" / "last.pt").write_bytes(b"damaged")
    with pytest.warns(UserWarning, match="damaged"):
        fit(config, tmp_path / "run", resume=True)
    assert outcome(tmp_path / "run") == outcome(tmp_path / "whole")
