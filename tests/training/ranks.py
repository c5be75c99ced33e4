"""What torchrun runs in the tests: every recipe of a folder in turn, and the weights' hash on every rank.

    torchrun --standalone --nproc-per-node 2 tests/training/world.py FOLDER [RANK STEP]

In its first life, process RANK kills itself in step STEP.
"""

import atexit
import hashlib
import os
import signal
import sys
from pathlib import Path
from typing import Any

import foveate.training.epoch
import foveate.training.fit
from foveate import fit, settings
from foveate.training.distributed import rank, restarted
from foveate.training.signals import Stopped
from foveate.training.state import TrainState, create_train_state
from foveate.training.step import train_step


def digest(learner: TrainState) -> str:
    """A hash of every bit of the weights and of the optimizer's state."""
    hashed = hashlib.sha256()
    for parameter in learner.model.parameters():
        for tensor in (parameter, *learner.optimizer.state[parameter].values()):
            hashed.update(tensor.detach().numpy().tobytes())
    return hashed.hexdigest()


def tell_threads(folder: Path) -> None:
    """Write the names of the threads that are left, where Linux tells them."""
    names = [path.read_text() for path in Path("/proc/self/task").glob("*/comm")]
    (folder / f"{rank()}.threads").write_text("".join(names))


def main(folder: Path, who: int = -1, when: int = 0) -> int:
    """Train all that is there."""
    atexit.register(tell_threads, folder)  # after the group is gone, which is registered later
    learners: list[TrainState] = []

    def watched(*arguments: Any) -> TrainState:
        learners.append(create_train_state(*arguments))
        return learners[-1]

    def mortal(learner: TrainState, *arguments: Any) -> Any:
        done = train_step(learner, *arguments)
        steps[0] += 1
        if not restarted() and (rank(), steps[0]) == (who, when):
            os.kill(os.getpid(), signal.SIGKILL)
        return done

    steps = [0]
    foveate.training.fit.create_train_state = watched
    foveate.training.epoch.train_step = mortal
    for path in sorted(folder.glob("*.toml")):
        run = folder / path.stem
        try:
            fit(settings.read(path), run, resume=(run / "config.json").exists() and not restarted())
        except Stopped as stop:
            return 128 + stop.signal
        (folder / f"{path.stem}.{rank()}.hash").write_text(digest(learners[-1]))
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), *map(int, sys.argv[2:])))
