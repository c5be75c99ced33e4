"""Ctrl-C and SIGTERM: the step is finished and saved first; nothing is lost, and the run ends as if left alone."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import torch

from foveate import fit
from foveate.training import signals
from foveate.training.epoch import Callback
from foveate.training.signals import GracefulInterrupt, SigtermInterrupt, Stopped
from training.tiny import outcome, tiny


class Told(Callback):
    """Sends this process a signal after a step of an epoch, or (step 0) at its end."""

    def __init__(self, number: int, epoch: int, step: int, times: int = 1) -> None:
        self.number, self.at, self.times = number, (epoch, step), times
        self.heard: list[tuple[int, int]] = []

    def on_step(self, epoch: int, step: int) -> None:
        self.heard.append((epoch, step))
        self.tell(epoch, step)

    def on_epoch(self, metrics: dict) -> None:
        self.tell(metrics["epoch"], 0)

    def tell(self, *at: int) -> None:
        if at == self.at:
            for _ in range(self.times):
                os.kill(os.getpid(), self.number)


@pytest.fixture(autouse=True)
def handlers():
    """Whatever a test does, signals do what they did."""
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.getsignal(number) for number in numbers}
    yield
    assert {number: signal.getsignal(number) for number in numbers} == before


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("at", [(1, 1), (1, 4), (1, 0), (2, 2), (2, 0)])
def test_a_signal_is_obeyed_after_the_step_and_nothing_is_lost(tmp_path: Path, number: int, at: tuple[int, int]):
    with pytest.raises(Stopped) as stopped:
        fit(tiny(), tmp_path / "run", listener=Told(number, *at))
    assert stopped.value.signal == number
    epoch, step = (at[0] - 1, at[1]) if at[1] else (at[0], 0)
    state = torch.load(tmp_path / "run" / "last.pt", weights_only=True)
    assert (state["progress"]["step"], state["epoch"]["done"]) == (4 * epoch + step, step)
    rest = Told(0, 9, 9)
    fit(tiny(), tmp_path / "run", resume=True, listener=rest)
    assert len(rest.heard) == 8 - 4 * epoch - step
    fit(tiny(), tmp_path / "whole")
    assert outcome(tmp_path / "run") == outcome(tmp_path / "whole")


def test_one_ctrl_c_that_arrives_twice_is_one(tmp_path: Path):
    with pytest.raises(Stopped):
        fit(tiny(), tmp_path, listener=Told(signal.SIGINT, 1, 3, times=3))
    assert torch.load(tmp_path / "last.pt", weights_only=True)["progress"]["step"] == 3


def test_a_second_ctrl_c_is_obeyed_at_once(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(signals, "PATIENCE", -1.0)
    with GracefulInterrupt() as stop:
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGTERM)  # does not hurry
        assert stop.noted == signal.SIGTERM
        with pytest.raises(Stopped):
            os.kill(os.getpid(), signal.SIGINT)


def test_what_is_ignored_stays_ignored():
    """As under `nohup`, or in the background of a script."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with GracefulInterrupt() as stop:
            os.kill(os.getpid(), signal.SIGINT)
            stop.check()
    finally:
        signal.signal(signal.SIGINT, before)


def test_outside_the_main_thread_a_run_hears_no_signals_and_trains(tmp_path: Path):
    threads = [threading.Thread(target=fit, args=(tiny(epochs=1), tmp_path))]
    for thread in threads:
        thread.start()
        thread.join()
    assert (tmp_path / "test.json").exists()


def test_outside_of_training_sigterm_ends_the_command_as_ctrl_c_does():
    with pytest.raises(Stopped, match="signal 15"), SigtermInterrupt():
        os.kill(os.getpid(), signal.SIGTERM)


COMMAND = """
import os, signal, sys
from foveate.cli import main
from foveate.cli.progress import EpochLines
signal.signal(signal.SIGINT, signal.default_int_handler)
number = getattr(signal, sys.argv[1])
if sys.argv[2] == "training":
    EpochLines.on_step = lambda self, epoch, step: os.kill(os.getpid(), number) if step == 2 else None
else:
    import foveate.training.fit as fit
    fit.load_scenes = lambda *arguments, **options: os.kill(os.getpid(), number)
flags = ["--epochs", "2", "--hidden-size", "8", "--num-rollouts", "2"]
sys.exit(main(["train", "digits", "--folder", sys.argv[3], *flags]))
"""


@pytest.mark.parametrize(
    ("name", "code", "when"),
    [
        pytest.param("SIGINT", 130, "training", marks=pytest.mark.slow),
        ("SIGTERM", 143, "training"),
        ("SIGTERM", 143, "loading"),
    ],
)
def test_the_command_says_how_to_go_on_and_ends_with_the_signals_code(tmp_path: Path, name: str, code: int, when: str):
    words = [sys.executable, "-c", COMMAND, name, when, str(tmp_path / "run")]
    done = subprocess.run(words, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (code, "")
    if when == "training":
        assert f"Go on with:\n  foveate train --folder {tmp_path / 'run'} --resume\n" in done.stdout
        assert torch.load(tmp_path / "run" / "last.pt", weights_only=True)["progress"]["step"] == 2
    else:
        assert "nothing was saved" in done.stdout
        assert not (tmp_path / "run").exists()
