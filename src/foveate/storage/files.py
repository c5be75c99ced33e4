"""Atomic, durable file writes: no half-written file is left in place, even after a power cut.

Every system call that changes the disk is made here, by its own name in `os`, so that tests can make each one fail.
"""

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

WRITE = os.O_WRONLY | os.O_CREAT | getattr(os, "O_BINARY", 0)  # Windows would translate line ends


@contextmanager
def aside(path: Path, keep: Path | None = None) -> Iterator[Path]:
    """Temporary path with the same suffix, moved to `path` when the block ends without an error.

    The previous file at `path` is moved to `keep` if that is given.
    """
    temporary = path.with_name(f".{os.getpid()}.{path.name}")
    try:
        with naming(path):
            yield temporary
            if keep and path.exists():
                os.replace(path, keep)
            os.replace(temporary, path)
    finally:
        with suppress(OSError):  # an earlier error says more
            os.unlink(temporary)


@contextmanager
def atomic_write(path: Path, keep: Path | None = None) -> Iterator[io.BytesIO]:
    """A file in memory, moved to `path` once it is complete and on the disk."""
    content = io.BytesIO()
    yield content
    with aside(path, keep) as temporary:
        _write(temporary, content.getvalue(), os.O_TRUNC)
    with naming(path):
        sync_folder(path.parent)


def append(path: Path, content: bytes) -> None:
    """Append to a file and flush it to the disk."""
    with naming(path):
        new = not path.exists()
        _write(path, content, os.O_APPEND)
        if new:
            sync_folder(path.parent)


def make_folder(folder: Path) -> None:
    """Create a folder and its missing parents, and flush their names to the disk."""
    if not folder.is_dir():
        make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        sync_folder(folder.parent)


def sync_folder(folder: Path) -> None:
    """Flush the names in a folder to the disk, so that a renamed file survives a power cut."""
    if os.name == "nt":
        return  # Windows cannot open folders
    with naming(folder):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def remove_leftovers(folder: Path, *names: str) -> None:
    """Remove temporary files that killed processes left for these names; no other process may be writing them."""
    for name in names:
        for temporary in folder.glob(f".*.{name}"):
            temporary.unlink(missing_ok=True)


def _write(path: Path, content: bytes, flags: int) -> None:
    """Write all of the content, also where one call writes only a part, and flush it to the disk."""
    descriptor = os.open(path, WRITE | flags, 0o666)
    try:
        left = memoryview(content)
        while left:
            left = left[os.write(descriptor, left) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Add the file's name to errors of the disk: the error of a full disk has none."""
    try:
        yield
    except OSError as error:
        if error.errno is None:
            raise
        raise OSError(error.errno, error.strerror, str(path)) from None
