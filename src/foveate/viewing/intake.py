"""From what a person has (a file, a picture, an array, a tensor) to the pixels that a model looks at."""

import os
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Shaped, UInt8
from torch import Tensor

from foveate.data.picture import Decoder, open_picture, upright

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

Size = tuple[int, int]
WHITE = {"uint8": 255, "uint16": 65535, "bool": 1, "float16": 1, "float32": 1, "float64": 1}


def take_in(
    image: object, shape: tuple[int, int, int], resize: str
) -> tuple[Shaped[Tensor, "channels height width"], Size]:
    """The pixels of an image at `shape` (channels, height, width), and the (height, width) that it came with.

    A tensor that has the shape already keeps its numbers; all else becomes uint8, grey or RGB as the shape says.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is no image, too large a one, or cannot be brought to the shape.
    """
    if isinstance(image, Tensor) and tuple(image.shape) == shape:
        as_bytes(image.detach().cpu().float().numpy() if image.is_floating_point() else image.cpu().numpy())
        return image.detach(), shape[1:]
    if shape[0] not in (1, 3):
        raise ValueError(f"`image` should be a tensor {shape}, as the model's images are. Found {_described(image)}.")
    picture = as_picture(image)
    try:
        return Decoder(shape, resize).convert(picture), (picture.height, picture.width)
    except ValueError as error:
        raise ValueError(f"`image` should be as the model's images are. Found {error}.") from None


def zoom(original: Size, size: Size, resize: str) -> tuple[float, float]:
    """Pixels along x and y that one pixel of an image of the size `original` has become at `size`.

    >>> zoom((100, 200), (28, 28), "pad")
    (0.14, 0.14)
    """
    down, across = size[0] / original[0], size[1] / original[1]
    if resize == "stretch":
        return across, down
    factor = max(down, across) if resize == "crop" else min(down, across)
    return factor, factor


def as_picture(image: object) -> "Picture":
    """Anything that can be looked at as a pillow picture: upright, 8-bit RGB."""
    from PIL import Image

    if isinstance(image, (str, os.PathLike)):
        return read_picture(Path(image))
    if isinstance(image, Tensor):
        image = image.detach().cpu()
        image = (image.float() if image.is_floating_point() else image).numpy()
        image = np.moveaxis(image, 0, -1) if image.ndim == 3 else image
    if isinstance(image, np.ndarray):
        if image.ndim not in (2, 3) or 0 in image.shape or image.shape[2:] > (4,):
            raise ValueError(
                f"`image` should be an array (height, width) or (height, width, channels), or a tensor "
                f"(channels, height, width), of 1 to 4 channels. Found {_described(image)}."
            )
        image = Image.fromarray(as_bytes(image.squeeze(2) if image.shape[2:] == (1,) else image))
    if not isinstance(image, Image.Image):
        raise ValueError(f"`image` should be a path, a picture, an array or a tensor. Found {_described(image)}.")
    try:
        return upright(image)
    except ValueError as error:
        raise ValueError(f"`image` should be a readable picture. Found {error}.") from None


def read_picture(path: Path) -> "Picture":
    """The picture in a file; one of so many pixels that it may be an attack is refused before it is decoded."""
    from PIL import Image

    if not path.exists():
        raise FileNotFoundError(f"`{path}` should be an image. Found no such file.")
    with warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            return open_picture(path)
        except ValueError as error:
            raise ValueError(f"`{path}` should be a readable image. Found {error}.") from None


def as_bytes(pixels: Shaped[np.ndarray, "..."]) -> UInt8[np.ndarray, "..."]:
    """Pixels of 0..255, 0..65535 or [0, 1], as their type says, as bytes."""
    white = WHITE.get(pixels.dtype.name)
    if white is None:
        raise ValueError(f"`image` should be of uint8, or floats in [0, 1]. Found the type {pixels.dtype}.")
    if not (pixels.min() >= 0 and pixels.max() <= white):  # also refuses nan
        raise ValueError(f"`image` should be in [0, {white}]. Found [{pixels.min():g}, {pixels.max():g}].")
    return pixels if white == 255 else (pixels * (255 / white)).round().astype(np.uint8)


def _described(image: object) -> str:
    """What was given instead."""
    if isinstance(image, (Tensor, np.ndarray)):
        return f"the shape {tuple(image.shape)}"
    return f"a {type(image).__name__}"
