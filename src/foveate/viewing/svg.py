"""Figures as SVG inside a page; a tone is a variable of the page's style, so that they follow its theme."""

import base64
import io
from html import escape
from typing import TYPE_CHECKING

from foveate.viewing.figure import Area, Box, Dot, Figure, Line, Mark, Pixels, Point, Words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PIL.Image import Image as Picture


def to_svg(figure: Figure) -> str:
    """A figure as an SVG element, no wider than its own width."""
    inside = "".join(map(_mark, figure.marks))
    return (
        f'<svg class="figure" data-figure="{escape(figure.name)}" viewBox="0 0 {_n(figure.width)} {_n(figure.height)}" '
        f'style="max-width:{_n(figure.width)}px" role="img" aria-label="{escape(figure.says)}">{inside}</svg>'
    )


def shared(name: str, picture: "Picture") -> str:
    """The definition of a picture that several figures show: it is held once in the page."""
    return (
        f'<image id="{escape(name)}" width="{picture.width}" height="{picture.height}" preserveAspectRatio="none" '
        f'href="{data_uri(picture, lossy=_is_photograph(picture))}"{_crisp(picture)}/>'
    )


def data_uri(picture: "Picture", *, lossy: bool = False) -> str:
    """A picture as an address that holds it: PNG, or WebP where small losses may make it small."""
    file = io.BytesIO()
    if lossy:
        picture.save(file, "WEBP", quality=86, method=6)
    else:
        picture.save(file, "PNG", optimize=True)
    return f"data:image/{'webp' if lossy else 'png'};base64,{base64.b64encode(file.getvalue()).decode()}"


def _is_photograph(picture: "Picture") -> bool:
    """Whether a picture is large and in colour."""
    return picture.mode == "RGB" and picture.width * picture.height > 128 * 128


def _crisp(picture: "Picture") -> str:
    """Few pixels are shown as squares, many are smoothed."""
    return ' style="image-rendering:pixelated"' if max(picture.size) <= 128 else ""


def _mark(mark: Mark) -> str:
    """One mark as an element."""
    if isinstance(mark, Words):
        return (
            f'<text x="{_n(mark.at[0])}" y="{_n(mark.at[1])}" font-size="{_n(mark.size)}" dominant-baseline="central" '
            f'text-anchor="{mark.anchor}" fill="{_tone(mark.tone)}">{escape(mark.text)}</text>'
        )
    if isinstance(mark, Box):
        x0, y0, x1, y1 = mark.corners
        paint = (
            f'fill="none" stroke="{_tone(mark.tone)}" stroke-width="{_n(mark.line)}"'
            if mark.line
            else f'fill="{_tone(mark.tone)}"'
        )
        opacity = f' opacity="{_n(mark.opacity)}"' if mark.opacity < 1 else ""
        return f'<rect x="{_n(x0)}" y="{_n(y0)}" width="{_n(x1 - x0)}" height="{_n(y1 - y0)}" {paint}{opacity}/>'
    if isinstance(mark, Line):
        dashes = ' stroke-dasharray="4 4"' if mark.dashed else ""
        return (
            f'<polyline points="{_points(mark.points)}" fill="none" stroke="{_tone(mark.tone)}" '
            f'stroke-width="{_n(mark.width)}" stroke-linejoin="round" stroke-linecap="round"{dashes}/>'
        )
    if isinstance(mark, Area):
        return f'<polygon points="{_points(mark.points)}" fill="{_tone(mark.tone)}" opacity="{_n(mark.opacity)}"/>'
    if isinstance(mark, Dot):
        (x, y), tone = mark.at, _tone(mark.tone)
        return f'<circle cx="{_n(x)}" cy="{_n(y)}" r="{_n(mark.radius)}" fill="{tone}"/>'
    return _pixels(mark)


def _pixels(mark: Pixels) -> str:
    """A picture, of its own or one that the page holds."""
    x0, y0, x1, y1 = mark.corners
    if mark.name:
        scale = f"scale({_n((x1 - x0) / mark.picture.width)} {_n((y1 - y0) / mark.picture.height)})"
        return f'<use href="#{escape(mark.name)}" transform="translate({_n(x0)} {_n(y0)}) {scale}"/>'
    return (
        f'<image x="{_n(x0)}" y="{_n(y0)}" width="{_n(x1 - x0)}" height="{_n(y1 - y0)}" '
        f'preserveAspectRatio="none" href="{data_uri(mark.picture)}"/>'
    )


def _tone(tone: str) -> str:
    return f"var(--{tone})"


def _points(points: "Sequence[Point]") -> str:
    return " ".join(f"{_n(x)},{_n(y)}" for x, y in points)


def _n(value: float) -> str:
    """A number without needless digits.

    >>> _n(3.0), _n(2.71828)
    ('3', '2.718')
    """
    return f"{value:.3f}".rstrip("0").rstrip(".")
