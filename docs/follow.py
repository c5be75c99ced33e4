"""How the gaze follows the digit where it may lie anywhere: `python docs/follow.py RUN...`, on validation images.

Each coordinate of the places of a glimpse is fitted by least squares to the same coordinate of the digit's centre, over
all images: a slope of 1 follows the digit wherever it lies, 0 looks at the same place in all images. And how near the
places come to the centre tells whether a wrong answer has not found the digit, or not known it.
"""

import json
import sys
from dataclasses import replace
from pathlib import Path

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from foveate.cli.opened import open_run
from foveate.data.canvas import CHUNK
from foveate.training.scenes import load_scenes

SLOPES = "slopes of x and y, by glimpse"
NEAREST = "pixels to the nearest place, median and 90 %, where the answer is right, and wrong"
IMAGES = CHUNK  # as far as a canvas draws the same places with clutter and without: first all places, then all pieces


def centres(image: UInt8[Tensor, "images 1 height width"]) -> Float[Tensor, "images 2"]:
    """The middle (x, y), in pixels, of the box around what is not black."""
    axes = []
    for dim in (1, 2):  # over rows: what is left is x
        lit = (image[:, 0] > 0).any(dim).double()
        last = lit.shape[1] - 1
        axes.append((lit.argmax(1) + last - lit.flip(1).argmax(1)) / 2)
    return torch.stack(axes, dim=1)


def slopes(places: Float[Tensor, "images 2"], digits: Float[Tensor, "images 2"]) -> list[float]:
    """Of x and of y: covariance over the variance of the digits."""
    places, digits = (value - value.mean(0) for value in (places.double(), digits.double()))
    return ((places * digits).sum(0) / digits.square().sum(0)).tolist()


def nearest(places: Float[Tensor, "glimpses images 2"], digits: Float[Tensor, "images 2"]) -> list[float]:
    """Pixels from the digit's centre to the nearest of an image's places: their median, and what 90 % are below."""
    distance = (places - digits).norm(dim=-1).amin(0).double()
    return distance.quantile(distance.new_tensor([0.5, 0.9])).tolist()


def follow(run: Path) -> dict[str, list[list[float]]]:
    """Slopes by glimpse and distances by answer, of a run's best model with its mean policy."""
    opened = open_run(run, "cpu")
    images, index = opened.images("validation"), torch.arange(IMAGES)
    image = images.read(index)
    with torch.no_grad():
        rollout = opened.model(image, every_answer=False)
    odd = torch.tensor(opened.config.model.glimpse_size[::-1]) % 2
    travel = torch.tensor([image.shape[-1], image.shape[-2]]) - 2 + odd  # of a window, in pixels
    pixels = (rollout.locations + 1) / 2 * travel
    alone = load_scenes(replace(opened.config.data, canvas="translated", distractors=0)).validation
    digits = centres(alone.read(index))
    right = rollout.logits[-1].argmax(-1) == images.label[:IMAGES]
    return {
        SLOPES: [slopes(places, digits) for places in pixels],
        NEAREST: [nearest(pixels[:, answers], digits[answers]) for answers in (right, ~right)],
    }


if __name__ == "__main__":
    for name in sys.argv[1:]:
        (Path(name) / "follow.json").write_text(json.dumps(follow(Path(name)), indent=2) + "\n", encoding="utf-8")
