"""Ink in pictures of handwriting: light or dark, gray or colored, on paper lit unevenly or lying on a table."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Bool, Float, UInt8

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

MAX_SIDE = 512  # pixels: larger pictures are reduced before their ink is searched for
MIN_CONTRAST = 32  # of 255, between ink and paper: less is noise
MAX_BORDER_INK = 0.25  # share of the outermost pixels: a digit on paper leaves most of them free
MAX_CROSSING = 0.01  # the same, where ink was not found at first: the edge of a shadow crosses the border
MAX_COVER = 0.5  # share of a broad picture
MAX_FILL = 0.75  # share of a broad box around the ink: more is a sheet of paper
MIN_BREADTH = 0.5  # of the box, shorter side to longer: a narrower one may be a one
MAX_STROKE = 15 / 40  # width of a stroke as a share of the ink's longer side: of MNIST, 3 of 1,000 are wider
SURE_STROKE = 11 / 40  # the same, where ink was not found at first
MAX_VARIATION = 0.17  # there: standard deviation of the ink's strength, as a share of the mean
GRID = 40  # pixels of the ink's longer side where strokes are measured
PAPER_SIDE = 64  # pixels: the picture is reduced to it to estimate the paper's brightness
PAPER_WINDOW = 25  # of these: wider than any stroke
MARGIN = 0.08  # of a sheet's sides that is cut off


@dataclass(frozen=True)
class Ink:
    """Ink that was found in a picture."""

    strength: Float[np.ndarray, "height width"]
    """How far every pixel is from the paper, which is 0; the picture is reduced to `MAX_SIDE`."""
    is_dark: bool
    """Whether it is darker than the paper."""
    warning: str
    """Why it does not look like handwriting, as a sentence; empty where it does."""


def find_ink(picture: "Picture", ink: str = "auto") -> Ink:
    """Find "light" or "dark" ink, or with "auto" whatever the paper at the border is not.

    Ink is looked for by brightness, then in each color, on paper that is lit unevenly, on a sheet that lies on a table,
    and above the lines of ruled paper. The first that looks like strokes is taken, else the first.
    """
    first = None
    for plane, is_ruled in _planes(picture):
        found = _part(plane, ink, is_ruled)
        if not found.warning and (first is None or _is_sure(found.strength)):
            return found
        first = first or found
    if first is None:
        raise ValueError("A picture should have pixels. Found none.")
    return first


def has_bright_border(picture: "Picture") -> bool:
    """Whether the outermost pixels are paper that is brighter than the ink: most of them, or the average of all."""
    return _is_bright_border(np.asarray(picture.convert("L")))


def otsu_threshold(pixels: UInt8[np.ndarray, "..."]) -> int:
    """The value that parts dark pixels from brighter ones with the greatest variance between both (Otsu 1979).

    >>> otsu_threshold(np.array([[10, 20, 20], [200, 220, 15]], np.uint8))
    20
    """
    counts = np.bincount(pixels.ravel(), minlength=256)
    below = counts.cumsum().astype(float)
    sums = (counts * np.arange(256)).cumsum().astype(float)
    between = (below * sums[-1] - below[-1] * sums) ** 2 / np.maximum(below * (below[-1] - below), 1)
    return int(between.argmax())


def ink_warning(strength: Float[np.ndarray, "height width"]) -> str:
    """Why ink in a picture does not look like handwriting, as a sentence; empty where it does."""
    found = strength[strength > 0]
    if not len(found) or found.mean() < MIN_CONTRAST:
        return "No ink stands out from the paper, so the answer means nothing."
    why = ""
    if (_border(strength) > 0).mean() > MAX_BORDER_INK:
        why = f"more than {MAX_BORDER_INK:.0%} of the border would be ink"
    elif _is_filled_box(strength > 0):
        why = "the ink would be one filled box"
    elif (strength > 0).mean() > MAX_COVER and min(strength.shape) > MIN_BREADTH * max(strength.shape):
        why = f"more than {MAX_COVER:.0%} of the picture would be ink"
    elif _is_wide(strength > 0, MAX_STROKE):
        why = "its strokes would be too wide"
    if not why:
        return ""
    return (
        f"This does not look like a digit on plain paper: {why}. Cut out one digit, or choose `ink = light` or "
        f"`ink = dark`."
    )


def _planes(picture: "Picture") -> Iterator[tuple[UInt8[np.ndarray, "height width"], bool]]:
    """Gray forms of a picture in which ink may stand out, and whether lines of the paper are to be passed over."""
    gray = _reduced(picture.convert("L"))
    yield gray, False
    sheet = _sheet(gray)
    if sheet is not None:
        yield sheet, False
        yield _lit_evenly(sheet), False
        yield _lit_evenly(sheet), True
    for color in picture.convert("RGB").split():
        yield _reduced(color), False
    even = _lit_evenly(gray)
    yield even, False
    yield gray, True
    yield even, True


def _reduced(plane: "Picture") -> UInt8[np.ndarray, "height width"]:
    """A plane of at most `MAX_SIDE` pixels."""
    plane.thumbnail((MAX_SIDE, MAX_SIDE))
    return np.array(plane)


def _part(plane: UInt8[np.ndarray, "height width"], ink: str, is_ruled: bool) -> Ink:
    """Part ink from paper by `otsu_threshold`; on ruled paper once more, ink from the lines."""
    is_dark = ink == "dark" or (ink == "auto" and _is_bright_border(plane))
    pixels = 255 - plane if is_dark else plane
    threshold = otsu_threshold(pixels)
    if is_ruled and (pixels > threshold).any():
        threshold = otsu_threshold(pixels[pixels > threshold])
    is_paper = pixels <= max(threshold, pixels.min())  # of one brightness, all is paper
    strength = np.where(is_paper, 0.0, pixels - pixels[is_paper].mean())
    return Ink(strength, is_dark, ink_warning(strength))


def _is_bright_border(plane: UInt8[np.ndarray, "height width"]) -> bool:
    """Whether the border is brighter than the rest."""
    border = _border(plane)
    bright = (border > otsu_threshold(plane)).mean()
    if MAX_BORDER_INK < bright < 1 - MAX_BORDER_INK or plane.min() == plane.max():
        return bool(border.mean() > 127.5)
    return bool(bright > 0.5)


def _lit_evenly(plane: UInt8[np.ndarray, "height width"]) -> UInt8[np.ndarray, "height width"]:
    """Divide a plane by the brightness of the paper, the median of a wide window, so that paper is 128 everywhere."""
    from PIL import Image, ImageFilter

    picture = Image.fromarray(plane)
    small = picture.copy()
    small.thumbnail((PAPER_SIDE, PAPER_SIDE), Image.Resampling.BOX)
    paper = small.filter(ImageFilter.MedianFilter(PAPER_WINDOW)).resize(picture.size, Image.Resampling.BILINEAR)
    return (plane / np.maximum(np.asarray(paper), 8.0) * 128).clip(0, 255).astype(np.uint8)


def _sheet(plane: UInt8[np.ndarray, "height width"]) -> UInt8[np.ndarray, "height width"] | None:
    """What lies on a sheet of paper, with paper all around it; None where the picture is not a sheet on a table."""
    is_bright = plane > otsu_threshold(plane)
    is_sheet = ~is_bright if _is_bright_border(plane) else is_bright
    if _border(is_sheet).mean() > MAX_BORDER_INK or not is_sheet.any() or not _is_filled_box(is_sheet):
        return None
    rows = np.flatnonzero(is_sheet.any(1))
    columns = np.flatnonzero(is_sheet.any(0))
    height = rows[-1] - rows[0]
    width = columns[-1] - columns[0]
    top, bottom = rows[0] + int(height * MARGIN), rows[-1] - int(height * MARGIN)
    left, right = columns[0] + int(width * MARGIN), columns[-1] - int(width * MARGIN)
    inside = plane[top:bottom, left:right]
    if min(inside.shape) < 2:
        return None
    alone = np.full_like(plane, np.median(inside))
    alone[top:bottom, left:right] = inside
    return alone


def _is_sure(strength: Float[np.ndarray, "height width"]) -> bool:
    """Whether ink leaves the border free, is of one strength, and has thin strokes."""
    found = strength[strength > 0]
    if (_border(strength) > 0).mean() > MAX_CROSSING or found.std() > MAX_VARIATION * found.mean():
        return False
    return not _is_wide(strength > 0, SURE_STROKE)


def _is_wide(is_ink: Bool[np.ndarray, "height width"], most: float) -> bool:
    """Whether a part of the ink is wider than a stroke of `most` of the ink's longer side."""
    from PIL import Image, ImageFilter

    box = Image.fromarray(_box(is_ink)).convert("L")
    scale = GRID / max(box.size)
    small = box.resize((max(1, round(box.width * scale)), max(1, round(box.height * scale))))
    width = round(most * GRID)
    framed = Image.new("L", (small.width + 2 * width, small.height + 2 * width))
    framed.paste(small, (width, width))
    return bool(np.asarray(framed.filter(ImageFilter.MinFilter(width))).max() >= 128)


def _box(is_ink: Bool[np.ndarray, "height width"]) -> Bool[np.ndarray, "tall wide"]:
    """The smallest box that holds all ink, of which there is some."""
    rows = np.flatnonzero(is_ink.any(1))
    columns = np.flatnonzero(is_ink.any(0))
    return is_ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def _is_filled_box(is_ink: Bool[np.ndarray, "height width"]) -> bool:
    """Whether ink fills a box that is too broad for a one."""
    box = _box(is_ink)
    return bool(box.mean() > MAX_FILL and min(box.shape) > MIN_BREADTH * max(box.shape))


def _border(pixels: np.ndarray) -> np.ndarray:
    """The outermost pixels."""
    return np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
