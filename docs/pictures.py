"""Draw the pictures of README.md and docs from a run: `python docs/pictures.py runs/mnist`."""

import sys
from functools import partial
from pathlib import Path

from saccade.cli.look import look_at_test_images
from saccade.cli.opened import open_run
from saccade.viewing.look import look
from saccade.viewing.scanpath import picture

PICTURES = Path(__file__).parent / "pictures"


def draw(run: Path) -> list[Path]:
    """The scanpaths over the first test images that differ, as palette PNG to keep the repository small; one moves."""
    opened = open_run(run)
    looks = look_at_test_images(opened, partial(look, opened.model))[1:5]
    path = PICTURES / f"{run.name}.png"
    picture(looks).quantize(128).save(path, optimize=True)
    return [path, looks[0].animation(path.with_suffix(".webp"))]


if __name__ == "__main__":
    print(*draw(Path(sys.argv[1])))
