"""Train many steps of a tiny model and print, as JSON, memory and time a step early and late.

`python tests/torture/growing.py FOLDER STEPS`
"""

import gc
import json
import os
import resource
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import torch

from foveate import fit
from foveate.training.epoch import Callback

EARLY, EPOCH = 200, 50


def memory() -> float:
    """Memory of this process in MB (2**20 bytes)."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 2**20


class Meter(Callback):
    """Looks at the process around step 200 and at the end."""

    def __init__(self, steps: int) -> None:
        self.steps, self.taken, self.last = steps, 0, 0.0
        self.memory: list[float] = []
        self.objects: list[int] = []
        self.times: list[list[float]] = [[], []]

    def on_step(self, epoch: int, step: int) -> None:
        self.taken += 1
        now = time.process_time()
        late = self.taken > self.steps - EARLY
        if step > 1 and (late or self.taken <= 2 * EARLY):  # the first step of an epoch follows a validation
            self.times[late].append(now - self.last)
        if self.taken in (EARLY, self.steps):
            self.memory.append(memory())
            self.objects.append(len(gc.get_objects()))
        self.last = time.process_time()


def run(folder: Path, steps: int) -> dict[str, Any]:
    """Train and measure."""
    sys.path.insert(0, str(Path(__file__).parents[1]))
    from training.tiny import tiny

    torch.set_num_threads(1)
    meter = Meter(steps)
    settings = {"epoch_size": 16 * EPOCH, "batch_size": 16, "validation": 0.05, "ema_decay": 0.99, "dropout": 0.1}
    fit(tiny(**settings, epochs=steps // EPOCH), folder, listener=meter)
    assert meter.taken == steps, os.listdir(folder)
    seconds = [statistics.median(times) for times in meter.times]
    return {"memory": meter.memory, "objects": meter.objects, "milliseconds": [1000 * each for each in seconds]}


if __name__ == "__main__":
    print(json.dumps(run(Path(sys.argv[1]), int(sys.argv[2]))))
