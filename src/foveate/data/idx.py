"""Strict reader of idx files, the file format of MNIST, plain or gzipped."""

import gzip
import math
import struct
import zlib
from io import BufferedIOBase
from pathlib import Path

import numpy as np

MAX_BYTES = 2**30  # bounds the memory that a wrong header or a gzip bomb can cost
_CHUNK = 2**20


def read_idx(path: Path, dims: int) -> np.ndarray:
    """Return the uint8 array of `dims` dimensions that an idx file holds.

    Raises:
        ValueError: if the file is not idx, of other dimensions, empty, cut short, too long or corrupt.

    Source: Y. LeCun, C. Cortes, C. J. C. Burges, *The MNIST database*, "File formats".
    """
    try:
        with open_plain(path) as file:
            return _parse(file, dims)
    except ValueError as error:
        raise ValueError(f"`{path}` should be an idx file of {dims}-dimensional bytes. Found {error}.") from None
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise ValueError(f"`{path}` should be a whole gzip file. Found it corrupt ({error}).") from None


def open_plain(path: Path) -> BufferedIOBase:
    """Open a file for reading; a name that ends in .gz is decompressed."""
    return gzip.open(path, "rb") if path.suffix == ".gz" else open(path, "rb")


def _parse(file: BufferedIOBase, dims: int) -> np.ndarray:
    """Return the array in an open idx file; a `ValueError` says what was found instead."""
    magic = file.read(4)
    if magic != bytes([0, 0, 8, dims]):
        raise ValueError(f"the first bytes {magic.hex(' ') or '(none)'}")
    header = file.read(4 * dims)
    if len(header) < 4 * dims:
        raise ValueError("its header cut short")
    shape = struct.unpack(f">{dims}I", header)
    size = math.prod(shape)
    if not 0 < size <= MAX_BYTES:
        raise ValueError(f"a header that declares {' x '.join(map(str, shape))} bytes")
    content = _read_at_most(file, size + 1)
    if len(content) != size:
        count = "more" if len(content) > size else f"only {len(content)}"
        raise ValueError(f"{count} bytes where its header declares {size}")
    return np.frombuffer(content, dtype=np.uint8).reshape(shape)


def _read_at_most(file: BufferedIOBase, size: int) -> bytearray:
    """Return up to `size` bytes; memory grows with the content of the file, not with `size`."""
    content = bytearray()
    while len(content) < size and (chunk := file.read(min(_CHUNK, size - len(content)))):
        content += chunk
    return content
