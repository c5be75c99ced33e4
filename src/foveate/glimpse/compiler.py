"""From a C file to functions that Python can call, in a fraction of a second, where there is a compiler.

A loop is compiled for this very processor and kept for as long as the process lives. What it does, tensor operations
do as well, in several passes over memory.
"""

import ctypes
import os
import shlex
import subprocess
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from torch import Tensor

FLAGS = ("-O3", "-shared", "-fPIC")
WISHES = (("-march=native", "-fopenmp"), ("-march=native",), ("-fopenmp",), ())  # the first that it knows are granted
LONGEST = 60  # seconds: a compiler that is not done by then is not waited for


@cache
def load(source: Path, **constants: int) -> ctypes.CDLL | None:
    """The functions of a C file, compiled with its `constants` defined; None if that cannot be done here.

    `CC` names another compiler than `cc`.
    """
    defined = [f"-D{name.upper()}={value}" for name, value in constants.items()]
    for wishes in WISHES:
        try:
            with TemporaryDirectory(prefix="foveate-", ignore_cleanup_errors=True) as folder:
                compiler, library = shlex.split(os.environ.get("CC") or "cc"), Path(folder) / "loop.so"
                command = [*compiler, *FLAGS, *wishes, *defined, str(source), "-o", str(library)]
                subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=True, timeout=LONGEST)
                return ctypes.CDLL(str(library))
        except subprocess.TimeoutExpired:
            return None
        except (OSError, ValueError, subprocess.CalledProcessError):  # no compiler, no folder, or a wish too many
            continue
    return None


def address(tensor: Tensor) -> ctypes.c_void_p:
    """Where the numbers of a tensor begin."""
    return ctypes.c_void_p(tensor.data_ptr())


def int64s(*numbers: int) -> ctypes.Array[ctypes.c_int64]:
    """Whole numbers side by side, as an array of C."""
    return (ctypes.c_int64 * len(numbers))(*numbers)
