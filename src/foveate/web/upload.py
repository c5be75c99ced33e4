"""Uploaded pictures: bytes that should be a picture, refused before they are decoded if it is too large."""

import io
from typing import TYPE_CHECKING

from foveate.data.picture import open_picture

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

MAX_MEGABYTES = 16
MAX_MEGAPIXELS = 40


def read_upload(data: bytes) -> "Picture":
    """Decode an uploaded picture: its first frame, upright, as 8-bit RGB.

    Raises:
        ValueError: if it is not a picture, or has more than `MAX_MEGAPIXELS`.
    """
    try:
        return open_picture(io.BytesIO(data), max_pixels=int(MAX_MEGAPIXELS * 1e6))
    except ValueError as error:
        found = " ".join(str(error).split())
        raise ValueError(
            f"A picture should be readable, of at most {MAX_MEGAPIXELS} megapixels. Found {found}."
        ) from None
