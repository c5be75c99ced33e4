"""Whether a run's steps are compiled: a minute at the start, which long runs win back many times over."""

from dataclasses import replace

import torch

from saccade.config import Config
from saccade.recurrent.fused import can_fuse

WORTHWHILE = 10_000  # steps: at 5 to 20 ms that each is shorter, they win back the minute


def choose_fusion(config: Config, steps: int, device: torch.device, processes: int = 1) -> Config:
    """The config with `compile` decided: on or off; it stays so when the run is resumed, to the bit.

    In several processes it is off.

    Raises:
        ValueError: if it is wanted and cannot be had.
    """
    training, able = config.training, can_fuse(device)
    if processes > 1:  # each takes its share of the draws, which a compiled step would not let it
        return replace(config, training=replace(training, compile="off"))
    if training.compile == "on" and not able:
        needed = "a C++ compiler (`g++`, or what `CXX` names)" if device.type == "cpu" else "triton"
        raise ValueError(f"`compile = on` should find {needed}. Found none: install one, or choose `compile = off`.")
    wanted = training.compile == "on" or (training.compile == "auto" and able and steps >= WORTHWHILE)
    return replace(config, training=replace(training, compile="on" if wanted else "off"))
