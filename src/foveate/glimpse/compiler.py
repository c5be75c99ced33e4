"""Compile a C file into functions that Python can call, if there is a compiler, and cache the library on disk.

Compiling takes a fraction of a second and optimizes for the processor. Every such function has an equivalent in tensor
operations, which is used where nothing can be compiled.
"""

import ctypes
import hashlib
import os
import platform
import re
import shlex
import stat
import subprocess
import sys
import warnings
from contextlib import suppress
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

FLAGS = ("-O3", "-shared", "-fPIC")
FLAG_SETS = (("-march=native", "-fopenmp"), ("-march=native",), ("-fopenmp",), ())
"""Optional flags: the first set that the compiler accepts is used."""
COMPILE_TIMEOUT = 60  # seconds
MAX_REASON = 200  # characters


@cache
def load(source: Path, **macros: str | int) -> ctypes.CDLL | None:
    """Functions of a C file, compiled with these macros; None, with a warning, if it cannot be compiled.

    The environment variable `CC` names the compiler; the default is `cc`. The library is kept in the user's cache
    folder, unless other users could write there.
    """
    words = [f"-D{name.upper()}={value}" for name, value in macros.items()]
    folder = cache_folder()
    path = None if folder is None else folder / f"{source.stem}-{_digest(source, words)}.so"
    if path is not None and _is_own(path):
        with suppress(OSError):  # damaged, as by a full disk
            return ctypes.CDLL(str(path))
    failure: Exception = OSError()
    for place in dict.fromkeys((path, None)):
        try:
            return _build(source, words, place)
        except (OSError, ValueError, subprocess.SubprocessError) as error:
            failure = error
        if not isinstance(failure, OSError):  # it fails in any folder
            break
    _warn(failure)
    return None


def _build(source: Path, words: list[str], path: Path | None) -> ctypes.CDLL:
    """Compile a file with the first set of flags that works, load the library, and move it to `path`.

    It is compiled in a folder of its own, and appears at `path` whole, so that two processes may build at once.
    """
    compiler = shlex.split(os.environ.get("CC") or "cc")
    failure: Exception = OSError()
    for flags in FLAG_SETS:
        with TemporaryDirectory(
            prefix="foveate-", dir=None if path is None else path.parent, ignore_cleanup_errors=True
        ) as folder:
            library = Path(folder) / "loop.so"
            command = [*compiler, *FLAGS, *flags, *words, str(source), "-o", str(library)]
            try:
                subprocess.run(
                    command,
                    stdin=subprocess.DEVNULL,
                    capture_output=True,
                    check=True,
                    timeout=COMPILE_TIMEOUT,
                    text=True,
                )
                functions = ctypes.CDLL(str(library))
            except (OSError, subprocess.CalledProcessError) as error:  # no compiler, or an unknown flag
                failure = error
                continue
            if path is not None:
                with suppress(OSError):
                    library.chmod(0o700)
                    with library.open("rb") as file:  # a power cut leaves none that is half written
                        os.fsync(file.fileno())
                    library.replace(path)
            return functions
    raise failure


def _warn(error: Exception) -> None:
    """Say once a process why glimpses are read more slowly."""
    if isinstance(error, subprocess.CalledProcessError):
        found = re.search(r"error: (.+)", error.stderr or "")
        reason = found.group(1) if found else f"the compiler ended with code {error.returncode}"
    elif isinstance(error, subprocess.TimeoutExpired):
        reason = f"the compiler took more than {COMPILE_TIMEOUT} s"
    else:
        reason = str(error)
    _warn_once(f"The loop in C that reads glimpses could not be compiled ({reason[:MAX_REASON]}).")


@cache
def _warn_once(sentence: str) -> None:
    warnings.warn(f"{sentence} Slower readers take its place, with the same results.", RuntimeWarning, stacklevel=2)


@cache
def cache_folder() -> Path | None:
    """The folder for compiled libraries in the user's cache, made if needed; None if others could write there."""
    if sys.platform == "win32":  # where a folder has no such owner and mode
        return None
    try:
        home = Path.home() / ("Library/Caches" if sys.platform == "darwin" else ".cache")
        folder = Path(os.environ.get("XDG_CACHE_HOME") or home).absolute() / "foveate" / "compiled"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder = folder.resolve()
        is_safe = os.access(folder, os.W_OK) and _is_own(folder) and all(map(_is_safe_parent, folder.parents))
    except (OSError, RuntimeError):  # no home, a full disk, or no permission
        return None
    return folder if is_safe else None


def _is_own(path: Path) -> bool:
    """Whether a file or folder belongs to this user, and only this user can write it."""
    try:
        found = path.lstat()
    except OSError:
        return False
    return found.st_uid == os.geteuid() and not stat.S_ISLNK(found.st_mode) and not found.st_mode & 0o022


def _is_safe_parent(path: Path) -> bool:
    """Whether other users, except root, can neither rename nor replace what this user keeps in a folder."""
    found = path.stat()
    can_be_written = found.st_mode & 0o022 and not found.st_mode & stat.S_ISVTX
    return found.st_uid in (0, os.geteuid()) and not can_be_written


def _digest(source: Path, words: list[str]) -> str:
    """Name of a library by its content: source, macros, compiler, flags, and the processor it is optimized for."""
    parts = [source.read_text(encoding="utf-8"), *words, os.environ.get("CC") or "cc", str((FLAGS, FLAG_SETS))]
    return hashlib.sha256("\0".join([*parts, *_processor()]).encode()).hexdigest()[:32]


@cache
def _processor() -> tuple[str, ...]:
    """What code for this processor depends on: its model and instructions, or the machine where none are listed."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        text = ""
    lines = text.split("\n\n")[0].splitlines()
    names = ("vendor_id", "cpu family", "model", "flags", "CPU part", "Features")
    found = [line for line in lines if line.split("\t")[0] in names]
    return (sys.platform, platform.machine(), *platform.libc_ver(), *(found or [platform.node()]))
