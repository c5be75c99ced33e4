"""Compilation of the training step by `torch.compile`, and what happens where it fails."""

import os
import re
import shlex
import shutil
import sys
import warnings
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar, cast

import torch
from torch import Tensor

Function = TypeVar("Function", bound=Callable[..., Any])
LAUNCHERS = ("ccache", "sccache", "distcc", "icecc")  # programs that run the compiler named after them
CACHE = "TORCHINDUCTOR_CACHE_DIR"
MAX_REASON = 200  # characters


@cache
def compile_function(function: Function, device: str = "cpu", required: bool = True) -> Function:
    """The function, compiled at its first call; see `CompiledFunction`."""
    return cast(Function, CompiledFunction(function, device, required))


class CompiledFunction:
    """A function that is compiled at its first call, and runs as written from the first failure on.

    Random numbers are drawn as in the plain function. What it returns on a GPU may be overwritten by the next call.
    """

    def __init__(self, function: Callable[..., Any], device: str, required: bool) -> None:
        self.function = function
        self.device = device
        self.required = required
        self.compiled: Callable[..., Any] | None = None
        self.failed = False

    def __call__(self, *args: Any) -> Any:
        """The function's result.

        Raises:
            ValueError: if compiling fails and is `required`.
        """
        if self.failed:
            return self.function(*args)
        state = _random_state(self.device)
        try:
            if self.compiled is None:
                self.compiled = _compile(self.function, self.device)
            return self.compiled(*args)
        except Exception as error:  # whatever PyTorch, its compiler, the disk or the system raise
            failure = error
        _set_random_state(self.device, state)
        result = self.function(*args)  # raises the function's own errors
        self.failed = True
        if self.required:
            raise ValueError(
                f"`compile = on` should be able to compile. {_reason(failure)} Choose `compile = auto` or `off`."
            ) from None
        warnings.warn(f"{_reason(failure)} The run goes on without compiling.", stacklevel=2)
        return result


def check_cache() -> None:
    """Leave the cache folder to PyTorch if the one in the environment cannot be used, with a warning.

    Otherwise importing PyTorch's compiler would fail, which every optimizer does.
    """
    folder = os.environ.get(CACHE)
    if not folder:
        return
    with suppress(OSError):
        os.makedirs(folder, exist_ok=True)
    if not os.access(folder, os.W_OK):
        del os.environ[CACHE]
        warnings.warn(f"`{CACHE}` should be a folder that can be written. Found `{folder}`: not used.", stacklevel=2)


def reset_compiler() -> None:
    """Forget what was compiled: a process compiles a function for eight shapes at most, and then runs it as written."""
    compile_function.cache_clear()
    with suppress(OSError):  # a full disk, as the first step will report
        torch.compiler.reset()


def _compile(function: Callable[..., Any], device: str) -> Callable[..., Any]:
    """The function as `torch.compile` makes it, fastest on this kind of device."""
    if device == "cpu":
        # Calls from C++ instead of Python save up to a tenth of a step.
        options = {"cpp_wrapper": True, "cpp.cxx": (None, cpp_compiler())}
    else:
        # C++ would need CUDA's headers. A CUDA graph is recorded at the second call and replayed ever after.
        options = {"triton.cudagraphs": True}
    return torch.compile(function, dynamic=False, options={"fallback_random": True, **options})


def cpp_compiler() -> str:
    """The C++ compiler that `CXX` names, without flags and without a launcher such as `ccache` before it."""
    default = "clang++" if sys.platform == "darwin" else "g++"
    try:
        words = shlex.split(os.environ.get("CXX", ""))
    except ValueError:  # an open quotation mark
        words = [os.environ["CXX"]]
    if len(words) > 1 and Path(words[0]).name in LAUNCHERS:
        del words[0]
    return words[0] if words else default


def _random_state(device: str) -> Tensor:
    """State of the global generator, which dropout draws from."""
    return torch.get_rng_state() if device == "cpu" else torch.cuda.get_rng_state()


def _set_random_state(device: str, state: Tensor) -> None:
    """Put the global generator back."""
    if device == "cpu":
        torch.set_rng_state(state)
    else:
        torch.cuda.set_rng_state(state)


def _reason(error: Exception) -> str:
    """Why compiling failed, in one sentence: the compiler's first error, or the first line of the exception."""
    text = str(error)
    found = re.search(r"\berror: (.+)", text)
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    reason = found.group(1) if found else (lines or [type(error).__name__])[0]
    if "Python.h" in reason:
        reason += "; Python's headers are missing: install python3-dev"
    return f"Compiling the training step failed ({reason[:MAX_REASON]})."


def can_compile(device: torch.device) -> bool:
    """Whether the compiler that `compile_function` needs is installed: on a CPU a C++ compiler, on a GPU triton."""
    if device.type == "cpu":
        return shutil.which(cpp_compiler()) is not None
    return find_spec("triton") is not None
