"""What is uploaded: bytes that should be a picture of one of a few formats, refused before they are decoded if not."""

import io
import warnings
from typing import TYPE_CHECKING

from jaxtyping import UInt8
from torch import Tensor

from foveate.data.picture import Decoder, upright
from foveate.web.handwriting import Hand
from foveate.web.photograph import written

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF")
MEGABYTES, MEGAPIXELS = 16, 40


def fit(
    data: bytes, shape: tuple[int, int, int], invert: bool | None = False, hand: Hand | None = None
) -> tuple[UInt8[Tensor, "channels height width"], bool]:
    """The picture in `data` at `shape` (channels, height, width), whole, and whether it was inverted.

    Of a picture for a model of handwriting, the ink is fitted and centred as its `hand` has it; one that has the size
    of its images already is taken for one of them. `invert` makes dark what is bright, and None inverts if the
    picture's border is bright, as paper is.

    Raises:
        ValueError: if it is no picture, or too large a one.
    """
    picture = open_bytes(data)
    inverted = bright_border(picture) if invert is None else invert
    if inverted:
        from PIL import ImageOps

        picture = ImageOps.invert(picture)
    if hand and picture.size != hand.size[::-1]:
        return written(picture, hand).expand(shape[0], -1, -1), inverted
    return Decoder(shape, "pad").convert(picture), inverted


def open_bytes(data: bytes) -> "Picture":
    """The first frame of a picture, upright, as 8-bit RGB."""
    from PIL import Image, UnidentifiedImageError

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of pillow, about files that it can read nevertheless
        try:
            with Image.open(io.BytesIO(data), formats=FORMATS) as picture:
                _check_pixels(*picture.size)
                return upright(picture)
        except UnidentifiedImageError:
            raise ValueError(f"A picture should be one of {', '.join(FORMATS)}. Found none of them.") from None
        except Image.DecompressionBombError:  # pillow's own limit, far above this one
            raise TooManyPixels("far more") from None
        except TooManyPixels:
            raise
        except Exception as error:  # decoders raise OSError, SyntaxError, struct.error, ...
            raise ValueError(f"A picture should be readable. Found a damaged one ({_clause(error)}).") from None


class TooManyPixels(ValueError):
    """A picture whose pixels would fill the memory."""

    def __init__(self, found: str) -> None:
        super().__init__(f"A picture should have at most {MEGAPIXELS} megapixels. Found {found}.")


def _check_pixels(width: int, height: int) -> None:
    if width * height > MEGAPIXELS * 1e6:
        raise TooManyPixels(f"{width} x {height} pixels")


def _clause(error: Exception) -> str:
    return " ".join(str(error).split()).rstrip(".") or type(error).__name__


def bright_border(picture: "Picture") -> bool:
    """Whether the mean of the outermost pixels is nearer to white than to black."""
    import numpy as np

    pixels = np.asarray(picture.convert("L"))
    sides = (pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1])
    return bool(np.concatenate(sides).mean() > 127.5)
