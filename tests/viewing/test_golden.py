"""Pictures as they were when they were last looked at: nobody changes how they look by accident.

After a change that is meant to change them: `PYTHONPATH=tests python tests/viewing/test_golden.py` draws them again.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from PIL.Image import Image as Picture

from foveate.training.evaluate import Evaluation
from foveate.training.gaze import Gaze
from foveate.viewing.charts import confusion_chart, glimpses_chart, modes_chart, spread_chart
from foveate.viewing.density import density_panel
from foveate.viewing.ink import beside, stacked
from foveate.viewing.plate import to_picture
from foveate.viewing.scanpath import picture
from viewing.tiny import tiny_look

GOLDEN = Path(__file__).with_name("golden")


def scanpath() -> Picture:
    """A look in two scales at a gradient in colour."""
    ramp = torch.arange(30).mul(8).expand(20, 30)
    image = torch.stack([ramp, ramp.flip(1), torch.full((20, 30), 90)]).byte()
    patches = torch.linspace(0, 1, 3 * 2 * 3 * 16).view(3, 2, 3, 4, 4)
    path = [(-0.8, -0.6), (0.1, 0.2), (0.9, 0.9)]
    return picture(tiny_look(image, path, ((4, 4), (8, 8)), label="cat", glimpses=patches))


def charts() -> Picture:
    """Every chart, in both themes."""
    gaze = Gaze((0.0, 2.0, 5.5), 11.4, 0.5, 0.1)
    confusion = torch.tensor([[40, 3, 1], [0, 30, 0], [6, 2, 18]])
    modes = [
        Evaluation("mean", 1, 3, 100, 12, confusion, (80, 30, 12), gaze),
        Evaluation("sampled", 1, 3, 100, 15, confusion, (79, 35, 15), gaze),
        Evaluation("sampled", 10, 3, 100, 9, confusion, (78, 28, 9), gaze),
    ]
    figures = [modes_chart(modes), glimpses_chart(modes), confusion_chart(confusion.tolist(), ("a", "b", "c"))]
    rows = [[to_picture(figure, dark=dark) for figure in (*figures, spread_chart(gaze))] for dark in (False, True)]
    return stacked([beside(row, 0) for row in rows], 0).reduce(2)


def density() -> Picture:
    """Fixations in two places, over a bar."""
    counts, under = torch.zeros(20, 30, dtype=torch.int64), torch.zeros(20, 30)
    counts[5, 8], counts[14, 22], under[8:12] = 10, 4, 1.0
    return density_panel(counts, under)


DRAWN: dict[str, Callable[[], Picture]] = {"scanpath": scanpath, "charts": charts, "density": density}


@pytest.mark.parametrize("name", DRAWN)
def test_it_looks_as_it_did(name: str) -> None:
    """Up to what another version of pillow draws otherwise: the edges of letters and lines."""
    drawn = DRAWN[name]().convert("RGB")
    with Image.open(GOLDEN / f"{name}.png") as kept:
        golden = kept.convert("RGB")
    assert drawn.size == golden.size
    difference = np.abs(np.asarray(drawn, dtype=int) - np.asarray(golden, dtype=int)).max(-1)
    assert difference.mean() < 1
    assert (difference > 64).mean() < 0.005


if __name__ == "__main__":
    GOLDEN.mkdir(exist_ok=True)
    for name, draw in DRAWN.items():
        draw().save(GOLDEN / f"{name}.png", optimize=True)
