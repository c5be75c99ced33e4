"""`open_pyramid`: an image file too large to load, opened as a pyramid."""

from pathlib import Path

from foveate.data.deep_zoom import open_deep_zoom
from foveate.data.pyramid import Pixels, Pyramid, TiledPyramid
from foveate.data.tiff import open_tiff

SUFFIXES = (".dzi", ".tif", ".tiff", ".btf", ".svs")  # of files that may hold levels


def open_pyramid(path: Path | str, channels: int | None = None) -> TiledPyramid:
    """Open a tiled TIFF, a BigTIFF or a Deep Zoom folder (its `.dzi` file); nothing is decoded yet.

    Args:
        path: the file.
        channels: 1 for gray, 3 for color, None as the file has them.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is no such image.
        ModuleNotFoundError: if tifffile is missing, which the extra `huge` installs.

    Example:
        >>> import numpy as np, tempfile, tifffile
        >>> file = Path(tempfile.mkdtemp()) / "large.tif"
        >>> tifffile.imwrite(file, np.zeros((600, 800), np.uint8), tile=(256, 256))
        >>> pyramid = open_pyramid(file)
        >>> pyramid.read(0, 590, 0, 10, 20).shape, pyramid.num_read, pyramid.num_tiles
        ((10, 20, 1), 1, 12)
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"There should be an image `{path}`. Found none.")
    if path.suffix.lower() in (".dzi", ".xml"):
        return open_deep_zoom(path, channels or 3)
    return open_tiff(path, channels)


def overview(pyramid: Pyramid, max_pixels: int) -> Pixels:
    """All pixels of the finest level that has at most `max_pixels`.

    Raises:
        ValueError: if every level has more.
    """
    for level, (height, width) in enumerate(pyramid.levels):
        if height * width <= max_pixels:
            return pyramid.read(level, 0, 0, height, width)
    height, width = pyramid.levels[-1]
    raise ValueError(
        f"An image too large to load should have a level of at most {max_pixels:,} pixels. The coarsest has "
        f"{height} x {width}: `foveate tile` writes coarser ones."
    )
