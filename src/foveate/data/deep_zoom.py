"""Deep Zoom folders: `NAME.dzi` and `NAME_files/LEVEL/COLUMN_ROW.jpg`, as websites and vips write them."""

import re
from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from foveate.data.picture import open_picture
from foveate.data.pyramid import Pixels, TiledPyramid, with_channels

MAX_SIDE = 2**32
MAX_TILE = 2**13


def open_deep_zoom(path: Path, channels: int) -> TiledPyramid:
    """Open the pyramid that a `.dzi` file describes; see `open_pyramid`. A tile without a file is 0.

    Source: Microsoft, "Deep Zoom file format overview".
    """
    tile, overlap, suffix, width, height = _described(path)
    folder = path.with_name(f"{path.stem}_files")
    top = (max(width, height) - 1).bit_length()  # number of the finest level, whose side is at most 2^top
    levels = []
    for level in range(top + 1):
        levels.append((-(-height // 2**level), -(-width // 2**level)))

    def decode(level: int, row: int, column: int) -> Pixels | None:
        file = folder / str(top - level) / f"{column}_{row}.{suffix}"
        if not file.is_file():
            return None
        high = min(tile, levels[level][0] - row * tile)
        wide = min(tile, levels[level][1] - column * tile)
        above = overlap if row else 0
        left = overlap if column else 0
        pixels = np.asarray(open_picture(file, max_pixels=(tile + 2 * overlap) ** 2))
        pixels = pixels[above : above + high, left : left + wide]
        if pixels.shape[:2] != (high, wide):
            raise ValueError(f"{pixels.shape[0]} x {pixels.shape[1]} pixels instead of {high} x {wide} in `{file}`")
        return with_channels(pixels, channels)

    return TiledPyramid(path, levels, [(tile, tile)] * len(levels), channels, decode)


def _described(path: Path) -> tuple[int, int, str, int, int]:
    """Side of a tile, overlap, suffix of the tiles' names, width and height, as the `.dzi` file says."""
    try:
        with path.open("rb") as file:
            image = ElementTree.fromstring(file.read(2**16))
        size = next(part for part in image if part.tag.endswith("Size"))
        tile, overlap = int(image.attrib["TileSize"]), int(image.attrib["Overlap"])
        width, height = int(size.attrib["Width"]), int(size.attrib["Height"])
        suffix = image.attrib["Format"]
    except (ElementTree.ParseError, KeyError, StopIteration, ValueError) as error:
        raise ValueError(
            f"`{path}` should describe a Deep Zoom image: TileSize, Overlap, Format, Width and Height. "
            f"Found {type(error).__name__}: {error}."
        ) from None
    possible = 0 < tile <= MAX_TILE and 0 <= overlap < tile and min(width, height) > 0 and max(width, height) < MAX_SIDE
    if not possible or not re.fullmatch(r"\w{1,8}", suffix):
        raise ValueError(
            f"`{path}` should describe tiles of at most {MAX_TILE} pixels. Found tiles of {tile} with an overlap of "
            f"{overlap}, of an image of {height} x {width}, format {suffix!r}."
        )
    return tile, overlap, suffix, width, height
