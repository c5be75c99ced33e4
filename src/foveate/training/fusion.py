"""Fusion: a step as `torch.compile` makes it, with what lies between the matrix products in a few kernels, and when."""

import os
import shutil
from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from typing import Any, TypeVar, cast

import torch

from foveate.config import Training

Function = TypeVar("Function", bound=Callable[..., Any])
WORTHWHILE = 10_000  # steps: at 5 to 20 ms that each is shorter, they win back the minute


@cache
def fused(function: Function, device: str = "cpu") -> Function:
    """The function compiled at its first call, which takes up to a minute; random numbers are drawn as without.

    What it returns on a GPU is to be used before the next call, which may write it anew.
    """
    # Calls from C++ in place of Python save up to a tenth of a step. For a GPU they would need CUDA's headers; there a
    # CUDA graph is asked for, recorded at the second call and played ever after, which is one call.
    calls = "cpp_wrapper" if device == "cpu" else "triton.cudagraphs"
    return cast(Function, torch.compile(function, dynamic=False, options={"fallback_random": True, calls: True}))


def can_fuse(device: torch.device) -> bool:
    """Whether what `fused` needs is there: on a CPU a C++ compiler, on a GPU triton."""
    if device.type == "cpu":
        return shutil.which(os.environ.get("CXX", "g++")) is not None
    return find_spec("triton") is not None


def choose_fusion(training: Training, steps: int, device: torch.device, processes: int = 1) -> bool:
    """Whether to compile the steps of a run that has so many, done or not: a resumed run is compiled as before.

    On a GPU and in several processes they are compiled only where that is asked for: what it brings there has not been
    measured.

    Raises:
        ValueError: if it is wanted and cannot be had.
    """
    able = can_fuse(device)
    if training.compile == "on" and not able:
        needed = "a C++ compiler (`g++`, or what `CXX` names)" if device.type == "cpu" else "triton"
        raise ValueError(f"`compile = on` should find {needed}. Found none: install one, or choose `compile = off`.")
    pays = able and steps >= WORTHWHILE and device.type == "cpu" and processes == 1
    return training.compile == "on" or (training.compile == "auto" and pays)
