"""Runs with compiled steps, in a process of their own: the checker of shapes and `torch.compile` exclude each other.

`python tests/torture/compiled.py FOLDER whole|stop|resume` prints how many functions were compiled.
"""

import os
import signal
import sys
from contextlib import suppress
from pathlib import Path

import torch

from foveate import fit
from foveate.training.epoch import Callback
from foveate.training.signals import Stopped

SETTINGS = {"compile": "on", "dropout": 0.2, "ema_decay": 0.9, "num_rollouts": 2, "num_glimpses": 2}
STOPS = {"first": (1, 1), "inside": (1, 3), "second": (2, 2)}  # after which step of which epoch; each has four


class Told(Callback):
    """Asks the run to stop in a step of an epoch."""

    def __init__(self, *at: int) -> None:
        self.at = at

    def on_step(self, epoch: int, step: int) -> None:
        if (epoch, step) == self.at:
            os.kill(os.getpid(), signal.SIGTERM)


def run(folder: Path, what: str) -> int:
    """Train without a stop, or stop a run at each place, or go on with them."""
    sys.path.insert(0, str(Path(__file__).parents[1]))
    from torch._dynamo.utils import counters

    from training.tiny import tiny

    torch.set_num_threads(1)
    if what == "whole":
        fit(tiny(**SETTINGS), folder / "whole")
    for name, place in STOPS.items() if what != "whole" else ():
        with suppress(Stopped):
            fit(
                tiny(**SETTINGS),
                folder / name,
                resume=what == "resume",
                listener=Told(*place) if what == "stop" else None,
            )
    return counters["stats"]["unique_graphs"]


if __name__ == "__main__":
    print(run(Path(sys.argv[1]), sys.argv[2]))
