"""Lock of a run folder: only one process writes a run, and a killed process leaves no lock."""

import errno
import json
import os
import socket
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from foveate.storage.files import naming

NAME = ".lock"
HOLDER = ".lock.json"  # beside it, since Windows lets nobody read a file that is locked
UNSUPPORTED = {errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP}


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the folder's lock, which the system releases however the process ends.

    Raises:
        ValueError: if another process holds it.
    """
    from filelock import FileLock, Timeout

    lock = FileLock(folder / NAME, timeout=0)
    with naming(folder / NAME):
        try:
            lock.acquire()
        except Timeout:
            raise ValueError(
                f"`{folder}` should be written by one process at a time. Found {_holder(folder)} writing it: "
                "wait for its end, stop it, or choose another folder."
            ) from None
        except OSError as error:
            if error.errno not in UNSUPPORTED:
                raise
            warnings.warn(f"The disk of `{folder}` knows no locks: see that one process writes there.", stacklevel=3)
        _sign(folder)
    try:
        yield
    finally:
        for name in (HOLDER, NAME):  # while locked: a process that has opened it sees that it is gone
            with suppress(OSError):
                os.unlink(folder / name)
        lock.release()


def _sign(folder: Path) -> None:
    """Write the holder's process, host and time into a file beside the lock."""
    holder = {"process": os.getpid(), "host": socket.gethostname(), "since": time.strftime("%Y-%m-%d %H:%M:%S %z")}
    (folder / HOLDER).write_text(json.dumps(holder), encoding="utf-8")


def _holder(folder: Path) -> str:
    """The lock's holder in words."""
    try:
        holder = json.loads((folder / HOLDER).read_bytes())
        return f"process {holder['process']} on {holder['host']} (since {holder['since']})"
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"
