"""Writing files so that a half-written one never stands, not even after a power cut.

Every system call that changes the disk is made here, by its own name in `os`: tests let each of them fail in turn.
"""

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

WRITE = os.O_WRONLY | os.O_CREAT | getattr(os, "O_BINARY", 0)  # Windows has text files too


@contextmanager
def aside(path: Path, keep: Path | None = None) -> Iterator[Path]:
    """Where to write a file, of the same suffix, that takes its place at `path` only once the block is done.

    What stood at `path` is kept at `keep`, where that is given.
    """
    beside = path.with_name(f".{os.getpid()}.{path.name}")
    try:
        with naming(path):
            yield beside
            if keep and path.exists():
                os.replace(path, keep)
            os.replace(beside, path)
    finally:
        with suppress(OSError):  # what went wrong before it says more
            os.unlink(beside)


@contextmanager
def written_aside(path: Path, keep: Path | None = None) -> Iterator[io.BytesIO]:
    """A file to write that takes its place at `path` only once it is whole and on the disk."""
    content = io.BytesIO()
    yield content
    with aside(path, keep) as beside:
        _write(beside, content.getbuffer(), os.O_TRUNC)
    with naming(path):
        sync_folder(path.parent)


def append(path: Path, content: bytes) -> None:
    """Add to the end of a file, and see it to the disk."""
    with naming(path):
        new = not path.exists()
        _write(path, content, os.O_APPEND)
        if new:
            sync_folder(path.parent)


def make_folder(folder: Path) -> None:
    """Make a folder, and those it is in, where they are not there yet."""
    if not folder.is_dir():
        make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        sync_folder(folder.parent)


def sync_folder(folder: Path) -> None:
    """See the names in a folder to the disk: a file that was put in its place stays there."""
    if os.name == "nt":
        return  # Windows opens no folders
    with naming(folder):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def remove_leftovers(folder: Path, *names: str) -> None:
    """Remove what processes that were killed have left beside files of these names; nobody else writes them now."""
    for name in names:
        for beside in folder.glob(f".*.{name}"):
            beside.unlink(missing_ok=True)


def _write(path: Path, content: bytes | memoryview, flags: int) -> None:
    """Write all of the content, however little the system takes at a time, and see it to the disk."""
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
    """An error of the disk names the file: a full disk does not by itself."""
    try:
        yield
    except OSError as error:
        if error.errno is None:
            raise
        raise OSError(error.errno, error.strerror, str(path)) from None
