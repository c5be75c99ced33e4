"""Writing files so that a half-written one never stands."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


@contextmanager
def aside(path: Path) -> Iterator[Path]:
    """Where to write a file, of the same suffix, that takes its place at `path` only once the block is done."""
    beside = path.with_name(f".{os.getpid()}.{path.name}")
    try:
        yield beside
        beside.replace(path)
    except OSError as error:
        if error.errno is None:
            raise
        raise OSError(error.errno, error.strerror, str(path)) from None  # a full disk does not name the file by itself
    finally:
        beside.unlink(missing_ok=True)


@contextmanager
def written_aside(path: Path) -> Iterator[BinaryIO]:
    """A file to write that takes its place at `path` only once it is whole and on the disk."""
    with aside(path) as beside, beside.open("wb") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())
