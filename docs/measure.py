"""Take a finished run into results: `python docs/measure.py runs/mnist mnist`. What is measured here, no training sees.

results/ROW/seed-N then holds the run's settings, its lines, its test result, the machine, and evaluation.json: the
error on the test set with fewer and more glimpses, sampled, averaged, with places that nobody learned, and of smaller
digits.
"""

import json
import os
import platform
import shutil
import sys
from pathlib import Path
from typing import Any

import torch
from torch.nn import functional as F

from follow import follow
from foveate import __version__
from foveate.cli.opened import open_run
from foveate.data.canvas import centred
from foveate.data.records import Images, InMemory
from foveate.training.build import Attention
from foveate.training.evaluate import STAND_INS, Evaluation, evaluate
from foveate.training.files import written_aside

RESULTS = Path(__file__).parents[1] / "results"
SIZES = (20, 14)  # pixels a side, to which images of 28 are scaled
PASSES = 10


def take(run: Path, row: str) -> Path:
    """Copy a run's record and measure its best model."""
    opened = open_run(run, "cpu")
    folder = RESULTS / row / f"seed-{opened.config.training.seed}"
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("config.json", "metrics.jsonl", "test.json"):
        shutil.copyfile(run / name, folder / name)
    write(folder / "evaluation.json", measure(opened.model, opened.images("test")))
    write(folder / "machine.json", machine())
    if opened.config.data.canvas != "centred":
        write(folder / "follow.json", follow(run))
    return folder


def measure(model: Attention, images: Images) -> dict[str, dict[str, Any]]:
    """Every evaluation under its own name."""
    trained = model.num_glimpses
    found = {"mean": evaluate(model, images), "sampled": evaluate(model, images, policy="sampled")}
    found["averaged"] = evaluate(model, images, policy="sampled", num_rollouts=PASSES)
    found |= {name: evaluate(model, images, policy=name) for name in STAND_INS}
    found |= {f"{count} glimpses": evaluate(model, images, num_glimpses=count) for count in range(2, trained + 4)}
    height, width = images.shape[1:]
    if isinstance(images, InMemory) and (height, width) == (28, 28):
        found |= {f"{size} px": evaluate(model, scaled(images, size)) for size in SIZES}
    return {name: facts(result) for name, result in found.items()}


def scaled(images: InMemory, size: int) -> InMemory:
    """The images shrunk to `size` pixels a side, each pixel the mean of the area it covers, in the middle of black."""
    small = F.interpolate(images.image.float(), (size, size), mode="area").round().to(torch.uint8)
    return InMemory(centred(small, (images.shape[1], images.shape[2])), images.label)


def facts(result: Evaluation) -> dict[str, Any]:
    """What is kept of an evaluation."""
    gaze = {"scanpath_dependence": result.gaze.scanpath_dependence} if result.gaze else {}
    return {"name": result.name, "wrong": result.wrong, "n": result.n, "num_glimpses": result.num_glimpses, **gaze}


def machine() -> dict[str, str]:
    """What the evaluation ran on, and with."""
    cpu = Path("/proc/cpuinfo")
    lines = cpu.read_text(encoding="utf-8").splitlines() if cpu.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    versions = {"foveate": __version__, "torch": torch.__version__, "python": platform.python_version()}
    return {"processor": names[0] if names else platform.machine(), "cores": str(os.cpu_count()), **versions}


def write(path: Path, value: object) -> None:
    """A value as a JSON file."""
    with written_aside(path) as file:
        file.write((json.dumps(value, indent=2) + "\n").encode())


if __name__ == "__main__":
    print(take(Path(sys.argv[1]), sys.argv[2]))
