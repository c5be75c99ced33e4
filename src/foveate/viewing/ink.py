"""Drawing on a page: words that fit, shapes without steps, pixels as crisp squares."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Shaped
from torch import Tensor

from foveate.viewing.palette import INK, PAPER, Colour, typeset

if TYPE_CHECKING:
    from PIL.Image import Image as Picture
    from PIL.ImageDraw import ImageDraw as Pen

SMOOTH = 4  # shapes are drawn this much larger and brought down


def write(
    page: "Picture", at: tuple[float, float], words: str, size: int, colour: Colour = INK, anchor: str = "la"
) -> None:
    """Write a line of words, `size` pixels high, anchored as pillow's `text` says ("la": top left)."""
    from PIL import ImageDraw

    words, font = typeset(words, size)
    ImageDraw.Draw(page).text(at, words, colour, font, anchor)


def width(words: str, size: int) -> int:
    """Pixels that a line of words takes."""
    words, font = typeset(words, size)
    return round(font.getlength(words))


def shortened(words: str, size: int, room: int) -> str:
    """The words, cut so that they take at most `room` pixels."""
    if width(words, size) <= room:
        return words
    while words and width(words + "...", size) > room:
        words = words[:-1]
    return words.rstrip() + "..."


def smoothly(page: "Picture", draw: Callable[["Pen", int], None]) -> None:
    """Lay over the page what `draw(pen, SMOOTH)` draws at SMOOTH times the size: slanted lines get no steps."""
    from PIL import Image, ImageDraw

    sheet = Image.new("RGBA", (page.width * SMOOTH, page.height * SMOOTH))
    draw(ImageDraw.Draw(sheet), SMOOTH)
    small = sheet.reduce(SMOOTH)
    page.paste(small, (0, 0), small)


def to_picture(image: Shaped[Tensor, "channels height width"]) -> "Picture":
    """Pixels as an RGB picture; channels that are not three are shown as their mean, in grey."""
    from PIL import Image

    pixels = image.float() / 255 if image.dtype == torch.uint8 else image.float()
    pixels = pixels if len(pixels) == 3 else pixels.mean(0, keepdim=True).expand(3, -1, -1)
    return Image.fromarray((pixels.clamp(0, 1) * 255).round().byte().permute(1, 2, 0).numpy().astype(np.uint8))


def zoom_to(size: tuple[int, int], room: int) -> float:
    """How much to enlarge (height, width) for a longer side of about `room`: a whole number, unless it must shrink."""
    zoom = room / max(size)
    return float(round(zoom)) if zoom > 0.75 else zoom


def zoom_within(size: tuple[int, int], room: int) -> float:
    """The same for a longer side of at most `room`."""
    zoom = room / max(size)
    return float(int(zoom)) if zoom >= 1 else zoom


def enlarged(picture: "Picture", zoom: float) -> "Picture":
    """The picture `zoom` times as large: its pixels as crisp squares, or their means where it shrinks."""
    from PIL import Image

    size = (max(1, round(picture.width * zoom)), max(1, round(picture.height * zoom)))
    return picture.resize(size, Image.Resampling.NEAREST if zoom >= 1 else Image.Resampling.BOX)


def stacked(pictures: Sequence["Picture"], gap: int) -> "Picture":
    """Pictures one below the other."""
    from PIL import Image

    height = sum(each.height for each in pictures) + gap * (len(pictures) - 1)
    page = Image.new("RGB", (max(each.width for each in pictures), height), PAPER)
    top = 0
    for each in pictures:
        page.paste(each, (0, top))
        top += each.height + gap
    return page


def beside(pictures: Sequence["Picture"], gap: int) -> "Picture":
    """Pictures beside each other."""
    from PIL import Image

    width = sum(each.width for each in pictures) + gap * (len(pictures) - 1)
    page = Image.new("RGB", (width, max(each.height for each in pictures)), PAPER)
    left = 0
    for each in pictures:
        page.paste(each, (left, 0))
        left += each.width + gap
    return page


def bordered(page: "Picture", margin: int) -> "Picture":
    """A page with `margin` pixels of paper around it."""
    from PIL import ImageOps

    return ImageOps.expand(page, margin, PAPER)
