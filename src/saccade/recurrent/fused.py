"""Fusion: a pure function as `torch.compile` makes it, with what lies between the matrix products in a few kernels."""

import os
import shutil
from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from typing import Any, TypeVar, cast

import torch

Function = TypeVar("Function", bound=Callable[..., Any])


@cache
def fused(function: Function, device: str = "cpu") -> Function:
    """The function compiled at its first call, which takes up to a minute; random numbers are drawn as without."""
    # Calls from C++ in place of Python save up to a tenth of a step; for a GPU they would need CUDA's headers.
    from_cpp = device == "cpu"
    return cast(
        Function,
        torch.compile(function, dynamic=False, options={"fallback_random": True, "cpp_wrapper": from_cpp}),
    )


def can_fuse(device: torch.device) -> bool:
    """Whether what `fused` needs is there: on a CPU a C++ compiler, on a GPU triton."""
    if device.type == "cpu":
        return shutil.which(os.environ.get("CXX", "g++")) is not None
    return find_spec("triton") is not None
