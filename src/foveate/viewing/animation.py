"""Animated scanpaths: the window moves, the patch appears, the probabilities shift."""

import base64
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from matplotlib.axes import Axes

from foveate.viewing.record import Look
from foveate.viewing.scanpath import (
    HEADING,
    Bars,
    View,
    bar_step,
    draw_dots,
    draw_number,
    draw_patches,
    draw_path,
    draw_verdict,
    draw_windows,
    patches_height,
    show_image,
    verdict_height,
    view_of,
    view_panel,
)
from foveate.viewing.style import as_array, figure_of, sheet, styled

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

MOVE_FRAMES = 7  # in which the window moves to the next glimpse
SHIFT_FRAMES = 5  # in which the probabilities shift
FRAME_MS = 40  # of each of these
GLIMPSE_MS = 600  # at each glimpse
END_MS = 2500  # at the last glimpse
PANEL_WIDTH = 232  # pixels, of the panels next to the image
NUM_CLASSES = 5
IMAGE_SIDE = 340  # pixels, the longer side
MARGIN = 24
GAP = 34
FORMATS = (".webp", ".gif")


@dataclass(frozen=True)
class Moment:
    """What a frame shows: the move from glimpse `step - 1` to glimpse `step`, then the shift of the probabilities."""

    step: int
    """Index of the glimpse."""
    moved: float = 1.0
    """Share of the move that is done, in [0, 1]."""
    thought: float = 1.0
    """Share of the shift of the probabilities that is done, in [0, 1]; it begins when the move is done."""
    duration: int = FRAME_MS
    """Milliseconds."""


def moments(num_glimpses: int) -> list[Moment]:
    """List the moments of an animation: for every glimpse but the first a move, the shift of probabilities, a rest.

    >>> [moment.duration for moment in moments(2)]
    [600, 40, 40, 40, 40, 40, 40, 40, 40, 40, 40, 40, 2500]
    """
    listed = []
    for step in range(num_glimpses):
        if step:
            for i in range(1, MOVE_FRAMES + 1):
                listed.append(Moment(step, _eased(i / (MOVE_FRAMES + 1)), 0.0))
            for i in range(1, SHIFT_FRAMES):
                listed.append(Moment(step, 1.0, _eased(i / SHIFT_FRAMES)))
        listed.append(Moment(step, duration=GLIMPSE_MS if step < num_glimpses - 1 else END_MS))
    return listed


def _eased(share: float) -> float:
    """Ease in and out."""
    return share * share * (3 - 2 * share)


@styled
def frames(looks: Look | Sequence[Look]) -> "list[Picture]":
    """Draw every moment; several looks move side by side, and one with fewer glimpses rests at its last.

    Raises:
        ValueError: if there is no look.
    """
    from PIL import Image

    looks = _as_list(looks)
    if not looks:
        raise ValueError("There should be at least one look to animate. Found none.")
    views = []
    for look in looks:
        alike = [other for other in looks if other.image.shape[1:] == look.image.shape[1:]]
        views.append(view_of(alike, IMAGE_SIDE))
    sizes = [_card_size(look, view) for look, view in zip(looks, views, strict=True)]
    wide = max(width for width, _ in sizes) + GAP
    high = max(height for _, height in sizes) + GAP
    across = math.ceil(math.sqrt(len(looks)))
    figure, canvas = sheet(across * wide - GAP + 2 * MARGIN, math.ceil(len(looks) / across) * high - GAP + 2 * MARGIN)
    cards = []
    for i, (look, view) in enumerate(zip(looks, views, strict=True)):
        cards.append(_Card(canvas, look, view, MARGIN + i % across * wide, MARGIN + i // across * high))
    drawn = []
    for moment in moments(max(len(look.boxes) for look in looks)):
        for card in cards:
            card.show(moment)
        drawn.append(Image.fromarray(figure.pixels()))
    return drawn


def save_animation(looks: Look | Sequence[Look], path: Path | str) -> Path:
    """Write the animation, repeating for ever, as WebP, or as GIF if the name ends with .gif.

    Raises:
        ValueError: if the name ends otherwise, or there is no look.

    Example:
        >>> import foveate
        >>> seen = foveate.look(foveate.from_pretrained("digits"), 0.5 * torch.rand(1, 8, 8), num_glimpses=2)
        >>> save_animation(seen, "look.gif").name
        'look.gif'
    """
    path = Path(path)
    if path.suffix.lower() not in FORMATS:
        raise ValueError(f"`path` should end in .webp or .gif. Found `{path.name}`.")
    path.write_bytes(encode(looks, path.suffix.lower()))
    return path


def encode(looks: Look | Sequence[Look], suffix: str = ".webp") -> bytes:
    """Encode the animation as the content of a .webp or .gif file."""
    from PIL import Image

    looks = _as_list(looks)
    pages = frames(looks)
    is_gray = all(look.image.shape[0] != 3 for look in looks)
    longest = max(len(look.boxes) for look in looks)
    durations = [moment.duration for moment in moments(longest)]
    options: dict[str, Any] = {"quality": 90, "allow_mixed": True}
    if is_gray or suffix == ".gif":  # few colors compress well without loss, photographs do not
        palette = _palette(pages[-1])
        pages = [page.quantize(palette=palette, dither=Image.Dither.NONE) for page in pages]
        options = {"lossless": True}
    if suffix == ".gif":
        options = {"optimize": False, "disposal": 1}
    file = io.BytesIO()
    more: dict[str, Any] = {"append_images": pages[1:], "duration": durations, "loop": 0, **options}
    pages[0].save(file, suffix[1:].upper(), save_all=True, **more)
    return file.getvalue()


@dataclass(frozen=True)
class Animation:
    """Looks that a notebook shows as an animation.

    Example:
        >>> import foveate
        >>> seen = foveate.look(foveate.from_pretrained("digits"), 0.5 * torch.rand(1, 8, 8), num_glimpses=2)
        >>> Animation(seen)._repr_html_()[:4]
        '<img'
    """

    looks: Look | Sequence[Look]

    def _repr_html_(self) -> str:
        """An `img` element that holds the whole animation."""
        data = base64.b64encode(encode(self.looks)).decode()
        answers = ", ".join(f"{look.answer} ({look.probability:.0%})" for look in _as_list(self.looks))
        return (
            f'<img alt="Scanpaths moving, and the answers: {escape(answers)}" style="max-width:100%" '
            f'src="data:image/webp;base64,{data}">'
        )


def _palette(page: "Picture") -> "Picture":
    """The 256 colors of a page; what is almost white or black becomes white or black, as the paper is."""
    palette = page.quantize(256)
    colors = np.array(palette.getpalette()).reshape(-1, 3)
    colors[colors.min(1) > 247] = 255
    colors[colors.max(1) < 8] = 0
    palette.putpalette(colors.flatten().tolist())
    return palette


def _as_list(looks: Look | Sequence[Look]) -> list[Look]:
    return [looks] if isinstance(looks, Look) else list(looks)


def _card_size(look: Look, view: View) -> tuple[float, float]:
    """Width and height of a card in pixels."""
    (x0, y0, x1, y1), zoom = view
    bars = bar_step(look, NUM_CLASSES) * len(look.leading(NUM_CLASSES))
    beside = HEADING + patches_height(look, PANEL_WIDTH) + 14 + bars + 4 + verdict_height(look)
    return (x1 - x0) * zoom + GAP + PANEL_WIDTH, max((y1 - y0) * zoom, beside)


class _Card:
    """One look: the image with its windows, and beside it the glimpse, the probabilities and at the end the answer."""

    def __init__(self, canvas: Axes, look: Look, view: View, left: float, top: float) -> None:
        self.look = look
        (x0, _, x1, _), zoom = view
        ax = view_panel(figure_of(canvas), view, left, top)
        show_image(ax, look)
        self.windows = draw_windows(ax, look.boxes[0].tolist())
        self.path = draw_path(ax, look.centers())
        self.dot = draw_dots(ax, look.centers()[:1])
        left += (x1 - x0) * zoom + GAP
        self.number = draw_number(canvas, 1, left, top)
        top += HEADING
        self.patches = draw_patches(canvas, look, 0, left, top, PANEL_WIDTH)
        top += patches_height(look, PANEL_WIDTH) + 14
        self.bars = Bars(canvas, look, NUM_CLASSES, left, top, PANEL_WIDTH)
        top += self.bars.step * len(self.bars.classes) + 4
        self.verdict = draw_verdict(canvas, look, left, top, PANEL_WIDTH)

    def show(self, moment: Moment) -> None:
        """Show the look at one moment."""
        look = self.look
        last = len(look.boxes) - 1
        if moment.step > last:
            moment = Moment(last)
        before = max(0, moment.step - 1)
        windows = torch.lerp(look.boxes[before].double(), look.boxes[moment.step].double(), moment.moved).tolist()
        for window, (x0, y0, x1, y1) in zip(self.windows, reversed(windows), strict=True):
            window.set_bounds(x0, y0, x1 - x0, y1 - y0)
        x0, y0, x1, y1 = windows[0]
        points = [*look.centers()[: moment.step], ((x0 + x1) / 2, (y0 + y1) / 2)]
        self.path.set_data(*zip(*points, strict=True))
        self.dot.set_data(*zip(points[-1], strict=True))
        seen = moment.step if moment.moved == 1 else before
        self.number.set_text(str(seen + 1))
        for image, patch in zip(self.patches, look.glimpses[seen], strict=True):
            image.set_data(as_array(patch))
        self.bars.show(torch.lerp(look.probabilities[before], look.probabilities[moment.step], moment.thought))
        for text in self.verdict:
            text.set_visible(moment.step == last and moment.thought == 1)
