"""Tiled TIFF and BigTIFF files, read tile by tile with tifffile."""

import logging
from collections.abc import Sequence
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Shaped

from foveate.data.placement import Size
from foveate.data.pyramid import Pixels, TiledPyramid, eight_bits, with_channels

if TYPE_CHECKING:
    from tifffile import TiffPage

MAX_CHUNK = 2**26  # numbers in a tile or strip; more are not decoded at once
MAX_RATIO = 2  # bytes of a compressed tile for one of its pixels, at most
COLORS = ("MINISWHITE", "MINISBLACK", "RGB", "PALETTE", "YCBCR")


def open_tiff(path: Path, channels: int | None) -> TiledPyramid:
    """Open the first image of a TIFF file and its coarser levels; see `open_pyramid`.

    A tile whose byte count is 0 has no pixels: it is 0. Strips are read like tiles as wide as the image.
    """
    try:
        import tifffile
    except ModuleNotFoundError:
        raise ModuleNotFoundError(
            f"Reading `{path.name}` tile by tile needs tifffile: `pip install 'foveate[huge]'`."
        ) from None
    logging.getLogger("tifffile").addHandler(logging.NullHandler())  # what is wrong is said once, by an error
    try:
        with tifffile.TiffFile(path) as file:
            levels = [_Level(level.keyframe) for level in file.series[0].levels]
        for level in levels[1:]:
            if level.kind != levels[0].kind:
                raise ValueError("levels of different kinds")
    except Exception as error:  # a broken file raises TiffFileError, struct.error, IndexError, MemoryError, ...
        reason = str(error).rstrip(".") or type(error).__name__
        raise ValueError(f"`{path}` should be a TIFF file with tiles. Found {reason}.") from error
    wanted = channels or levels[0].channels

    def decode(level: int, row: int, column: int) -> Pixels | None:
        pixels = levels[level].decode(path, row, column)
        return None if pixels is None else with_channels(pixels, wanted)

    sizes = [level.size for level in levels]
    return TiledPyramid(path, sizes, [level.tile for level in levels], wanted, decode)


class _Level:
    """One level of a TIFF file: where its tiles lie, and how they are decoded. The file may be closed.

    Raises:
        ValueError: if its pixels are of a kind that is not read; the message is a clause that describes them.
    """

    def __init__(self, page: "TiffPage") -> None:
        self.page: Any = page
        self.kind = (_name(page.photometric), str(page.dtype), page.samplesperpixel)
        self.planes = page.samplesperpixel if _name(page.planarconfig) == "SEPARATE" else 1
        self.size: Size = (page.imagelength, page.imagewidth)
        self.tile: Size = (page.tilelength, page.tilewidth)
        if not page.is_tiled:
            self.tile = (min(page.rowsperstrip, page.imagelength), page.imagewidth)
        self._check()
        self.across = -(-self.size[1] // self.tile[1])
        self.down = -(-self.size[0] // self.tile[0])
        self.offsets: Sequence[int] = page.dataoffsets
        self.counts: Sequence[int] = page.databytecounts
        expected = self.planes * self.across * self.down
        if len(self.offsets) != expected or len(self.counts) != expected:
            raise ValueError(f"the places of {len(self.offsets)} tiles instead of {expected}")
        self.colormap = page.colormap
        self.tables = {"jpegtables": page.jpegtables, "jpegheader": page.jpegheader}
        self.decoder: Any = page.decode

    @property
    def channels(self) -> int:
        """1 for gray, 3 for color."""
        return 1 if self.kind[0].startswith("MINIS") else 3

    def _check(self) -> None:
        """Refuse what would be read wrongly, or at once be too large."""
        page = self.page
        color, dtype, _ = self.kind
        numbers = prod(self.tile) * page.samplesperpixel
        orientation = page.tags.valueof("Orientation", default=1)
        compression = _name(page.compression)
        if 0 in self.size or page.imagedepth != 1 or page.ndim not in (2, 3):
            raise ValueError(f"an image of the shape {page.shape}")
        if color not in COLORS or (color == "YCBCR" and "JPEG" not in compression):
            raise ValueError(f"colors of the kind {color} ({compression}); convert them to RGB or gray")
        if dtype not in ("bool", "uint8", "uint16"):
            raise ValueError(f"pixels of the type {dtype}; convert them to 8 or 16 bits without sign")
        if page.bitspersample not in (1, 8, 16) and color != "PALETTE":
            raise ValueError(f"pixels of {page.bitspersample} bits; convert them to 8 or 16")
        if numbers > MAX_CHUNK or 0 in self.tile:
            raise ValueError(
                f"{'tiles' if page.is_tiled else 'strips'} of {self.tile[0]} x {self.tile[1]} pixels, too large to "
                "decode; `foveate tile` writes smaller ones"
            )
        if orientation != 1:
            raise ValueError(f"an image that lies on its side (orientation {orientation}); save it upright")

    def decode(self, path: Path, row: int, column: int) -> Pixels | None:
        """Pixels of a tile, None if it has none."""
        planes = []
        for plane in range(self.planes):
            index = (plane * self.down + row) * self.across + column
            planes.append(self._segment(path, index))
        if all(plane is None for plane in planes):
            return None
        if any(plane is None for plane in planes):
            raise ValueError("pixels in some channels only")
        return self._colors(planes[0] if self.planes == 1 else np.concatenate(planes, axis=2))

    def _segment(self, path: Path, index: int) -> Shaped[np.ndarray, "h w samples"] | None:
        """Decoded numbers of a tile or strip of the file."""
        count = self.counts[index]
        if count == 0:
            return None
        samples = self.page.samplesperpixel // self.planes
        most = MAX_RATIO * prod(self.tile) * samples * self.page.dtype.itemsize + 2**16
        if count > most:
            raise ValueError(f"{count:,} bytes for {self.tile[0]} x {self.tile[1]} pixels")
        with path.open("rb") as file:
            file.seek(self.offsets[index])
            data = file.read(count)
        if len(data) < count:
            raise ValueError(f"{len(data):,} of {count:,} bytes; the file is cut")
        segment, _, (_, height, width, _) = self.decoder(data, index, **self.tables)
        high = min(self.tile[0], self.size[0] - index // self.across % self.down * self.tile[0])
        wide = min(self.tile[1], self.size[1] - index % self.across * self.tile[1])
        if segment is None or segment.shape[1] < high or segment.shape[2] < wide or segment.shape[3] != samples:
            raise ValueError(f"{height} x {width} pixels instead of {high} x {wide}")
        return segment[0]

    def _colors(self, numbers: Shaped[np.ndarray, "h w samples"]) -> Pixels:
        """Gray or RGB pixels of decoded numbers, on white where they are transparent."""
        color, _, samples = self.kind
        if color == "PALETTE":
            return np.moveaxis(eight_bits(np.asarray(self.colormap))[:, numbers[..., 0]], 0, 2)
        pixels = eight_bits(numbers != 0 if self.page.bitspersample == 1 else numbers)
        seen = pixels[..., : self.channels]
        if color == "MINISWHITE":
            seen = 255 - seen
        extra = self.page.extrasamples
        if samples == self.channels + 1 and extra and int(extra[0]) in (1, 2):
            alpha = pixels[..., self.channels :].astype(np.uint32)
            light = seen.astype(np.uint32) * (255 if int(extra[0]) == 1 else alpha)
            return np.minimum((light + (255 - alpha) * 255 + 127) // 255, 255).astype(np.uint8)
        return seen


def _name(kind: Any) -> str:
    """Name of a kind of color, compression or order; a number that the format does not know stays one."""
    return str(getattr(kind, "name", kind))
