"""Animations are read back from their files: how many frames, how long, and where the box is in each."""

import base64
import io
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageSequence

from foveate.viewing.animation import (
    IMAGE_SIDE,
    MOVE_FRAMES,
    SHIFT_FRAMES,
    Animation,
    frames,
    moments,
    save_animation,
)
from foveate.viewing.record import Look
from foveate.viewing.scanpath import view_of
from viewing.tiny import tiny_look

MARGIN = 24
ORANGE = (255, 122, 41)
LOCATIONS = [(-0.5, 0.0), (0.5, 0.0), (0.5, 0.5)]
PROBABILITIES = torch.tensor([[0.6, 0.3, 0.1], [0.3, 0.6, 0.1], [0.0, 0.9, 0.1]])


def seen(channels: int, **facts: object) -> Look:
    image = torch.full((channels, 20, 30), 60, dtype=torch.uint8)
    return tiny_look(image, LOCATIONS, **{"probabilities": PROBABILITIES, "label": "dog", **facts})


def box(page: Image.Image, look: Look) -> list[float]:
    """The orange rectangle on the image's panel, in the image's pixels."""
    (x0, y0, x1, y1), zoom = view_of([look], IMAGE_SIDE)
    high, wide = round((y1 - y0) * zoom), round((x1 - x0) * zoom)
    panel = np.asarray(page.convert("RGB")).astype(int)[MARGIN : MARGIN + high, MARGIN : MARGIN + wide]
    rows, columns = np.nonzero((abs(panel - ORANGE) < 40).all(-1))
    left, top, right, bottom = columns.min() + 1, rows.min() + 1, columns.max(), rows.max()
    return [left / zoom + x0, top / zoom + y0, right / zoom + x0, bottom / zoom + y0]


def test_the_order_of_the_moments() -> None:
    """Rest, move, see and think, rest."""
    told = moments(3)
    assert len(told) == 3 + 2 * (MOVE_FRAMES + SHIFT_FRAMES - 1)
    rests = [i for i, moment in enumerate(told) if moment.duration > 40]
    assert [(told[i].step, told[i].moved, told[i].thought) for i in rests] == [(0, 1, 1), (1, 1, 1), (2, 1, 1)]
    way = [(moment.moved, moment.thought) for moment in told[rests[0] + 1 : rests[1] + 1]]
    assert way == sorted(way)
    assert all(moved == 1 or thought == 0 for moved, thought in way)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("suffix", [".webp", ".gif"])
def test_what_is_in_the_file(channels: int, suffix: str, tmp_path: Path) -> None:
    look, path = seen(channels), tmp_path / f"a{suffix}"
    assert save_animation(look, path) == path
    with Image.open(path) as file:
        assert file.info["loop"] == 0
        told = moments(3)
        pages = [page.copy() for page in ImageSequence.Iterator(file)]
        durations = _durations(file)
        assert durations == [moment.duration for moment in told]
    for moment, page in zip(told, pages, strict=True):
        here, there = look.boxes[max(0, moment.step - 1), 0].double(), look.boxes[moment.step, 0].double()
        assert box(page, look) == pytest.approx(torch.lerp(here, there, moment.moved).tolist(), abs=0.2)
    assert path.stat().st_size < 200_000


def _durations(file: Image.Image) -> list[int]:
    """Milliseconds of each frame."""
    durations: list[int] = []
    for number in range(getattr(file, "n_frames", 1)):
        file.seek(number)
        file.load()
        durations.append(file.info["duration"])
    return durations


def test_known_boxes() -> None:
    look = seen(1)
    pages = frames(look)
    assert box(pages[0], look) == pytest.approx([6, 8, 10, 12], abs=0.1)
    assert box(pages[(MOVE_FRAMES + 1) // 2], look) == pytest.approx([13, 8, 17, 12], abs=0.1)  # half way
    assert box(pages[MOVE_FRAMES + 1], look) == pytest.approx([20, 8, 24, 12], abs=0.1)
    assert box(pages[-1], look) == pytest.approx([20, 12, 24, 16], abs=0.1)


def test_the_glimpse_changes_when_the_box_arrives() -> None:
    glimpses = torch.tensor([0.2, 0.4, 0.6]).view(3, 1, 1, 1, 1).expand(3, 1, 1, 4, 4)
    pages = [np.asarray(page)[..., 0] for page in frames(seen(1, glimpses=glimpses))]
    shown = [[value for value in (51, 102, 153) if (page == value).sum() > 70 * 70] for page in pages]
    arrived = [moment.step if moment.moved == 1 else moment.step - 1 for moment in moments(3)]
    assert shown == [[(51, 102, 153)[step]] for step in arrived]


def test_the_same_look_is_the_same_file(tmp_path: Path) -> None:
    for name in ("a.webp", "a.gif"):
        look = tiny_look(torch.zeros(1, 20, 30, dtype=torch.uint8), LOCATIONS[:2])
        save_animation(look, tmp_path / name)
        first = (tmp_path / name).read_bytes()
        save_animation(look, tmp_path / name)
        assert (tmp_path / name).read_bytes() == first


def test_looks_move_side_by_side_and_the_short_one_rests() -> None:
    short = tiny_look(torch.zeros(3, 40, 20, dtype=torch.uint8), LOCATIONS[:1])
    together, alone = frames([seen(1), short]), frames(seen(1))
    assert len(together) == len(alone)
    assert together[0].width > 1.7 * alone[0].width
    assert len({page.size for page in together}) == 1


def test_what_cannot_be_animated() -> None:
    with pytest.raises(ValueError, match=r"should end in .webp or .gif. Found `a.mp4`"):
        save_animation(seen(1), Path("a.mp4"))
    with pytest.raises(ValueError, match="at least one look"):
        frames([])


def test_a_notebook_shows_it_moving() -> None:
    classes = ("a", "<b>", "c")
    shown = Animation(seen(1, classes=classes))._repr_html_()
    data = re.fullmatch(r'<img alt="([^<>"]*)" style="[^"]*" src="data:image/webp;base64,([^"]*)">', shown)
    assert data
    with Image.open(io.BytesIO(base64.b64decode(data[2]))) as film:
        assert getattr(film, "n_frames", 1) == len(moments(3))


@pytest.mark.parametrize("suffix", [".webp", ".gif"])
def test_paper_is_white(suffix: str, tmp_path: Path) -> None:
    with Image.open(save_animation(seen(1), tmp_path / f"a{suffix}")) as film:
        assert film.convert("RGB").getpixel((2, 2)) == (255, 255, 255)
