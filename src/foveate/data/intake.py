"""From what a person has (a file, bytes, a picture, an array, a tensor) to a pillow picture or pixels."""

import io
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Shaped, UInt8
from torch import Tensor, from_numpy

from foveate.data.home import legible, usable_path
from foveate.data.huge import SUFFIXES, open_pyramid, overview
from foveate.data.picture import MAX_PIXELS, TOO_LARGE, open_picture, upright
from foveate.data.pyramid import ArrayPyramid, Pyramid, with_channels

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

COARSE = 2**24  # pixels of the level that stands for a file too large to load, at most


def as_picture(image: object) -> "Picture":
    """Turn anything that can be looked at into a pillow picture: upright, 8-bit RGB.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is not an image, or too large.
    """
    from PIL import Image

    if isinstance(image, (str, os.PathLike)):
        return read_picture(usable_path(image))
    if isinstance(image, (bytes, bytearray, memoryview)):
        return _read_bytes(bytes(image))
    if callable(getattr(image, "read", None)):
        return _read_bytes(_content(image))
    if isinstance(image, Tensor):
        array = _as_array(image)
        image = np.moveaxis(array, 0, -1) if array.ndim == 3 else array
    if isinstance(image, np.ndarray):
        image = _from_array(image)
    if not isinstance(image, Image.Image):
        raise ValueError(
            f"`image` should be a path, a file, bytes, a picture, an array or a tensor. Found a {type(image).__name__}."
        )
    try:
        return upright(image)
    except Exception as error:  # a picture is decoded now: OSError, SyntaxError, struct.error, ...
        raise ValueError(f"`image` should be a readable picture. Found {str(error).rstrip('.')}.") from None


def read_picture(path: Path) -> "Picture":
    """Read the picture in a file; so many pixels that it may be an attack are refused before they are decoded.

    Of a file with levels that is too large to load, a coarse one is read; `info["full_size"]` is the size of the
    finest, (height, width).
    """
    if not path.exists():
        raise FileNotFoundError(f"`{path}` should be an image. Found no such file.")
    if path.suffix.lower() == ".dzi":
        return _coarse_picture(path)
    try:
        return open_picture(path, MAX_PIXELS)
    except ValueError as error:
        if TOO_LARGE in str(error) and path.suffix.lower() in SUFFIXES:
            return _coarse_picture(path)
        raise ValueError(f"`{path}` should be a readable image. Found {error}.") from None


def _coarse_picture(path: Path) -> "Picture":
    """A level of a file that is too large to load."""
    from PIL import Image

    try:
        pyramid = open_pyramid(path, channels=3)
    except ModuleNotFoundError as error:
        raise ValueError(str(error)) from None
    picture = Image.fromarray(overview(pyramid, COARSE))
    picture.info["full_size"] = pyramid.shape[:2]
    return picture


def as_pyramid(image: object, channels: int) -> Pyramid:
    """Turn anything that can be looked at into a pyramid of its own size; of a file with levels nothing is decoded.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is not an image.
    """
    if isinstance(image, Pyramid):
        return image
    if isinstance(image, (str, os.PathLike)) and Path(image).suffix.lower() in SUFFIXES:
        try:
            return open_pyramid(usable_path(image), channels)
        except ModuleNotFoundError as error:
            raise ValueError(str(error)) from None
    return ArrayPyramid(with_channels(np.asarray(as_picture(image)), channels))


def name_of(image: object) -> str:
    """The name of the file that an image comes from; empty where there is none."""
    if isinstance(image, (str, os.PathLike)):
        return legible(Path(image).name)
    name = getattr(image, "filename", None) or getattr(image, "name", None)
    return legible(Path(name).name) if isinstance(name, (str, os.PathLike)) else ""


def as_pixels(image: Tensor) -> Shaped[Tensor, "channels height width"]:
    """A tensor of pixels on the CPU: floats in [0, 1] as float32, every other type as uint8."""
    array = _as_array(image)
    pixels = as_bytes(array)
    return from_numpy(array) if array.dtype.kind == "f" else from_numpy(pixels)


def as_bytes(pixels: Shaped[np.ndarray, "..."]) -> UInt8[np.ndarray, "..."]:
    """Scale pixels to 0..255 by their type: floats are in [0, 1], bool is 0 or 1, uint16 is 0..65535, others 0..255.

    Raises:
        ValueError: if the type holds no numbers, or a value is outside its range.
    """
    kind = pixels.dtype.kind
    if kind not in "buif":
        raise ValueError(f"`image` should hold whole numbers, floats or bool. Found the type {pixels.dtype}.")
    white = {"b": 1, "f": 1}.get(kind, 65535 if pixels.dtype == np.uint16 else 255)
    low = pixels.min()
    high = pixels.max()
    if not (low >= 0 and high <= white):  # also refuses nan
        raise ValueError(f"`image` of {pixels.dtype} should be in [0, {white}]. Found [{low:g}, {high:g}].")
    if white == 65535 and 0 < high <= 255:
        raise ValueError(f"`image` of uint16 should reach beyond 255, or be uint8. Found a largest value of {high}.")
    if white == 255:
        return pixels.astype(np.uint8)
    return (pixels.astype(np.float64) * (255 / white)).round().astype(np.uint8)


def _as_array(image: Tensor) -> np.ndarray:
    """A tensor as an array; floats become float32."""
    try:
        image = image.detach().cpu()
        return (image.float() if image.is_floating_point() else image).numpy()
    except (RuntimeError, TypeError) as error:  # sparse, quantized, on the meta device, ...
        raise ValueError(f"`image` should be a dense tensor with data. Found another ({error}).") from None


def _from_array(array: np.ndarray) -> "Picture":
    """An array (height, width) or (height, width, channels) as a picture."""
    from PIL import Image

    if array.ndim not in (2, 3) or 0 in array.shape or array.shape[2:] > (4,):
        raise ValueError(
            f"`image` should be an array (height, width) or (height, width, channels), or a tensor "
            f"(channels, height, width), of 1 to 4 channels. Found the shape {tuple(array.shape)}."
        )
    pixels = as_bytes(array)
    return Image.fromarray(pixels.squeeze(2) if pixels.shape[2:] == (1,) else pixels)


def _content(file: Any) -> object:
    """The whole content of an open file, from its start where it can go back, as when it was just written."""
    try:
        if getattr(file, "seekable", bool)():
            file.seek(0)
        return file.read()
    except (OSError, ValueError) as error:  # closed, or opened for writing
        raise ValueError(f"`image` should be a file that is open for reading. Found another ({error}).") from None


def _read_bytes(data: object) -> "Picture":
    """Decode the content of a file."""
    if not isinstance(data, bytes):
        raise ValueError(f"`image` should be a file opened for reading bytes. Found one of {type(data).__name__}.")
    try:
        return open_picture(io.BytesIO(data), MAX_PIXELS)
    except ValueError as error:
        raise ValueError(f"`image` should be a readable image. Found {error}.") from None
