"""What pictures are drawn with: a few colours, one typeface, and lines without steps."""

import unicodedata
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.ImageFont import FreeTypeFont

Colour = tuple[int, int, int]

PAPER: Colour = (255, 255, 255)
INK: Colour = (28, 33, 40)
QUIET: Colour = (104, 112, 124)
FAINT: Colour = (226, 229, 233)
BEYOND: Colour = (203, 208, 214)
"""Outside the image, where the model sees 0."""
PATH: Colour = (255, 205, 60)
RIGHT: Colour = (15, 118, 110)
WRONG: Colour = (190, 50, 40)
SCALES: tuple[Colour, ...] = (
    (255, 122, 41),
    (34, 178, 166),
    (96, 140, 240),
    (190, 110, 205),
    (150, 190, 50),
    (240, 105, 145),
)
"""One for each scale, fine first; light enough for black images, dark enough for white ones with their dark rim."""
SCALE_TONES = {f"scale{scale}": colour for scale, colour in enumerate(SCALES)}
LIGHT: dict[str, Colour] = {
    "paper": PAPER,
    "ink": INK,
    "quiet": QUIET,
    "faint": FAINT,
    "accent": (28, 92, 190),
    "other": (178, 82, 12),
    "third": RIGHT,
    "wrong": WRONG,
    "path": PATH,
    "beyond": BEYOND,
    "black": (0, 0, 0),
    "white": (255, 255, 255),
    **SCALE_TONES,
}
"""The tones of a figure on white paper; each stands out from it enough to be read."""
DARK: dict[str, Colour] = {
    "paper": (17, 20, 24),
    "ink": (232, 235, 239),
    "quiet": (158, 167, 179),
    "faint": (48, 54, 62),
    "accent": (122, 172, 255),
    "other": (255, 164, 92),
    "third": (84, 206, 190),
    "wrong": (255, 122, 110),
    "path": PATH,
    "beyond": (70, 76, 84),
    "black": (0, 0, 0),
    "white": (255, 255, 255),
    **SCALE_TONES,
}
"""The same tones on dark paper."""
SYSTEM_TYPEFACES = ("DejaVuSans.ttf", "NotoSansCJK-Regular.ttc", "Arial Unicode.ttf", "msyh.ttc")


def scale_colour(scale: int) -> Colour:
    """The colour of a scale, 0 the finest."""
    return SCALES[scale % len(SCALES)]


@lru_cache(maxsize=64)
def own_typeface(size: int) -> "FreeTypeFont":
    """Pillow's own typeface, `size` pixels high: the same on every machine."""
    from PIL import ImageFont

    font = ImageFont.load_default(size)
    assert isinstance(font, ImageFont.FreeTypeFont), "pillow should be built with FreeType, as its wheels are"
    return font


@lru_cache(maxsize=64)
def system_typeface(size: int) -> "FreeTypeFont | None":
    """A typeface of the system with more letters, where there is one."""
    from PIL import ImageFont

    for name in SYSTEM_TYPEFACES:
        try:
            return ImageFont.truetype(name, size)
        except OSError:
            continue
    return None


def typeset(words: str, size: int) -> tuple[str, "FreeTypeFont"]:
    """Words and a typeface that can show them: pillow's own, which has no accents, if need be without them."""
    if words.isascii():
        return words, own_typeface(size)
    plain = "".join(letter for letter in unicodedata.normalize("NFKD", words) if not unicodedata.combining(letter))
    system = system_typeface(size)
    return (plain, own_typeface(size)) if system is None else (words, system)
