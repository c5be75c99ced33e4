"""The lock of a run folder: two processes never write the same run, and one that was killed holds nothing."""

import errno
import json
import os
import socket
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from foveate.training.files import naming

NAME = ".lock"
UNSUPPORTED = {errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP}


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the folder's lock, which the system takes back when the process ends, however it ends.

    Raises:
        ValueError: if another process holds it.
    """
    with naming(folder / NAME):
        descriptor = _take(folder / NAME)
    try:
        yield
    finally:
        with suppress(OSError):
            os.unlink(folder / NAME)  # while it is held: whoever has opened it will see that it is gone
        os.close(descriptor)


def _take(path: Path) -> int:
    """Open and lock the file, until the one that was locked is the one that stands there."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            _lock(descriptor, path)
            if _stands(descriptor, path):
                _sign(descriptor)
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _lock(descriptor: int, path: Path) -> None:
    """Lock an open file, or say who has; a disk that knows no locks goes without."""
    try:
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise ValueError(
            f"`{path.parent}` should be written by one process at a time. Found {_holder(path)} writing it: "
            "wait for its end, stop it, or choose another folder."
        ) from None
    except ImportError:
        pass  # Windows
    except OSError as error:
        if error.errno not in UNSUPPORTED:
            raise
        warnings.warn(f"The disk of `{path.parent}` knows no locks: see that one process writes there.", stacklevel=4)


def _stands(descriptor: int, path: Path) -> bool:
    """Whether the open file is still the one of that name: its last holder may just have removed it."""
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path))
    except FileNotFoundError:
        return False


def _sign(descriptor: int) -> None:
    """Write down who holds the lock."""
    holder = {"process": os.getpid(), "host": socket.gethostname(), "since": time.strftime("%Y-%m-%d %H:%M:%S %z")}
    os.ftruncate(descriptor, 0)
    os.write(descriptor, json.dumps(holder).encode())


def _holder(path: Path) -> str:
    """Who holds the lock, as far as the file says."""
    try:
        holder = json.loads(path.read_bytes())
        return f"process {holder['process']} on {holder['host']} (since {holder['since']})"
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"
