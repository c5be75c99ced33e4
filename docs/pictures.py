"""Draw the pictures of README.md and docs from a run: `python docs/pictures.py mnist`."""

import sys
import tempfile
from functools import partial
from pathlib import Path

from PIL import Image

from foveate.cli.look import look_at_images
from foveate.cli.opened import Opened, open_run
from foveate.viewing.look import look
from foveate.viewing.report import make_report
from foveate.viewing.scanpath import picture

PICTURES = Path(__file__).parent / "pictures"
FIGURES = ("glimpses", "confusion", "density")  # of the report


def draw(run: Path) -> list[Path]:
    """The scanpaths over the first test images that differ, as palette PNG to keep the repository small; one moves."""
    opened = open_run(run)
    looks = look_at_images(opened, partial(look, opened.model))[1:5]
    path = PICTURES / f"{run.name}.png"
    picture(looks).quantize(128).save(path, optimize=True)
    return [path, looks[0].animation(path.with_suffix(".webp")), *_draw_report(opened)]


def _draw_report(opened: Opened) -> list[Path]:
    """Some figures of the report."""
    paths = []
    with tempfile.TemporaryDirectory() as folder:
        make_report(opened.model, opened.images("test"), Path(folder), title="", config=opened.config)
        for name in FIGURES:
            paths.append(PICTURES / f"report-{name}.png")
            with Image.open(Path(folder) / f"{name}.png") as figure:
                figure.quantize(128).save(paths[-1], optimize=True)
    return paths


if __name__ == "__main__":
    print(*draw(Path(sys.argv[1])))
