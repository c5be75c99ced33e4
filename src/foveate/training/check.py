"""Checks before a run starts: the device, settings that exclude each other, files that can be read back."""

import os
from pathlib import Path

import torch

from foveate.config import Config, Training
from foveate.settings import from_json, to_json
from foveate.speed.compile import can_compile
from foveate.training.distributed import local_rank

MIN_STEPS = 10_000  # of a run: compiling takes 10 to 30 s, and each step then saves 5 to 25 ms


def choose_device(device: str) -> torch.device:
    """Return the device that a setting names; `auto` gives each process of a machine its own GPU.

    Raises:
        ValueError: if there is no such device.
    """
    if device == "auto":
        device = f"cuda:{local_rank()}" if local_rank() else "cuda"
        device = device if torch.cuda.is_available() else "cpu"
    try:
        if torch.device(device).type not in ("cpu", "cuda"):
            raise RuntimeError("unsupported device type")
        torch.empty(0, device=device)
        return torch.device(device)
    except (RuntimeError, AssertionError):
        raise ValueError(
            f"`device` should be `auto`, `cpu`, or a GPU of this machine. Found `device = {device}`."
        ) from None


def check(config: Config) -> None:
    """Raise an error for settings that exclude each other; the bounds of single settings are in the config."""
    cores = os.cpu_count() or 1
    threads = config.training.threads
    if threads > cores:
        raise ValueError(
            f"`threads` should be at most {cores}, the cores of this machine. Found `threads = {threads}`."
        )
    if config.training.std_start and config.model.learn_std:
        raise ValueError("Either `std_start` or `learn_std` should be set. Found both.")
    if config.model.baseline == "leave-one-out" and config.training.num_rollouts < 2:
        raise ValueError(
            "`num_rollouts` should be at least 2 for the leave-one-out baseline. Found `num_rollouts = 1`."
        )


def should_compile(training: Training, steps: int, device: torch.device, processes: int = 1) -> bool:
    """Whether to compile the steps of a run of that many steps, including those done: resuming changes nothing.

    With `auto`, runs of at least 10,000 steps in one process are compiled. In several processes the gain has not been
    measured, so that only `on` compiles there.

    Raises:
        ValueError: if `compile = on` and there is no compiler.
    """
    able = can_compile(device)
    if training.compile == "on" and not able:
        needed = "a C++ compiler (`g++`, or what `CXX` names)" if device.type == "cpu" else "triton"
        raise ValueError(f"`compile = on` should find {needed}. Found none: install one, or choose `compile = off`.")
    pays = able and steps >= MIN_STEPS and processes == 1
    return training.compile == "on" or (training.compile == "auto" and pays)


def check_readable(config: Config, folder: Path) -> None:
    """Refuse names that are not UTF-8, and settings that would be others when read back.

    Raises:
        ValueError: naming what could not be read back.
    """
    names = [("folder", str(folder)), ("source", config.data.source), ("pretrained", config.training.pretrained)]
    names += [("classes", name) for name in config.model.classes]
    for setting, name in names:
        readable = name.encode("utf-8", "backslashreplace").decode()
        if readable != name:
            raise ValueError(f"`{setting}` should be named in UTF-8. Found `{readable}`: rename it.")
    if from_json(to_json(config)) != config:
        raise ValueError("Settings should be the same when they are read back. Found others.")
