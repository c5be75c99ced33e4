"""One image file, whatever its format, to uint8 pixels of the wanted channels and size."""

import dataclasses
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

if TYPE_CHECKING:
    from PIL.Image import Image as Picture


# Formats of pictures that pillow decodes by itself: others run programs (EPS), or make pictures of what is none.
FORMATS = ("PNG", "JPEG", "GIF", "WEBP", "TIFF", "BMP", "PPM", "TGA", "ICO", "JPEG2000", "AVIF")
MOST_PIXELS = 2**26  # 8,192 x 8,192: a few bytes may claim any number of pixels, and the memory for them


@dataclasses.dataclass(frozen=True)
class Decoder:
    """From an image file to a tensor of `shape` (channels, height, width); `resize` is for files of another size."""

    shape: tuple[int, int, int]
    resize: str = "refuse"

    def __call__(self, path: Path) -> UInt8[Tensor, "channels height width"]:
        """Return the pixels of the image at `path`.

        Raises:
            ValueError: if the file is no readable image, or of another size that is refused.
        """
        try:
            return self.convert(open_picture(path))
        except ValueError as error:
            raise ValueError(f"`{path}` should be a readable image. Found {error}.") from None

    def convert(self, picture: "Picture") -> UInt8[Tensor, "channels height width"]:
        """Return the pixels of a picture."""
        channels, height, width = self.shape
        picture = _fit(upright(picture).convert("L" if channels == 1 else "RGB"), (width, height), self.resize)
        pixels = torch.from_numpy(np.array(picture))
        return pixels.unsqueeze(0) if channels == 1 else pixels.permute(2, 0, 1).contiguous()


def open_picture(path: Path) -> "Picture":
    """Return the first frame of an image file, upright, as 8-bit RGB.

    Raises:
        ValueError: if the file is no readable image; the message is a clause that says what it is.
    """
    from PIL import Image, UnidentifiedImageError

    if not path.is_file():
        raise ValueError("no regular file")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # MOST_PIXELS is the stricter
            Image.init()
            with Image.open(path, formats=[name for name in FORMATS if name in Image.OPEN]) as picture:
                if picture.width * picture.height > MOST_PIXELS:
                    raise ValueError(f"{picture.height} x {picture.width} pixels, more than {MOST_PIXELS:,}")
                return upright(picture)
    except UnidentifiedImageError:
        raise ValueError("no image of a known format") from None
    except Exception as error:  # decoders raise OSError, SyntaxError, struct.error, DecompressionBombError, ...
        raise ValueError(str(error).rstrip(".") or type(error).__name__) from error


def upright(picture: "Picture") -> "Picture":
    """Return a picture of any mode as 8-bit RGB: turned as its EXIF data says, what is transparent on white paper."""
    from PIL import Image, ImageOps

    picture = ImageOps.exif_transpose(picture)
    if picture.mode.startswith(("I", "F")):
        return Image.fromarray(_eight_bits(np.asarray(picture))).convert("RGB")
    if picture.has_transparency_data:
        paper = Image.new("RGBA", picture.size, "white")
        picture = Image.alpha_composite(paper, picture.convert("RGBA"))
    return picture.convert("RGB")


def _eight_bits(pixels: np.ndarray) -> np.ndarray:
    """Scale 16-bit pixels, or floats in [0, 1], to 0..255."""
    white = 1.0 if pixels.dtype.kind == "f" else 65535
    if not (pixels.min() >= 0 and pixels.max() <= white):  # also refuses nan
        raise ValueError(f"pixels outside 0 to {white:g}")
    return (pixels * (255 / white)).round().astype(np.uint8)


def _fit(picture: "Picture", size: tuple[int, int], resize: str) -> "Picture":
    """Return a picture of `size` (width, height), as pillow counts it."""
    from PIL import Image, ImageOps

    if picture.size == size:
        return picture
    if resize == "refuse":
        raise ValueError(f"a size of {picture.height} x {picture.width} instead of {size[1]} x {size[0]}")
    if resize == "pad":
        scale = min(size[0] / picture.width, size[1] / picture.height)
        if round(min(picture.size) * scale) < 1:  # pillow before 12.3 refuses to make it so thin, later ones lose it
            thin = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
            picture = picture.resize(thin, Image.Resampling.BILINEAR)
        return ImageOps.pad(picture, size, Image.Resampling.BILINEAR)
    if resize == "crop":
        return ImageOps.fit(picture, size, Image.Resampling.BILINEAR)
    assert resize == "stretch", resize
    return picture.resize(size, Image.Resampling.BILINEAR)
