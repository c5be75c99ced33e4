"""From a C file to functions that Python can call, in a fraction of a second, where there is a compiler.

A loop is compiled when many images are there to be worked on, for this very processor, and kept for as long as the
process lives. What it does, tensor operations do as well, in several passes over memory.
"""

import ctypes
import os
import shlex
import subprocess
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from torch import Tensor

MANY = 32  # images at once: fewer are hardly trained on, and compiling would take longer than it saves
FLAGS = ("-O3", "-shared", "-fPIC")
WISHES = (("-march=native", "-fopenmp"), ("-march=native",), ())  # the first that the compiler knows are granted


def compiled(source: Path, image: Tensor, **constants: int) -> ctypes.CDLL | None:
    """The functions of a C file, its `constants` defined, to work on a batch of images; None where that does not pay.

    It pays for many images on a CPU. `CC` names another compiler than `cc`.
    """
    return load(source, **constants) if image.device.type == "cpu" and len(image) >= MANY else None


@cache
def load(source: Path, **constants: int) -> ctypes.CDLL | None:
    """Compile a C file and load what came of it; None if either cannot be done here."""
    compiler = shlex.split(os.environ.get("CC", "cc"))
    defined = [f"-D{name.upper()}={value}" for name, value in constants.items()]
    with TemporaryDirectory(prefix="saccade-", ignore_cleanup_errors=True) as folder:
        library = Path(folder) / "loop.so"
        for wishes in WISHES:
            command = [*compiler, *FLAGS, *wishes, *defined, str(source), "-o", str(library)]
            try:
                subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=True)
                return ctypes.CDLL(str(library))
            except (OSError, subprocess.CalledProcessError):
                continue
    return None


def address(tensor: Tensor) -> ctypes.c_void_p:
    """Where the numbers of a tensor begin."""
    return ctypes.c_void_p(tensor.data_ptr())


def whole(*numbers: int) -> ctypes.Array[ctypes.c_int64]:
    """Numbers that the loop finds side by side."""
    return (ctypes.c_int64 * len(numbers))(*numbers)
