"""The style of pictures: the user's settings stay, pyplot is not needed, a page's colors are variables."""

import subprocess
import sys

import matplotlib
import torch

from foveate.viewing.scanpath import plot_scanpath
from foveate.viewing.style import DARK, LIGHT, figure_of, fit, sheet
from viewing.tiny import tiny_look

LOOK = tiny_look(torch.zeros(1, 20, 30, dtype=torch.uint8), [(0.0, 0.0), (0.5, 0.5)])


def test_the_settings_of_the_user_stay() -> None:
    before = dict(matplotlib.rcParams)
    with matplotlib.rc_context({"font.size": 33}):
        plot_scanpath(LOOK)
        assert matplotlib.rcParams["font.size"] == 33
    assert dict(matplotlib.rcParams) == before


def test_no_picture_needs_pyplot_or_a_screen() -> None:
    code = (
        "import sys, foveate.viewing.report, foveate.viewing.animation; assert 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_page_gives_the_colors() -> None:
    svg = figure_of(plot_scanpath(LOOK)).svg('a "path" & more')
    assert 'aria-label="a &quot;path&quot; &amp; more"' in svg
    assert "var(--ink)" in svg
    assert not any(color in svg for color in LIGHT.values())
    assert set(LIGHT) == set(DARK)
    assert "1" in svg
    assert "<text" in svg  # words can be selected and follow the page's typeface


def test_the_same_figure_is_the_same_svg() -> None:
    assert figure_of(plot_scanpath(LOOK)).svg("a") == figure_of(plot_scanpath(LOOK)).svg("a")


def test_a_notebook_shows_a_figure() -> None:
    assert figure_of(plot_scanpath(LOOK))._repr_png_().startswith(b"\x89PNG")


def test_a_text_is_made_smaller_then_cut() -> None:
    _, canvas = sheet(400, 50)
    small = fit(canvas.text(0, 20, "just too long", fontsize=20), 120)
    assert small.get_text() == "just too long"
    assert float(small.get_fontsize()) < 20
    cut = fit(canvas.text(0, 20, "much too long " * 5, fontsize=20), 120)
    assert cut.get_text().endswith("…")
    assert all(text.get_window_extent().width <= 120 for text in (small, cut))
