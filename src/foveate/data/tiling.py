"""`write_pyramid`: a picture as a TIFF file of tiles in several levels, from which windows are read quickly."""

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from foveate.data.placement import Size
from foveate.data.pyramid import Pixels, Pyramid, halved

SIDE = 256  # pixels of a tile


def write_pyramid(
    image: Pyramid,
    path: Path,
    *,
    quality: int | None = None,
    compressed: bool = True,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[Size]:
    """Write the finest level of an image and its halves, down to one tile, as BigTIFF; return the sizes of the levels.

    A row of tiles is in memory at a time; the coarser levels wait in files beside `path`.

    Args:
        image: what to write; only its finest level is read.
        path: a new file.
        quality: of JPEG tiles, 1 to 100; None is without loss.
        compressed: whether tiles without loss are compressed; reading others is faster.
        progress: is told how many rows of tiles were read, and of how many.

    Example:
        >>> import tempfile
        >>> from foveate.data.pyramid import ArrayPyramid
        >>> image = ArrayPyramid(np.zeros((600, 500, 3), np.uint8), levels=[])
        >>> write_pyramid(image, Path(tempfile.mkdtemp()) / "image.tif")
        [(600, 500), (300, 250), (150, 125)]
    """
    import tifffile

    height, width, channels = image.shape
    sizes = [(height, width)]
    while max(sizes[-1]) > SIDE:
        sizes.append((-(-sizes[-1][0] // 2), -(-sizes[-1][1] // 2)))
    total = sum(-(-high // SIDE) for high, _ in sizes)
    done = 0

    def tiles(read: Callable[[int, int], Pixels], size: Size, coarser: Pixels | None) -> Iterator[Pixels]:
        nonlocal done
        for top in range(0, size[0], SIDE):
            strip = read(top, min(SIDE, size[0] - top))
            done += 1
            progress(done, total)
            if coarser is not None:
                half = halved(strip)
                coarser[top // 2 : top // 2 + len(half)] = half
            for left in range(0, size[1], SIDE):
                tile = np.zeros((SIDE, SIDE, channels), np.uint8)
                part = strip[:, left : left + SIDE]
                tile[: len(part), : part.shape[1]] = part
                yield tile

    options: dict[str, Any] = {"dtype": np.uint8, "tile": (SIDE, SIDE), "metadata": None, "buffersize": 2**24}
    options["photometric"] = "rgb" if channels == 3 else "minisblack"
    if quality is None and compressed:
        options |= {"compression": "zlib", "predictor": True}
    elif quality is not None:
        options |= {"compression": "jpeg", "compressionargs": {"level": quality}}

    def read_finest(top: int, count: int) -> Pixels:
        return image.read(0, top, 0, count, width)

    with tempfile.TemporaryDirectory(dir=path.parent) as folder, tifffile.TiffWriter(path, bigtiff=True) as writer:
        read = read_finest
        for number, size in enumerate(sizes):
            coarser = None
            if number + 1 < len(sizes):
                file = Path(folder) / str(number + 1)
                coarser = np.memmap(file, np.uint8, "w+", shape=(*sizes[number + 1], channels))
            shape = (*size, 3) if channels == 3 else size
            finest = number == 0
            writer.write(
                tiles(read, size, coarser),
                shape=shape,
                subifds=len(sizes) - 1 if finest else 0,
                subfiletype=not finest,
                **options,
            )
            read = _reader(coarser)
            coarser = None
        read = read_finest  # a file that is mapped cannot be deleted on Windows
    return sizes


def _reader(level: Pixels | None) -> Callable[[int, int], Pixels]:
    """Reader of rows of a level."""

    def read(top: int, count: int) -> Pixels:
        if level is None:
            raise ValueError("There should be a coarser level. Found none.")
        return np.asarray(level[top : top + count])

    return read
