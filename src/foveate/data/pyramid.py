"""Images too large to load: levels of ever coarser pixels, of which only what lies under a window is decoded."""

import itertools
import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Shaped, UInt8

from foveate.data.placement import Size

MAX_PIXELS = 2**26  # that are read at once
MAX_BYTES = 2**28  # 256 MiB of decoded tiles are kept, those that were read last
LUMA = np.array([19595, 38470, 7471], np.uint32)  # of red, green and blue in gray, in 65,536ths, as pillow has them
Pixels = UInt8[np.ndarray, "_ _ _"]  # (height, width, channels)


@runtime_checkable
class Pyramid(Protocol):
    """An image in several levels, each half as large as the one before, or any subset of these levels.

    Convention:
        (y, x) is the pixel of a level at the top left of what is read, y down, x right. Level 0 is the finest.
    """

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height, width and channels of level 0."""
        ...

    @property
    def levels(self) -> Sequence[Size]:
        """Height and width of each level, the finest first."""
        ...

    def read(self, level: int, y: int, x: int, height: int, width: int) -> Pixels:
        """Pixels of a window that lies within a level."""
        ...


class ArrayPyramid:
    """A pyramid in memory, of an array or of the levels given.

    Example:
        >>> pyramid = ArrayPyramid(np.zeros((100, 50, 3), np.uint8))
        >>> pyramid.levels
        [(100, 50), (50, 25), (25, 13), (13, 7), (7, 4), (4, 2), (2, 1), (1, 1)]
        >>> pyramid.read(1, 10, 0, 4, 5).shape
        (4, 5, 3)
    """

    def __init__(self, image: Pixels, levels: Sequence[Pixels] | None = None) -> None:
        self.arrays = halvings(image) if levels is None else [image, *levels]
        self.levels: list[Size] = [(len(array), array.shape[1]) for array in self.arrays]
        self.shape = (*self.levels[0], image.shape[2])

    def read(self, level: int, y: int, x: int, height: int, width: int) -> Pixels:
        """Pixels of a window that lies within a level."""
        check_window(self.levels, level, y, x, height, width)
        return self.arrays[level][y : y + height, x : x + width]


def halvings(image: Pixels) -> list[Pixels]:
    """An image and its halves down to one pixel."""
    levels = [image]
    while max(levels[-1].shape[:2]) > 1:
        levels.append(halved(levels[-1]))
    return levels


def halved(image: Pixels) -> Pixels:
    """Means of blocks of 2 x 2 pixels, rounded; an odd last row or column counts twice.

    >>> halved(np.array([[[0], [3], [5]]], np.uint8)).tolist()
    [[[2], [5]]]
    """
    even = np.pad(image, ((0, len(image) % 2), (0, image.shape[1] % 2), (0, 0)), mode="edge").astype(np.uint16)
    rows = even[0::2] + even[1::2]
    return ((rows[:, 0::2] + rows[:, 1::2] + 2) >> 2).astype(np.uint8)


class TileCache:
    """The tiles that were read last, up to a number of bytes; for several threads."""

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self.forget()

    def forget(self) -> None:
        """Empty the cache. A process that was forked begins so: another thread may have held the lock."""
        self.num_bytes = 0
        self._tiles: OrderedDict[tuple[int, ...], Pixels | None] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: tuple[int, ...], decode: Callable[[], Pixels | None]) -> Pixels | None:
        """The tile of this key, decoded if it is not there; None is a tile without pixels."""
        with self._lock:
            if key in self._tiles:
                self._tiles.move_to_end(key)
                return self._tiles[key]
        tile = decode()
        with self._lock:
            if key not in self._tiles:
                self._tiles[key] = tile
                self.num_bytes += _bytes(tile)
            while self.num_bytes > self.max_bytes:
                self.num_bytes -= _bytes(self._tiles.popitem(last=False)[1])
        return tile


def _bytes(tile: Pixels | None) -> int:
    """Memory of a tile and of its place."""
    return 200 + (0 if tile is None else tile.nbytes)


TILES = TileCache(MAX_BYTES)
if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=TILES.forget)
NUMBERS = itertools.count()  # of pyramids, so that tiles of each have their own keys


class TiledPyramid:
    """A pyramid of tiles that `decode` gives one by one; it holds no open file, so forks and threads may share it.

    Args:
        path: its file, for messages.
        levels: height and width of each level.
        tiles: height and width of a tile of each level.
        channels: of a pixel.
        decode: gives the pixels of a tile (level, row, column), None where all are 0.
    """

    def __init__(
        self,
        path: Path,
        levels: Sequence[Size],
        tiles: Sequence[Size],
        channels: int,
        decode: Callable[[int, int, int], Pixels | None],
    ) -> None:
        self.path = path
        self.levels = list(levels)
        self.tiles = list(tiles)
        self.shape = (*self.levels[0], channels)
        self.num_read = 0
        """Tiles that were read from the file so far."""
        self.num_decoded = 0
        """Those of them that had pixels to decode."""
        self._decode = decode
        self._number = next(NUMBERS)

    @property
    def num_tiles(self) -> int:
        """Tiles of all levels."""
        total = 0
        for (height, width), (high, wide) in zip(self.levels, self.tiles, strict=True):
            total += -(-height // high) * -(-width // wide)
        return total

    def read(self, level: int, y: int, x: int, height: int, width: int) -> Pixels:
        """Pixels of a window that lies within a level.

        Raises:
            ValueError: if a tile cannot be decoded, or the window is larger than may be decoded at once.
        """
        check_window(self.levels, level, y, x, height, width)
        high, wide = self.tiles[level]
        window = np.zeros((height, width, self.shape[2]), np.uint8)
        for row in range(y // high, (y + height - 1) // high + 1):
            for column in range(x // wide, (x + width - 1) // wide + 1):
                tile = TILES.get((self._number, level, row, column), lambda: self._read(level, row, column))  # noqa: B023
                if tile is not None:
                    _paste(window, tile, row * high - y, column * wide - x)
        return window

    def _read(self, level: int, row: int, column: int) -> Pixels | None:
        """Decode a tile, and count it."""
        try:
            tile = self._decode(level, row, column)
        except Exception as error:  # decoders raise ValueError, RuntimeError, struct.error, zlib.error, ...
            reason = str(error).rstrip(".") or type(error).__name__
            raise ValueError(
                f"`{self.path}` should have tiles that can be read. "
                f"Found none at level {level}, row {row}, column {column}: {reason}."
            ) from error
        self.num_read += 1
        self.num_decoded += tile is not None
        return tile


def _paste(window: Pixels, tile: Pixels, y: int, x: int) -> None:
    """Copy what a tile, whose top left is at (y, x) of a window, has in common with it."""
    bottom = min(len(window), y + len(tile))
    right = min(window.shape[1], x + tile.shape[1])
    top = max(0, y)
    left = max(0, x)
    if bottom > top and right > left:
        window[top:bottom, left:right] = tile[top - y : bottom - y, left - x : right - x]


def check_window(levels: Sequence[Size], level: int, y: int, x: int, height: int, width: int) -> None:
    """Check that a window lies within its level, and may be decoded at once.

    Raises:
        ValueError: if it does not.
    """
    if not 0 <= level < len(levels):
        raise ValueError(f"`level` should be from 0 to {len(levels) - 1}. Found `level = {level}`.")
    high, wide = levels[level]
    if not (0 <= y < y + height <= high and 0 <= x < x + width <= wide):
        raise ValueError(
            f"A window should lie within the {high} x {wide} pixels of level {level}. "
            f"Found {height} x {width} pixels at row {y}, column {x}."
        )
    if height * width > MAX_PIXELS:
        raise ValueError(
            f"A window should have at most {MAX_PIXELS:,} pixels. Found {height} x {width}: the image needs coarser "
            "levels, which `foveate tile` writes."
        )


def with_channels(pixels: Pixels, channels: int) -> Pixels:
    """Pixels with 1 channel (gray) or 3 (red, green, blue).

    >>> with_channels(np.array([[[255, 0, 0]]], np.uint8), 1).tolist()
    [[[76]]]
    """
    if pixels.shape[2] == channels:
        return pixels
    if channels == 3:
        return np.repeat(pixels, 3, axis=2)
    return ((pixels.astype(np.uint32) @ LUMA + 0x8000) >> 16).astype(np.uint8)[..., None]


def eight_bits(pixels: Shaped[np.ndarray, "..."]) -> UInt8[np.ndarray, "..."]:
    """Scale bool, 8 or 16 bits to 0..255.

    >>> eight_bits(np.array([0, 256, 65535], np.uint16)).tolist()
    [0, 1, 255]
    """
    if pixels.dtype == bool:
        return pixels.astype(np.uint8) * np.uint8(255)
    if pixels.dtype == np.uint16:
        return ((pixels.astype(np.uint32) + 128) // 257).astype(np.uint8)
    return pixels.astype(np.uint8)
