"""Style of every picture: colors, typeface, and figures whose panels lie on whole pixels."""

import io
import re
from collections.abc import Callable
from functools import cache, wraps
from html import escape
from typing import Any, ParamSpec, TypeVar

import matplotlib
import numpy as np
from jaxtyping import Shaped
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import get_font_names
from matplotlib.patheffects import Normal, withStroke
from matplotlib.text import Text
from torch import Tensor, uint8

P = ParamSpec("P")
R = TypeVar("R")

DPI = 100
LIGHT = {
    "paper": "#ffffff",
    "ink": "#1c2128",
    "quiet": "#68707c",
    "faint": "#e2e5e9",
    "accent": "#1c5cbe",
    "other": "#b2520c",
    "third": "#0f766e",
    "wrong": "#be3228",
}
"""Colors on white paper, each with enough contrast to be read."""
DARK = {
    "paper": "#111418",
    "ink": "#e8ebef",
    "quiet": "#9ea7b3",
    "faint": "#30363e",
    "accent": "#7aacff",
    "other": "#ffa45c",
    "third": "#54cebe",
    "wrong": "#ff7a6e",
}
"""The same colors on dark paper."""
PAPER, INK, QUIET, FAINT, ACCENT, OTHER, RIGHT, WRONG = LIGHT.values()
BEYOND = "#cbd0d6"  # outside the image, where the model sees 0
PATH = "#ffcd3c"
SCALES = ("#ff7a29", "#22b2a6", "#608cf0", "#be6ecd", "#96be32", "#f06991")
"""Colors of the scales, fine first, visible on black images and, with a dark rim, on white ones."""
FALLBACKS = ("Noto Sans CJK JP", "Noto Sans CJK SC", "Arial Unicode MS", "Microsoft YaHei", "Noto Color Emoji")


def scale_color(scale: int) -> str:
    """Color of a scale, 0 the finest."""
    return SCALES[scale % len(SCALES)]


def styled(draw: Callable[P, R]) -> Callable[P, R]:
    """Draw in our style, whatever the user's settings, which stay as they are."""

    @wraps(draw)
    def drawn(*args: P.args, **kwargs: P.kwargs) -> R:
        with matplotlib.rc_context(_settings()):
            return draw(*args, **kwargs)

    return drawn


@cache
def _settings() -> Any:
    """Settings of matplotlib; names are never taken for formulas."""
    known = get_font_names()
    return {
        "text.parse_math": False,
        "font.family": ["DejaVu Sans", *(name for name in FALLBACKS if name in known)],
        "font.size": 9,
        "text.color": INK,
        "axes.edgecolor": FAINT,
        "axes.labelcolor": QUIET,
        "axes.labelsize": 9,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": False,
        "axes.axisbelow": True,
        "grid.color": FAINT,
        "grid.linewidth": 0.8,
        "xtick.color": FAINT,
        "ytick.color": FAINT,
        "xtick.labelcolor": QUIET,
        "ytick.labelcolor": QUIET,
        "xtick.labelsize": 8.5,
        "ytick.labelsize": 8.5,
        "figure.facecolor": PAPER,
        "axes.facecolor": PAPER,
        "savefig.facecolor": "auto",
        "savefig.bbox": None,
        "svg.fonttype": "none",
        "svg.hashsalt": "foveate",
    }


class AggFigure(Figure):
    """A figure that draws with Agg, without pyplot, and shows itself in a notebook."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._agg = FigureCanvasAgg(self)

    def pixels(self) -> np.ndarray:
        """Draw, as an array (height, width, 3) of bytes."""
        self._agg.draw()
        return np.asarray(self._agg.buffer_rgba())[..., :3].copy()

    def encode(self, suffix: str, **options: Any) -> bytes:
        """The content of an image file of this format."""
        file = io.BytesIO()
        self.savefig(file, format=suffix, **options)
        return file.getvalue()

    @styled
    def svg(self, alt: str) -> str:
        """An SVG element with an alternative text, no wider than the figure; its colors are CSS variables of a page."""
        text = self.encode("svg", transparent=True, metadata={"Date": None}).decode()
        text = re.sub(r' id="[A-Za-z0-9.]+_\d+"', "", text[text.index("<svg") :])
        for name, color in LIGHT.items():
            text = text.replace(color, f"var(--{name})")
        width = round(float(self.get_size_inches()[0]) * 96)
        label = f'<svg class="figure" role="img" aria-label="{escape(alt)}" style="max-width: {width}px" '
        return label + re.sub(r' (width|height)="[\d.]+pt"', "", text.removeprefix("<svg "), count=2)

    def _repr_png_(self) -> bytes:
        """The picture that a notebook shows and keeps, in 256 colors."""
        from PIL import Image

        file = io.BytesIO()
        Image.fromarray(self.pixels()).quantize(256, dither=Image.Dither.NONE).save(file, "PNG", optimize=True)
        return file.getvalue()


def figure_of(axes: Axes) -> AggFigure:
    """The figure of axes that a plot made."""
    figure = axes.get_figure(root=True)
    if not isinstance(figure, AggFigure):
        raise TypeError(f"The figure should be an `AggFigure`. Found a `{type(figure).__name__}`.")
    return figure


def sheet(width: float, height: float) -> tuple[AggFigure, Axes]:
    """A figure of this many pixels, and axes over all of it whose units are pixels from the top left corner."""
    figure = AggFigure(figsize=(width / DPI, height / DPI), dpi=DPI)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, width), ylim=(height, 0))
    axes.set_axis_off()
    return figure, axes


def panel(figure: Figure, left: float, top: float, width: float, height: float) -> Axes:
    """Axes on a sheet, in pixels from its top left corner."""
    wide, high = np.asarray(figure.get_size_inches()) * DPI
    return figure.add_axes((left / wide, 1 - (top + height) / high, width / wide, height / high))


def outlined(width: float) -> list[Any]:
    """A dark rim around a line or a text, so that it is visible on any image."""
    return [withStroke(linewidth=width, foreground=(0, 0, 0, 0.75)), Normal()]


def fit(text: Text, room: float, smallest: float = 0.6) -> Text:
    """Make a text smaller, then cut it, until it takes at most `room` pixels."""
    full = text.get_window_extent().width
    if full > room:
        text.set_fontsize(float(text.get_fontsize()) * max(smallest, 0.97 * room / full))
    words = text.get_text()
    while words and text.get_window_extent().width > room:
        words = words[:-1]
        text.set_text(words.rstrip() + "…")
    return text


def as_array(image: Shaped[Tensor, "channels height width"]) -> np.ndarray:
    """An image as matplotlib shows it: (height, width, 3) in [0, 1]; any other number of channels becomes gray."""
    pixels = image.float() / 255 if image.dtype == uint8 else image.float()
    if len(pixels) != 3:
        pixels = pixels.mean(0, keepdim=True).expand(3, -1, -1)
    return pixels.clamp(0, 1).permute(1, 2, 0).numpy()


def zoom_to(size: tuple[int, int], room: int) -> float:
    """Zoom for a longer side of about `room` pixels: a whole number, so that pixels are crisp, or below 1."""
    zoom = room / max(size)
    return float(round(zoom)) if zoom > 0.75 else zoom
