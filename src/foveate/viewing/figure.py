"""A figure as a list of marks, which are drawn as SVG in a page and with pillow as PNG, so that both show the same."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

Point = tuple[float, float]
Anchor = Literal["start", "middle", "end"]


@dataclass(frozen=True)
class Words:
    """A line of words, centred vertically on its point."""

    at: Point
    text: str
    tone: str = "ink"
    anchor: Anchor = "start"
    size: float = 12


@dataclass(frozen=True)
class Box:
    """A rectangle (x0, y0, x1, y1), filled, or outlined where it has a `line` width."""

    corners: tuple[float, float, float, float]
    tone: str
    opacity: float = 1.0
    line: float = 0.0


@dataclass(frozen=True)
class Line:
    """Points, joined."""

    points: Sequence[Point]
    tone: str
    width: float = 2.0
    dashed: bool = False


@dataclass(frozen=True)
class Area:
    """A polygon, filled."""

    points: Sequence[Point]
    tone: str
    opacity: float = 0.18


@dataclass(frozen=True)
class Dot:
    """A disc."""

    at: Point
    tone: str
    radius: float = 3.5


@dataclass(frozen=True)
class Pixels:
    """A picture in the rectangle (x0, y0, x1, y1)."""

    corners: tuple[float, float, float, float]
    picture: "Picture"
    name: str = ""
    """Under which a page holds it, where several figures show the same one."""


Mark = Words | Box | Line | Area | Dot | Pixels


@dataclass(frozen=True)
class Figure:
    """Marks on a sheet of `width` by `height`, later ones over earlier ones; a unit is a pixel of a phone.

    Convention:
        points are (x, y) from the top left corner, x right, y down.
    """

    name: str
    """What its file is called."""
    says: str
    """What it shows, for those who do not see it."""
    width: float
    height: float
    marks: Sequence[Mark]
