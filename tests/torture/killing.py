"""Kill real runs at random moments: a process of its own, which forks each run so that it starts at once.

`python tests/torture/killing.py FOLDER KILLS SEED` prints what it found as JSON.
"""

import functools
import json
import math
import os
import random
import signal
import sys
import time
from importlib import import_module
from pathlib import Path
from typing import Any

import torch

import foveate.training.scenes
from foveate.cli import main
from foveate.cli.progress import EpochLines
from foveate.data.records import Dataset
from foveate.data.sources import load
from foveate.data.split_record import SplitRecord

SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
UNBORN = 70  # exit code of a process that never came to the end of the command
INTERVAL = 0.15  # seconds between two checkpoints
TINY = {
    "what-width": 8,
    "where-width": 8,
    "join-width": 12,
    "hidden-size": 12,
    "num-glimpses": 3,
    "num-rollouts": 1,
    "locator-width": 0,
    "baseline": "value",
    "epochs": 4,
    "batch-size": 16,
    "checkpoint-minutes": INTERVAL / 60,
    "device": "cpu",
}
# What a checkpoint could forget: each has a state of its own.
KINDS = {
    "plain": {},
    "averaged": {"ema_decay": 0.9, "dropout": 0.3},
    "momentum": {"optimizer": "sgd", "schedule": "linear", "learning-rate": 0.02},
    "patience": {"patience": 2, "learning-rate": 1e-12, "min-learning-rate": 0.0, "epochs": 5},
    "epoch_size": {
        "canvas": "cluttered",
        "canvas-size": 12,
        "distractors": 2,
        "core": "lstm",
        "first-glimpse": "random",
    },
    "rollouts": {"num-rollouts": 2, "baseline": "leave-one-out", "precision": "bf16", "translate": 1.0},
}


@functools.cache
def _load(source: str, **options: Any) -> Dataset:
    return load(source, **options)


def load_once(source: str, *, record: SplitRecord | None = None, **options: Any) -> Dataset:
    """Read the images once. A recorded split of a named source is the one that its options give."""
    return _load(source, **options)


def train(folder: Path, settings: dict[str, Any], log: Path, *more: str) -> int:
    """Train as the command does, writing down each step, from outside the run, as it is done."""
    steps = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    ends = time.monotonic()

    def on_step(self: EpochLines, epoch: int, step: int) -> None:
        nonlocal ends
        began, ends = ends, time.monotonic()
        os.write(steps, f"{epoch} {step} {began} {ends}\n".encode())

    EpochLines.on_step = on_step
    vars(import_module("foveate.cli.train"))["_picture"] = lambda folder: folder  # it is not what is tried here
    options = [f"--{name}={value}" for name, value in settings.items()]
    return main(["train", "digits", f"--folder={folder}", *([*more] if more else options)])


def forked(folder: Path, settings: dict[str, Any], log: Path, said: Path) -> int:
    """The process that trains, or goes on with, a run."""
    process = os.fork()
    if process:
        return process
    code = UNBORN
    try:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        for stream in (1, 2):
            os.dup2(os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), stream)
        more = ["--resume"] if (folder / "config.json").exists() else []
        code = train(folder, settings, log, *more)
        sys.stdout.flush()
    finally:
        os._exit(code)


def taken(log: Path) -> list[tuple[int, int, float, float]]:
    """The steps that a process wrote down: epoch, step, from when and until when."""
    lines = log.read_text().split("\n")[:-1] if log.exists() else []
    return [(int(epoch), int(step), float(began), float(end)) for epoch, step, began, end in map(str.split, lines)]


def end(process: int, number: int, patience: float, log: Path | None = None) -> tuple[int | None, int]:
    """Kill the process after a while, unless it is done before: the signal if it came in time, and the exit code.

    Its own time is meant, so that a busy machine changes little; from its first step on, if its log is given.
    """
    began = math.inf if log else 0.0
    while worked(process) - began < patience:
        if log and began == math.inf and taken(log):
            began = worked(process)
        done, status = os.waitpid(process, os.WNOHANG)
        if done:
            return None, os.waitstatus_to_exitcode(status)
        time.sleep(0.002)
    os.kill(process, number)
    return number, os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def worked(process: int) -> float:
    """Seconds that a process has had a processor."""
    return int(Path(f"/proc/{process}/schedstat").read_text().split()[0]) / 1e9


def torment(folder: Path, settings: dict[str, Any], draw: random.Random, found: dict[str, Any], most: int) -> None:
    """Kill a run and take it up again until it is done, or has been killed `most` times and then let be."""
    log, said, before = folder / "steps", folder / "said", []
    for count in range(10**6):
        process = forked(folder / "parts", settings, log, said)
        # One in four is killed while it starts, the others while they train.
        while_training = log if draw.random() < 0.75 else None
        number, code = end(process, draw.choice(SIGNALS), draw.uniform(0, 0.3) if count < most else 600, while_training)
        steps = taken(log)
        log.unlink(missing_ok=True)
        if before and steps:
            check_lost(before, steps, found)
        before = steps or before
        if number is None or code == 0:
            assert code == 0, said.read_text()
            return
        if code == UNBORN and number == signal.SIGINT and not steps:
            continue  # before the command was called, which Python itself would have ended
        expected = (-number,) if number == signal.SIGKILL else (-number, 128 + number)  # the first: it had just begun
        assert code in expected, f"{number}, {code}: {said.read_text()}"
        if number != signal.SIGKILL and code > 0:
            found["told"] += "--resume" in said.read_text() or not (folder / "parts" / "config.json").exists()
            found["stopped"] += 1
        found["kills"][signal.Signals(number).name] += 1
        found["trained"] += bool(steps)
        if steps:
            found["last"] = (number, code)


def check_lost(before: list[tuple], after: list[tuple], found: dict[str, Any]) -> None:
    """Note how many steps were taken again, and how long ago the first of them was begun when the last was done."""
    again = [step for step in before if step[:2] >= after[0][:2]]
    lost = again[-1][3] - again[0][2] if again else 0.0
    number, code = found["last"]
    if number != signal.SIGKILL and code > 0:
        found["lost_by_signal"] = max(found["lost_by_signal"], len(again))
    found["lost_steps"] = max(found["lost_steps"], len(again))
    found["lost_seconds"] = max(found["lost_seconds"], round(lost, 3))


def run(folder: Path, kills: int, seed: int) -> dict[str, Any]:
    """Torment runs of every kind, in turn, until there were enough kills; they must end as those that were let be."""
    sys.path.insert(0, str(Path(__file__).parents[1]))
    from training.tiny import outcome

    torch.set_num_threads(1)
    draw = random.Random(seed)
    found: dict[str, Any] = dict.fromkeys(("told", "stopped", "trained", "lost_by_signal", "lost_steps", "runs"), 0)
    found |= {"lost_seconds": 0.0, "kills": {number.name: 0 for number in SIGNALS}}
    whole: dict[str, Any] = {}
    while sum(found["kills"].values()) < kills:
        kind = list(KINDS)[found["runs"] % len(KINDS)]
        place = folder / f"{found['runs']}-{kind}"
        place.mkdir(parents=True)
        settings = TINY | KINDS[kind]
        if kind not in whole:
            _, code = end(forked(place / "whole", settings, place / "log", place / "said"), signal.SIGKILL, 600)
            assert code == 0, (place / "said").read_text()
            whole[kind] = outcome(place / "whole")
        left = kills - sum(found["kills"].values())
        torment(place, settings, draw, found, min(left, -(-kills // len(KINDS))))
        assert outcome(place / "parts") == whole[kind], f"A run of the kind {kind} should end as one that was let be."
        hidden = {file.name for file in (place / "parts").iterdir() if file.name.startswith(".")}
        assert not hidden, f"Nothing should be left over. Found {hidden}."
        found["runs"] += 1
        print(json.dumps(found), file=sys.stderr, flush=True)
    found.pop("last", None)
    return found


if __name__ == "__main__":
    foveate.training.scenes.load = load_once
    foveate.training.scenes.load("digits", validation=1 / 6, test=0.2, split_seed=0)
    torch.optim.AdamW([torch.zeros(1, requires_grad=True)])  # both import what takes long
    print(json.dumps(run(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))))
