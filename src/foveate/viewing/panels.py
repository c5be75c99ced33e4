"""What stands beside the image: the glimpse as the model sees it, the probabilities, the answer."""

from functools import partial
from typing import TYPE_CHECKING

from jaxtyping import Float
from torch import Tensor

from foveate.viewing.ink import beside, enlarged, shortened, smoothly, stacked, to_picture, width, write, zoom_within
from foveate.viewing.look import Look
from foveate.viewing.palette import FAINT, INK, PAPER, QUIET, RIGHT, WRONG, Colour, scale_colour
from foveate.viewing.scene import BADGE, badge_width, draw_badges

if TYPE_CHECKING:
    from PIL.Image import Image as Picture
    from PIL.ImageDraw import ImageDraw as Pen

SMALL, NORMAL, LARGE = 17, 19, 40  # pixels: heights of words
BAR = 26  # pixels: the height of a line of bars
GAP, RIM = 8, 3  # pixels: between patches, around them
PATCH, PER_ROW = 88, 4  # pixels: the longer side of a patch that is alone; patches in a row


def heading(number: int, room: int) -> "Picture":
    """The number of a glimpse in its badge."""
    from PIL import Image

    sheet = Image.new("RGB", (room, BADGE), PAPER)
    draw_badges(sheet, [((badge_width(str(number)) / 2, BADGE / 2), str(number))])
    return sheet


def stack(look: Look, step: int, room: int) -> "Picture":
    """The patches of one glimpse as the model sees them, fine first, each framed in the colour of its box."""
    patches = look.glimpses[step]
    per_row = min(len(patches), PER_ROW)
    zoom = zoom_within(
        (patches.shape[-2], patches.shape[-1]), min(PATCH, (room - GAP * (per_row - 1)) // per_row - 2 * RIM)
    )
    framed = [_framed(enlarged(to_picture(patch), zoom), scale) for scale, patch in enumerate(patches)]
    return stacked([beside(framed[i : i + per_row], GAP) for i in range(0, len(framed), per_row)], GAP)


def swatch(words: str, colour: Colour) -> "Picture":
    """A colour and what it stands for."""
    from PIL import Image

    sheet = Image.new("RGB", (width(words, SMALL) + 26, SMALL + 6), PAPER)
    sheet.paste(colour, (0, 2, 16, 18))
    write(sheet, (26, 10), words, SMALL, QUIET, "lm")
    return sheet


def _framed(patch: "Picture", scale: int) -> "Picture":
    from PIL import ImageOps

    return ImageOps.expand(patch, RIM, scale_colour(scale))


def leading(look: Look, rows: int) -> list[int]:
    """The answer, the label and the classes that were likeliest at any time, `rows` in all, the answer first."""
    ever = look.probabilities.amax(0)
    ever[look.probabilities[-1].argmax()] = 3
    if look.label in look.classes:
        ever[look.classes.index(look.label)] += 2
    chosen = ever.argsort(descending=True, stable=True)[:rows].tolist()
    return sorted(chosen, key=lambda c: -float(look.probabilities[-1, c]))


def bars(look: Look, step: int, rows: int, room: int) -> "Picture":
    """The probabilities of the leading classes after one glimpse."""
    return levels(look, look.probabilities[step], rows, room)


def levels(look: Look, probabilities: Float[Tensor, " classes"], rows: int, room: int) -> "Picture":
    """Probabilities of the leading classes as bars; the likeliest is the dark one."""
    from PIL import Image

    classes = leading(look, rows)
    shares = probabilities[classes].tolist()
    sheet = Image.new("RGB", (room, len(classes) * BAR), PAPER)
    names = [shortened(look.classes[c], SMALL, int(room * 0.4)) for c in classes]
    left = max(width(name, SMALL) for name in names) + GAP
    right = room - width("100 %", SMALL) - GAP
    colours = [INK if c == int(probabilities.argmax()) else QUIET for c in classes]
    smoothly(sheet, partial(_bars, shares=shares, colours=colours, span=(left, right)))
    for row, (share, name, colour) in enumerate(zip(shares, names, colours, strict=True)):
        middle = (row + 0.5) * BAR
        write(sheet, (0, middle), name, SMALL, colour, "lm")
        write(sheet, (room, middle), f"{100 * share:.0f} %", SMALL, colour, "rm")
    return sheet


def _bars(pen: "Pen", times: int, shares: list[float], colours: list[Colour], span: tuple[int, int]) -> None:
    left, right = span
    for row, (share, colour) in enumerate(zip(shares, colours, strict=True)):
        top, bottom = (row * BAR + 7) * times, (row * BAR + BAR - 7) * times
        pen.rounded_rectangle([left * times, top, right * times, bottom], 5 * times, fill=FAINT)
        end = left + (right - left) * share
        if end - left >= 1:
            fill = INK if colour == INK else (160, 167, 177)
            pen.rounded_rectangle([left * times, top, end * times, bottom], 5 * times, fill=fill)


def verdict(look: Look, room: int, spare: int = 4 * NORMAL) -> "Picture":
    """The answer and its probability, a tick or a cross where the label is known, and room for `spare` more pixels."""
    from PIL import Image

    remarks = _remarks(look)
    height = LARGE + 12 + max(spare, round(1.3 * NORMAL * len(remarks)))
    sheet = Image.new("RGB", (room, height), PAPER)
    left = 0
    if look.right is not None:
        smoothly(sheet, partial(_tick if look.right else _cross, top=8))
        left = 40
    percent = f"{100 * look.probability:.1f} %"
    answer = shortened(look.answer, LARGE, room - left - width(percent, NORMAL) - GAP)
    write(sheet, (left, LARGE), answer, LARGE, INK, "ls")
    write(sheet, (left + width(answer, LARGE) + GAP, LARGE), percent, NORMAL, QUIET, "ls")
    for line, (words, colour) in enumerate(remarks):
        write(sheet, (0, LARGE + 12 + line * 1.3 * NORMAL), shortened(words, NORMAL, room), NORMAL, colour)
    return sheet


def _remarks(look: Look) -> list[tuple[str, Colour]]:
    """What is to be said beneath the answer."""
    height, wide = look.original
    marks = {None: [], True: [("right", RIGHT)], False: [(f"wrong: it is {look.label}", WRONG)]}[look.right]
    name = [(look.name, QUIET)] if look.name else []
    return [*marks, *name, *([(f"{wide} x {height} pixels", QUIET)] if look.zoom != (1, 1) else [])]


def _tick(pen: "Pen", times: int, top: int) -> None:
    points = [(1, 17), (10, 27), (27, 4)]
    pen.line([((x + 2) * times, (y + top) * times) for x, y in points], (*RIGHT, 255), 5 * times, joint="curve")


def _cross(pen: "Pen", times: int, top: int) -> None:
    for (a, b), (c, d) in (((3, 4), (25, 26)), ((25, 4), (3, 26))):
        line = [(a * times, (b + top) * times), (c * times, (d + top) * times)]
        pen.line(line, (*WRONG, 255), 5 * times)
