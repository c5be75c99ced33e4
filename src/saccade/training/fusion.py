"""Whether a run's steps are compiled: a minute at the start, which long runs win back many times over."""

import torch

from saccade.config import Training
from saccade.recurrent.fused import can_fuse

WORTHWHILE = 10_000  # steps: at 5 to 20 ms that each is shorter, they win back the minute


def choose_fusion(training: Training, steps: int, device: torch.device, processes: int = 1) -> bool:
    """Whether to compile the steps of a run that has so many, done or not: a resumed run is compiled as before.

    In several processes they are compiled only where that is asked for: what it brings there has not been measured.

    Raises:
        ValueError: if it is wanted and cannot be had.
    """
    able = can_fuse(device)
    if training.compile == "on" and not able:
        needed = "a C++ compiler (`g++`, or what `CXX` names)" if device.type == "cpu" else "triton"
        raise ValueError(f"`compile = on` should find {needed}. Found none: install one, or choose `compile = off`.")
    pays = able and steps >= WORTHWHILE and processes == 1
    return training.compile == "on" or (training.compile == "auto" and pays)
