"""Reader of image files: uint8 pixels with the given channels and size."""

import dataclasses
import importlib
import importlib.util
import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from foveate.data.budget import ByteBudget

if TYPE_CHECKING:
    from PIL.Image import Image as Picture
    from PIL.Image import Transpose
OpenFile = io.BytesIO | io.BufferedReader

# Formats that pillow decodes itself. Others start programs (EPS) or accept files that are not pictures.
FORMATS = ("PNG", "JPEG", "GIF", "WEBP", "TIFF", "BMP", "PPM", "TGA", "ICO", "JPEG2000", "AVIF")
PLUGIN_FORMATS = ("HEIF", "JXL")  # need a plugin for pillow
HEIC_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
MAX_PIXELS = 2**26  # 8,192 x 8,192; a few bytes can claim any number of pixels
TOO_LARGE = "more than"  # in the error of a file with more pixels
BYTES_PER_PIXEL = 8  # memory for decoding: pillow stores 4, and each conversion makes a copy
IN_FLIGHT = ByteBudget(2**29)  # 512 MiB for all pictures that are decoded at once
STRIP = 2**20  # pixels compared at a time
WHITE = 247  # of 255: visible pixels that are at least as bright vanish on white
ORIENTATION = 0x0112  # the EXIF tag


@dataclasses.dataclass(frozen=True)
class Decoder:
    """Reads image files as tensors of `shape` (channels, height, width); `resize` says how to fit other sizes."""

    shape: tuple[int, int, int]
    resize: str = "refuse"

    def __call__(self, path: Path) -> UInt8[Tensor, "channels height width"]:
        """Return the pixels of the image at `path`.

        Raises:
            ValueError: if the file is not a readable image, or has another size and `resize` is refuse.
        """
        try:
            with opened(path) as picture:
                return self.convert(picture)
        except ValueError as error:
            raise ValueError(f"`{path}` should be a readable image. Found {error}.") from None

    def convert(self, picture: "Picture") -> UInt8[Tensor, "channels height width"]:
        """Return the pixels of a picture."""
        channels, height, width = self.shape
        picture = upright(picture)
        if channels == 1:
            picture = picture.convert("L")
        pixels = torch.from_numpy(np.array(_fit(picture, (width, height), self.resize)))
        return pixels.unsqueeze(0) if channels == 1 else pixels.permute(2, 0, 1).contiguous()


def open_picture(path: Path | OpenFile, max_pixels: int = MAX_PIXELS) -> "Picture":
    """Return the first frame of an image file, or of an open file, upright, as 8-bit RGB.

    Raises:
        ValueError: if the file is not a readable image or has more than `max_pixels`; the message is a clause that
            describes the file.
    """
    with opened(path, max_pixels) as picture:
        return upright(picture)


@contextmanager
def opened(path: Path | OpenFile, max_pixels: int = MAX_PIXELS) -> Iterator["Picture"]:
    """Open an image file to decode it inside the block, after waiting for memory.

    Raises:
        ValueError: if the file is not a readable image or has more than `max_pixels`; the message is a clause that
            describes the file.
    """
    from PIL import Image, UnidentifiedImageError

    if isinstance(path, Path) and not path.is_file():
        raise ValueError("no regular file")
    formats = known_formats()
    try:
        with Image.open(path, formats=formats) as picture:
            pixels = picture.width * picture.height
            if pixels > max_pixels:
                raise ValueError(f"{picture.height} x {picture.width} pixels, {TOO_LARGE} {max_pixels:,}")
            with IN_FLIGHT.hold(pixels * BYTES_PER_PIXEL):
                yield picture
    except UnidentifiedImageError:
        raise ValueError(_what_it_is(path)) from None
    except Exception as error:  # decoders raise OSError, SyntaxError, struct.error, DecompressionBombError, ...
        raise ValueError(str(error).rstrip(".") or type(error).__name__) from error


def picture_size(path: Path) -> tuple[int, int]:
    """Return height and width of an image file as it is seen upright, without decoding it.

    Raises:
        ValueError: if the file is no image.
    """
    from PIL.Image import Transpose

    with opened(path) as picture:
        lying = (Transpose.TRANSPOSE, Transpose.ROTATE_270, Transpose.TRANSVERSE, Transpose.ROTATE_90)
        if _turn(picture) in lying:
            return picture.width, picture.height
        return picture.height, picture.width


def known_formats() -> list[str]:
    """Return the formats that pillow and the installed plugins can read."""
    from PIL import Image

    Image.init()
    if "HEIF" not in Image.OPEN and importlib.util.find_spec("pillow_heif"):
        importlib.import_module("pillow_heif").register_heif_opener()
    return [name for name in FORMATS + PLUGIN_FORMATS if name in Image.OPEN]


def _what_it_is(path: Path | OpenFile) -> str:
    """Describe a file of unknown format."""
    with path.open("rb") if isinstance(path, Path) else nullcontext(path) as file:
        file.seek(0)
        start = file.read(12)
    if start[4:8] == b"ftyp" and start[8:12] in HEIC_BRANDS:
        return "a HEIC picture; convert it to JPEG or PNG, or install `pillow-heif`"
    return "no image of a known format"


def upright(picture: "Picture") -> "Picture":
    """Return a picture of any mode as 8-bit RGB, rotated by its EXIF orientation and on a white background.

    What is white itself, and would vanish, is on black. An orientation that cannot be read is ignored.

    Raises:
        ValueError: if its pixel values are outside of all known ranges.
    """
    from PIL import Image

    deep = any(";16" in str(tile) for tile in getattr(picture, "tile", None) or ())
    picture.load()
    turn = _turn(picture)
    if picture.mode.startswith(("I", "F")):
        picture = Image.fromarray(_eight_bits(np.asarray(picture))).convert("RGB")
    elif deep:
        _warn_of_lost_bits(picture)
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        paper = Image.new("RGBA", picture.size, "black" if _is_white(picture) else "white")
        picture = Image.alpha_composite(paper, picture)
    if picture.mode != "RGB":
        picture = picture.convert("RGB")
    if turn is not None:
        picture = picture.transpose(turn)
        picture.info.clear()  # it still holds the orientation
    return picture


def _is_white(picture: "Picture") -> bool:
    """Whether all that is visible of a transparent picture is white, as chalk is."""
    pixels = np.asarray(picture)
    visible = pixels[..., 3] > 0
    return bool(visible.any() and not visible.all() and pixels[visible][:, :3].min() > WHITE)


def _turn(picture: "Picture") -> "Transpose | None":
    """Return the transposition that turns a loaded picture upright, if its metadata holds one."""
    from PIL.Image import Transpose

    turns = {
        2: Transpose.FLIP_LEFT_RIGHT,
        3: Transpose.ROTATE_180,
        4: Transpose.FLIP_TOP_BOTTOM,
        5: Transpose.TRANSPOSE,
        6: Transpose.ROTATE_270,
        7: Transpose.TRANSVERSE,
        8: Transpose.ROTATE_90,
    }
    try:
        orientation = picture.getexif().get(ORIENTATION, 1)
        return turns.get(orientation)
    except Exception:  # broken metadata raises SyntaxError, struct.error, TypeError, ...
        return None


def _eight_bits(pixels: np.ndarray) -> UInt8[np.ndarray, "..."]:
    """Scale integers of 8, 12 or 16 bits, or floats in [0, 1], to 0..255."""
    whites = (1.0,) if pixels.dtype.kind == "f" else (255, 4095, 65535)
    least = pixels.min()
    most = pixels.max()
    white = next((white for white in whites if most <= white), None)
    if white is None or not least >= 0:  # also refuses nan
        raise ValueError(f"pixels outside 0 to {whites[-1]:g}")
    if most > 0 and white in (255, 4095):
        _warn(f"Pictures of 16 or 32 bits whose pixels are all at most {white} are read with {white} as white.")
    if white == 255:
        return pixels.astype(np.uint8)
    return (pixels * np.float32(255 / white)).round().astype(np.uint8)


def _warn_of_lost_bits(picture: "Picture") -> None:
    """Warn of a color picture that uses only the lowest 12 of 16 bits: pillow keeps the highest 8."""
    most = max(high for _, high in _extrema(picture))
    if 0 < most < 16:
        _warn("Color pictures of 16 bits that use only the lowest 12 are nearly black: scale them to 8 bits first.")


def _extrema(picture: "Picture") -> list[tuple[int, int]]:
    extrema = picture.convert("RGB").getextrema()
    return [pair for pair in extrema if isinstance(pair, tuple)]


def _warn(sentence: str) -> None:
    warnings.warn(sentence, stacklevel=2)


def has_color(picture: "Picture") -> bool:
    """Return whether an RGB picture has a pixel that is not gray."""
    rows = max(1, STRIP // picture.width)
    for top in range(0, picture.height, rows):
        strip = np.asarray(picture.crop((0, top, picture.width, min(top + rows, picture.height))))
        if (strip != strip[..., :1]).any():
            return True
    return False


def _fit(picture: "Picture", size: tuple[int, int], resize: str) -> "Picture":
    """Return a picture resized to `size` (width, height)."""
    from PIL import Image, ImageOps

    if picture.size == size:
        return picture
    if resize == "refuse":
        raise ValueError(f"a size of {picture.height} x {picture.width} instead of {size[1]} x {size[0]}")
    if resize == "pad":
        scale = min(size[0] / picture.width, size[1] / picture.height)
        if round(min(picture.size) * scale) < 1:  # pillow would fail or return nothing
            thin = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
            picture = picture.resize(thin, Image.Resampling.BILINEAR)
        return ImageOps.pad(picture, size, Image.Resampling.BILINEAR)
    if resize == "crop":
        return ImageOps.fit(picture, size, Image.Resampling.BILINEAR)
    if resize == "stretch":
        return picture.resize(size, Image.Resampling.BILINEAR)
    raise ValueError(f"`resize` should be refuse, pad, crop or stretch. Found `resize = {resize}`.")
