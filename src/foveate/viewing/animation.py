"""Scanpaths that move: `frames` of one look or many, `save_animation` to a WebP or GIF file, `Moving` in a notebook."""

import base64
import io
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from foveate.viewing.ink import beside, bordered, stacked
from foveate.viewing.look import Look
from foveate.viewing.palette import INK, PAPER, PATH, SCALES, Colour
from foveate.viewing.panels import heading, levels, stack, verdict
from foveate.viewing.scene import Frame, centres, draw_trail, draw_windows, roomy_frames, scene

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

MOVING, THINKING = 7, 5  # frames: the box on its way, the probabilities shifting
TICK, PAUSE, END = 40, 600, 2500  # milliseconds: of such a frame, at each glimpse, at the last
COLUMN = 232  # pixels: of the panels beside the image
ROWS = 5  # classes
ROOM = 340  # pixels: the longer side of the image
FORMATS = (".webp", ".gif")


@dataclass(frozen=True)
class Moment:
    """What a frame shows: the way from glimpse `step - 1` to glimpse `step`, and then what is thought of it."""

    step: int
    """Index of the glimpse."""
    moved: float = 1.0
    """How much of the way to it is made, in [0, 1]."""
    thought: float = 1.0
    """How much of the change of the probabilities is made, in [0, 1]; the glimpse is seen when the way is made."""
    duration: int = TICK
    """Milliseconds."""


def moments(num_glimpses: int) -> list[Moment]:
    """All moments of an animation: each glimpse but the first is moved to, seen, thought of, and rested at.

    >>> [moment.duration for moment in moments(2)]
    [600, 40, 40, 40, 40, 40, 40, 40, 40, 40, 40, 40, 2500]
    """
    return list(_moments(num_glimpses))


def _moments(num_glimpses: int) -> Iterator[Moment]:
    for step in range(num_glimpses):
        if step:
            yield from (Moment(step, _eased(i / (MOVING + 1)), 0.0) for i in range(1, MOVING + 1))
            yield from (Moment(step, 1.0, _eased(i / THINKING)) for i in range(1, THINKING))
        yield Moment(step, duration=PAUSE if step < num_glimpses - 1 else END)


def _eased(share: float) -> float:
    """Slow at both ends."""
    return share * share * (3 - 2 * share)


def frames(looks: Look | Sequence[Look]) -> "list[Picture]":
    """Draw the box moving along the path, what is seen where it rests, and the probabilities shifting.

    Several looks move side by side; one with fewer glimpses rests at its last. `moments` says how long each stays.
    """
    looks = [looks] if isinstance(looks, Look) else list(looks)
    if not looks:
        raise ValueError("There should be at least one look to animate. Found none.")
    views = roomy_frames(looks, ROOM)
    across = math.ceil(math.sqrt(len(looks)))
    return [_page(looks, views, moment, across) for moment in moments(max(len(look.boxes) for look in looks))]


def save_animation(looks: Look | Sequence[Look], path: Path) -> None:
    """Write the animation, endless, as WebP, or as GIF where the name ends so.

    Raises:
        ValueError: if the name ends otherwise, or there is no look.
    """
    if path.suffix.lower() not in FORMATS:
        raise ValueError(f"`path` should end in .webp or .gif. Found `{path.name}`.")
    path.write_bytes(encoded(looks, path.suffix.lower()))


def encoded(looks: Look | Sequence[Look], suffix: str = ".webp") -> bytes:
    """The animation as the content of a file of that suffix, .webp or .gif."""
    looks = [looks] if isinstance(looks, Look) else list(looks)
    pages, grey = frames(looks), all(look.image.shape[0] != 3 for look in looks)
    durations = [moment.duration for moment in moments(max(len(look.boxes) for look in looks))]
    if suffix == ".gif":
        options: dict[str, Any] = {"optimize": False, "disposal": 1}
    else:  # few colours take little space without loss, a photograph does not
        options = {"lossless": True} if grey else {"quality": 90, "allow_mixed": True}
    pages, file = few_colours(pages) if grey or suffix == ".gif" else pages, io.BytesIO()
    kind = {"format": suffix[1:].upper(), "save_all": True, "append_images": pages[1:], "loop": 0}
    pages[0].save(file, duration=durations, **kind, **options)
    return file.getvalue()


@dataclass(frozen=True)
class Moving:
    """Looks that a notebook shows moving."""

    looks: tuple[Look, ...]

    def _repr_html_(self) -> str:
        """An image that holds the whole animation."""
        data = base64.b64encode(encoded(self.looks)).decode()
        answers = ", ".join(f"{look.answer} ({look.probability:.0%})" for look in self.looks)
        return (
            f'<img alt="Scanpaths moving, and the answers: {escape(answers)}" style="max-width:100%" '
            f'src="data:image/webp;base64,{data}">'
        )


def _page(looks: list[Look], views: list[Frame], moment: Moment, across: int) -> "Picture":
    """Every look at one moment, `across` in a row."""
    cards = [_card(look, view, moment) for look, view in zip(looks, views, strict=True)]
    return bordered(stacked([beside(cards[i : i + across], 44) for i in range(0, len(cards), across)], 34), 24)


def _card(look: Look, view: Frame, moment: Moment) -> "Picture":
    """One look at one moment: the image, and beside it the glimpse, the probabilities, and at the end the answer."""
    last = len(look.boxes) - 1
    moment = moment if moment.step <= last else Moment(last)
    step = moment.step if moment.moved == 1 else moment.step - 1  # the last that was seen
    before = look.probabilities[max(0, moment.step - 1)]
    now = before + (look.probabilities[moment.step] - before) * moment.thought
    panels = [heading(step + 1, COLUMN), stack(look, step, COLUMN), levels(look, now, ROWS, COLUMN)]
    answer = verdict(look, COLUMN, spare=0)
    if step < last or moment.thought < 1:
        answer.paste(PAPER, (0, 0, *answer.size))
    return beside([_moving(look, view, moment), stacked([*panels, answer], 14)], 24)


def _moving(look: Look, view: Frame, moment: Moment) -> "Picture":
    """The image, the path so far, and the boxes on their way."""
    ends = look.boxes[max(0, moment.step - 1)].double(), look.boxes[moment.step].double()
    windows = torch.lerp(*ends, moment.moved).tolist()
    panel = scene(look, view)
    draw_windows(panel, windows, view)
    x0, y0, x1, y1 = windows[0]
    draw_trail(panel, [*centres(look)[: moment.step], ((x0 + x1) / 2, (y0 + y1) / 2)], view)
    return panel


def few_colours(pages: "list[Picture]") -> "list[Picture]":
    """Pages in one palette of 256 colours, those of the paper and the boxes among them exactly."""
    from PIL import Image

    exact = (PAPER, INK, PATH, *SCALES)
    seen = stacked([pages[0], pages[len(pages) // 2], pages[-1]], 0).quantize(256 - len(exact))
    palette = Image.new("P", (1, 1))
    palette.putpalette([*(value for colour in exact for value in colour), *(seen.getpalette() or [])])
    return [_in_palette(page, palette, exact) for page in pages]


def _in_palette(page: "Picture", palette: "Picture", exact: Sequence[Colour]) -> "Picture":
    """The page in a palette that begins with the colours `exact`, which pillow alone would take for neighbours."""
    from PIL import Image

    near = page.quantize(palette=palette, dither=Image.Dither.NONE)
    indices = np.array(near)
    packed = np.asarray(page.convert("RGBA")).view(np.uint32)[..., 0]
    for index, colour in enumerate(exact):
        indices[packed == np.array([*colour, 255], np.uint8).view(np.uint32)[0]] = index
    small = Image.fromarray(indices)
    small.putpalette(near.getpalette() or [])
    return small
