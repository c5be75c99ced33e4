"""A picture made ready for a model: fitted as the training images were, ink turned bright, placed on the canvas."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
from jaxtyping import Shaped
from torch import Tensor

from foveate.config import Model
from foveate.data.canvas import centered
from foveate.data.handwriting import (
    INK_STYLES,
    InkStyle,
    brightness_warning,
    fit_ink,
)
from foveate.data.huge import overview
from foveate.data.ink import find_ink, has_bright_border
from foveate.data.intake import as_picture, as_pixels
from foveate.data.picture import Decoder
from foveate.data.placement import Size
from foveate.data.pyramid import MAX_PIXELS, Pyramid

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

RESIZE = ("pad", "crop", "stretch", "refuse", "native")
SHOWN = 2**20  # pixels of the picture that shows an image too large to load, at most if it has such a level
INK = ("auto", "light", "dark")


@dataclass(frozen=True)
class Prepared:
    """An image of the model, and what was done to the picture it comes from."""

    image: Shaped[Tensor, "channels height width"]
    """uint8, or floats in [0, 1]."""
    original: Size
    """Height and width of the picture in pixels."""
    zoom: tuple[float, float] = (1.0, 1.0)
    """Pixels of `image` for one pixel of the picture, along x and y."""
    inverted: bool = False
    """Whether dark and bright were exchanged."""
    warning: str = ""
    """Why the image is unlike what the model learned, as a sentence; empty where nothing was noticed."""


def inner_size(model: Model) -> Size:
    """Height and width of an image before it is placed on the model's canvas, in pixels."""
    height, width = model.picture_size
    return (height, width) if height and width else (model.image[1], model.image[2])


def ink_style(model: Model) -> InkStyle | None:
    """The handwriting that the model reads; None for a model of other images."""
    return INK_STYLES.get(model.handwriting)


def prepare(image: object, model: Model, *, resize: str | None = None, ink: str = "auto") -> Prepared:
    """Turn whatever a person has into an image of the model, as its training images were made.

    A tensor of the model's shape is taken as it is, and so is a picture of the model's size. Any other picture is
    fitted as in training, or, for a model of handwriting, its ink is scaled and centered; then it is placed in the
    middle of the model's canvas. `resize` fits the whole picture to the whole image instead.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is not an image, or an option is impossible.
    """
    check(model, resize, ink)
    channels, height, width = model.image
    if isinstance(image, Tensor) and tuple(image.shape) == model.image:
        pixels = as_pixels(image)
        return _checked(Prepared(_invert(pixels) if ink == "dark" else pixels, (height, width)), model)
    if channels not in (1, 3):
        found = f"the shape {tuple(image.shape)}" if isinstance(image, Tensor) else f"a {type(image).__name__}"
        raise ValueError(f"`image` should be a tensor {model.image}, as the model's images are. Found {found}.")
    picture = as_picture(image)
    prepared = prepare_picture(picture, model, resize=resize, ink=ink)
    if "full_size" in picture.info:
        prepared = _of_full_size(prepared, picture.info["full_size"])
    if prepared.image.shape[1:] == (height, width):
        return prepared
    return replace(prepared, image=centered(prepared.image.unsqueeze(0), (height, width))[0])


def show_pyramid(pyramid: Pyramid) -> Prepared:
    """A coarse level that shows an image which is read at its own size."""
    small = pyramid.levels[-1][0] * pyramid.levels[-1][1] <= SHOWN
    pixels = torch.from_numpy(overview(pyramid, SHOWN if small else MAX_PIXELS).copy()).movedim(2, 0).contiguous()
    shown = (pixels.shape[1], pixels.shape[2])
    return _of_full_size(Prepared(pixels, shown), (pyramid.shape[0], pyramid.shape[1]))


def _of_full_size(prepared: Prepared, full: Size) -> Prepared:
    """What was made of a coarse level, as made of the finest one."""
    x, y = prepared.zoom
    zoom = (x * prepared.original[1] / full[1], y * prepared.original[0] / full[0])
    return replace(prepared, original=full, zoom=zoom)


def prepare_picture(picture: "Picture", model: Model, *, resize: str | None = None, ink: str = "auto") -> Prepared:
    """Fit an RGB picture to `inner_size`, before the canvas; to the whole image if it has that size or `resize` is set.

    Raises:
        ValueError: if the picture has another size and `resize` is "refuse".
    """
    style = ink_style(model)
    inner = inner_size(model)
    whole = (model.image[1], model.image[2])
    original = (picture.height, picture.width)
    if style and resize is None and original not in (inner, whole):
        return _prepare_ink(picture, model, style, ink)
    inverted = style is not None and (ink == "dark" or (ink == "auto" and has_bright_border(picture)))
    fitted = _inverted(picture) if inverted else picture
    size = whole if resize is not None or original == whole else inner
    how = resize or model.picture_resize
    pixels = _decode(fitted, (model.image[0], *size), how)
    prepared = Prepared(pixels, original, zoom(original, size, how), inverted)
    if whole != inner and original != whole and resize is not None:
        return replace(prepared, warning=_scene_warning(model))
    prepared = _checked(prepared, model)
    if style and resize is None and prepared.warning and original == inner:  # of that size, but on gray paper
        found = _prepare_ink(picture, model, style, ink)
        return prepared if found.warning else found
    return prepared


def zoom(original: Size, size: Size, resize: str) -> tuple[float, float]:
    """Pixels along x and y that one pixel of an image of the size `original` has become at `size`.

    >>> zoom((100, 200), (28, 28), "pad")
    (0.14, 0.14)
    """
    down = size[0] / original[0]
    across = size[1] / original[1]
    if resize == "stretch":
        return across, down
    factor = max(down, across) if resize == "crop" else min(down, across)
    return factor, factor


def _prepare_ink(picture: "Picture", model: Model, style: InkStyle, ink: str) -> Prepared:
    """Scale and center the ink of a picture."""
    found = find_ink(picture, ink)
    image, scale = fit_ink(found.strength, style)
    reduced = scale * found.strength.shape[1] / picture.width
    prepared = Prepared(
        image.expand(model.image[0], -1, -1).contiguous(),
        (picture.height, picture.width),
        (reduced, reduced),
        found.is_dark,
        found.warning,
    )
    return prepared if prepared.warning else _checked(prepared, model)


def _decode(picture: "Picture", shape: tuple[int, int, int], resize: str) -> Tensor:
    """Fit a picture to a shape (channels, height, width)."""
    try:
        return Decoder(shape, resize).convert(picture)
    except ValueError as error:
        raise ValueError(f"`image` should be as the model's images are. Found {error}.") from None


def _checked(prepared: Prepared, model: Model) -> Prepared:
    """Add a warning where an image of handwriting is darker or brighter than any of the data set."""
    style = ink_style(model)
    if style is None or prepared.image.shape[1:] != style.size:
        return prepared
    return replace(prepared, warning=brightness_warning(prepared.image, style, model.handwriting))


def _scene_warning(model: Model) -> str:
    """What is wrong with a picture that was resized to a whole scene."""
    high, wide = inner_size(model)
    return (
        f"The model knows images of {wide} x {high} pixels, somewhere on a canvas of {model.image[2]} x "
        f"{model.image[1]}. This picture was resized to the whole canvas: leave out `resize` to place it there instead."
    )


def _inverted(picture: "Picture") -> "Picture":
    """Exchange dark and bright."""
    from PIL import ImageOps

    return ImageOps.invert(picture)


def _invert(pixels: Tensor) -> Tensor:
    """Exchange dark and bright in uint8 pixels, or floats in [0, 1]."""
    return (1 if pixels.is_floating_point() else 255) - pixels


def check(model: Model, resize: str | None, ink: str) -> None:
    """Refuse impossible options."""
    if resize == "native" and ink != "auto":
        raise ValueError(f"`ink` should be 'auto' where an image is read at its own size. Found `ink = {ink!r}`.")
    if resize is not None and resize not in RESIZE:
        raise ValueError(
            f"`resize` should be 'pad', 'crop', 'stretch', 'refuse' or 'native'. Found `resize = {resize!r}`."
        )
    if ink not in INK:
        raise ValueError(f"`ink` should be 'auto', 'light' or 'dark'. Found `ink = {ink!r}`.")
    if ink != "auto" and ink_style(model) is None:
        raise ValueError(f"`ink` should be 'auto' for a model that does not read handwriting. Found `ink = {ink!r}`.")
