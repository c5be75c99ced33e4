"""`picture`: scanpaths drawn step by step, one look or many, with pillow alone."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from foveate.viewing.ink import beside, bordered, stacked
from foveate.viewing.look import Look
from foveate.viewing.palette import scale_colour
from foveate.viewing.panels import bars, heading, stack, swatch, verdict
from foveate.viewing.scene import Frame, draw_boxes, draw_numbered_path, draw_path, roomy_frames, scene, snug_frame

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

MARGIN = 36  # pixels around the page
NARROWEST = 152  # pixels: a column whose image is narrow
PER_ROW = 8  # glimpses in a row, before the next begins


def picture(looks: Look | Sequence[Look]) -> "Picture":
    """Draw where the model looked, what it saw there, and what it thought after each glimpse; several looks as rows."""
    looks = [looks] if isinstance(looks, Look) else list(looks)
    if not looks:
        raise ValueError("There should be at least one look to draw. Found none.")
    cell, lines = (184, 5) if len(looks) == 1 else (168, 3)
    rows = [_row(look, frame, lines) for look, frame in zip(looks, roomy_frames(looks, cell), strict=True)]
    return bordered(stacked([*rows, _legend(looks[0])], 34), MARGIN)


def _row(look: Look, frame: Frame, lines: int) -> "Picture":
    """One look: the whole path and the answer, then a column for each glimpse."""
    columns = [_column(look, step, frame, lines) for step in range(len(look.boxes))]
    bands = [beside(columns[i : i + PER_ROW], 22) for i in range(0, len(columns), PER_ROW)]
    return beside([overview(look, round(1.4 * max(frame.size))), stacked(bands, 26)], 44)


def overview(look: Look, room: int) -> "Picture":
    """The path over the image, and what came of it."""
    frame = snug_frame(look, room)
    panel = scene(look, frame)
    draw_numbered_path(panel, look, frame)
    return stacked([panel, verdict(look, max(panel.width, room))], 14)


def _column(look: Look, step: int, frame: Frame, lines: int) -> "Picture":
    """One glimpse: its boxes, its patches, what the model then thought."""
    panel = scene(look, frame)
    draw_boxes(panel, look, step, frame)
    draw_path(panel, look, step + 1, frame)
    room = max(panel.width, NARROWEST)
    return stacked([heading(step + 1, room), panel, stack(look, step, room), bars(look, step, lines, room)], 12)


def _legend(look: Look) -> "Picture":
    """The colours, and how much of the image each stands for."""
    sides = [f"{x1 - x0} x {y1 - y0}" for x0, y0, x1, y1 in look.boxes[0].tolist()]
    sides[-1] += " pixels of the image"
    return beside([swatch(words, scale_colour(scale)) for scale, words in enumerate(sides)], 28)
