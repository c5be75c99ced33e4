"""Measure a finished run, or ship its model. Training sees none of these measurements.

    python scripts/measure.py take RUN ROW     # into results/ROW/seed-N
    python scripts/measure.py follow RUN...    # how the gaze follows the digit
    python scripts/measure.py ship RUN NAME    # the best model, into the package

results/ROW/seed-N holds the settings of the run, its metrics, its test result, the machine, and evaluation.json: test
errors with fewer and more glimpses, with the sampled policy, averaged over passes, with fixed policies, and on smaller
digits.

The gaze is measured on validation images. Each coordinate of the locations of a glimpse is fitted by least squares to
the same coordinate of the digit's center, over all images: a slope of 1 follows the digit wherever it lies, 0 looks at
the same place in all images. The distance from the nearest location to the center tells whether a wrong answer missed
the digit or did not recognize it.

A shipped model has its weights in half precision. The card gives the error of the stored weights and the error of the
run; all numbers come from the files of the run.
"""

import hashlib
import json
import os
import platform
import shlex
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from cyclopts import App
from jaxtyping import Float, UInt8
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from safetensors.torch import load, save
from torch import Tensor
from torch.nn import functional as F

from foveate import __version__, recipes, settings
from foveate.config import Config
from foveate.data.canvas import CHUNK, centered
from foveate.data.records import Images, InMemory
from foveate.policy.fixed import FIXED_POLICIES
from foveate.storage.files import atomic_write
from foveate.storage.journal import read as read_journal
from foveate.training.build import Attention
from foveate.training.derive import derive, derive_as_saved
from foveate.training.evaluate import Evaluation, evaluate
from foveate.training.load import LoadedRun, load_run
from foveate.training.pretrained import CONFIG, WEIGHTS
from foveate.training.scenes import load_scenes
from foveate.training.stopping import StopPoint, choose_stop, save_stop, stopping_curve
from foveate.weights import FOLDER

RESULTS = Path(__file__).parents[1] / "results"
SIZES = (20, 14)  # pixels a side, for scaled images of 28
PASSES = 10


def take(run: Path, row: str) -> Path:
    """Copy the files of a run and measure its best model."""
    opened = load_run(run, "cpu")
    folder = RESULTS / row / f"seed-{opened.config.training.seed}"
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("config.json", "metrics.jsonl", "test.json"):
        shutil.copyfile(run / name, folder / name)
    write(folder / "evaluation.json", measure(opened.model, opened.images("test")))
    write(folder / "machine.json", machine())
    if opened.config.data.canvas != "centered":
        write(folder / "follow.json", follow(run))
    return folder


def measure(model: Attention, images: Images) -> dict[str, dict[str, Any]]:
    """Every evaluation under its own name."""
    trained = model.num_glimpses
    found = {"mean": evaluate(model, images), "sampled": evaluate(model, images, policy="sampled")}
    found["averaged"] = evaluate(model, images, policy="sampled", num_rollouts=PASSES)
    found |= {name: evaluate(model, images, policy=name) for name in FIXED_POLICIES}
    found |= {f"{count} glimpses": evaluate(model, images, num_glimpses=count) for count in range(2, trained + 4)}
    height, width = images.shape[1:]
    if isinstance(images, InMemory) and (height, width) == (28, 28):
        found |= {f"{size} px": evaluate(model, scaled(images, size)) for size in SIZES}
    return {name: facts(result) for name, result in found.items()}


def scaled(images: InMemory, size: int) -> InMemory:
    """The images shrunk to `size` pixels a side, each pixel the mean of the area it covers, in the middle of black."""
    small = F.interpolate(images.image.float(), (size, size), mode="area").round().to(torch.uint8)
    return InMemory(centered(small, (images.shape[1], images.shape[2])), images.label)


def facts(result: Evaluation) -> dict[str, Any]:
    """What is kept of an evaluation."""
    gaze = {"scanpath_dependence": result.gaze.scanpath_dependence} if result.gaze else {}
    return {
        "name": result.name,
        "num_errors": result.num_errors,
        "n": result.n,
        "num_glimpses": result.num_glimpses,
        **gaze,
    }


def machine() -> dict[str, str]:
    """What the evaluation ran on, and with."""
    cpu = Path("/proc/cpuinfo")
    lines = cpu.read_text(encoding="utf-8").splitlines() if cpu.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    versions = {"foveate": __version__, "torch": torch.__version__, "python": platform.python_version()}
    return {"processor": names[0] if names else platform.machine(), "cores": str(os.cpu_count()), **versions}


def write(path: Path, value: object) -> None:
    """A value as a JSON file."""
    with atomic_write(path) as file:
        file.write((json.dumps(value, indent=2) + "\n").encode())


SLOPES = "slopes of x and y, by glimpse"
NEAREST = "pixels to the nearest place, median and 90 %, where the answer is right, and wrong"
IMAGES = CHUNK  # a canvas draws these places alike with and without clutter: first all places, then all pieces


def centers(image: UInt8[Tensor, "images 1 height width"]) -> Float[Tensor, "images 2"]:
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
    """Pixels from the digit's center to the nearest of an image's places: their median, and what 90 % are below."""
    distance = (places - digits).norm(dim=-1).amin(0).double()
    return distance.quantile(distance.new_tensor([0.5, 0.9])).tolist()


def follow(run: Path) -> dict[str, list[list[float]]]:
    """Slopes by glimpse and distances by answer, of a run's best model with its mean policy."""
    opened = load_run(run, "cpu")
    images, index = opened.images("validation"), torch.arange(IMAGES)
    image = images.read(index)
    with torch.no_grad():
        rollout = opened.model(image, every_answer=False)
    odd = torch.tensor(opened.config.model.glimpse_size[::-1]) % 2
    travel = torch.tensor([image.shape[-1], image.shape[-2]]) - 2 + odd  # of a window, in pixels
    pixels = (rollout.locations + 1) / 2 * travel
    alone = load_scenes(replace(opened.config.data, canvas="translated", distractors=0)).validation
    digits = centers(alone.read(index))
    right = rollout.logits[-1].argmax(-1) == images.label[:IMAGES]
    return {
        SLOPES: [slopes(places, digits) for places in pixels],
        NEAREST: [nearest(pixels[:, answers], digits[answers]) for answers in (right, ~right)],
    }


PRECISIONS = {"half": torch.float16, "single": torch.float32}
ORIGIN = {
    "digits": "the handwritten digits that come with scikit-learn: the test part of *Optical Recognition of "
    "Handwritten Digits* (E. Alpaydin and C. Kaynak, 1998), from the UCI Machine Learning Repository, under CC BY 4.0",
    "mnist": "MNIST (Y. LeCun, C. Cortes and C. J. C. Burges), made of scans by NIST, under CC BY-SA 3.0",
}

SCENES = {
    "centered": "Images are shown unchanged.",
    "translated": "Each image lies at a random place of a black canvas of {size}x{size} pixels.",
    "cluttered": "Each image lies at a random place of a black canvas of {size}x{size} pixels, among {n} pieces of "
    "other images.",
}


def ship(run: Path, name: str) -> Path:
    """Copy the best model of a run into the package, and write its card."""
    opened, folder = load_run(run, "cpu"), FOLDER / name
    parameters = dict(opened.model.named_parameters())
    state = opened.model.state_dict()
    weights = save({key: stored(value) if key in parameters else value for key, value in state.items()})
    opened.model.load_state_dict(load(weights))
    found = evaluate(opened.model, opened.images("test"), policy="mean")
    point = choose_stop(stopping_curve(opened.model, opened.images("validation")))
    told = json.loads((run / "test.json").read_text(encoding="utf-8"))
    folder.mkdir(exist_ok=True)
    with atomic_write(folder / WEIGHTS) as file:
        file.write(weights)
    with atomic_write(folder / CONFIG) as file:
        file.write(settings.to_json(opened.config).encode())
    save_stop(point, folder)
    with atomic_write(folder / "README.md") as file:
        file.write(card(name, opened, weights, found, point, told, read_journal(run / "metrics.jsonl")).encode())
    return folder


def stored(value: torch.Tensor) -> torch.Tensor:
    """A tensor in half precision, finer than what a step in bf16 multiplies with, unless it is beyond its range."""
    half = value.half()
    return half if half.isfinite().all() else value


def card(
    name: str,
    opened: LoadedRun,
    weights: bytes,
    found: Evaluation,
    point: StopPoint,
    told: dict,
    journal: list[dict],
) -> str:
    """The card of a model."""
    config, model = opened.config, opened.model.config
    low, high = found.interval
    channels, height, width = model.image
    canvas = SCENES[config.data.canvas].format(size=config.data.canvas_size, n=config.data.distractors)
    tensors = load(weights)
    kinds = {tensors[key].dtype for key, _ in opened.model.named_parameters()}
    parameters = sum(parameter.numel() for parameter in opened.model.parameters())
    folder = FileSystemLoader(Path(__file__).parent)
    pages = Environment(loader=folder, keep_trailing_newline=True, undefined=StrictUndefined)
    return pages.get_template("card.md.jinja").render(
        name=name,
        summary=recipes.summary(name).partition(": ")[0].rstrip("."),
        error=percent(found.error_rate),
        wrong=found.num_errors,
        n=found.n,
        low=percent(low),
        high=percent(high),
        by_glimpse=", ".join(percent(wrong / found.n) for wrong in found.num_errors_by_glimpse),
        stop=point.stop,
        stopped=percent(point.error_rate),
        taken=point.mean_glimpses,
        chosen=chosen(config, journal[-1]),
        seed=config.training.seed,
        command=command(name, config),
        start=f"the model `{config.training.pretrained}`" if config.training.pretrained else "random parameters",
        image=f"images of {height}x{width} pixels, {'gray' if channels == 1 else 'RGB'}",
        num_glimpses=model.num_glimpses,
        glimpse="x".join(map(str, model.glimpse_size)) + " pixels",
        scales="1 scale" if model.depth == 1 else f"{model.depth} scales",
        classes=", ".join(model.classes),
        parameters=parameters,
        columns=f" of {model.ensemble} networks in an ensemble," if model.ensemble > 1 else "",
        precision=" and ".join(f"{name} precision" for name, kind in PRECISIONS.items() if kind in kinds),
        kilobytes=len(weights) // 1000,
        digest=hashlib.sha256(weights).hexdigest(),
        version=__version__,
        origin=ORIGIN[config.data.source],
        canvas=canvas,
        told=f"{told['num_errors']:,} of {told['n']:,}",
    )


def chosen(config: Config, last: dict) -> str:
    """How the kept epoch was chosen."""
    validation = percent(last["best_validation_error"])
    return f"lowest validation error, {validation}, epoch {last['best_epoch']} of {last['epoch']}"


def percent(fraction: float) -> str:
    """A fraction in per cent, with two decimals."""
    return f"{100 * fraction:.2f} %"


def flag(key: str, value: object) -> str:
    """The flag that sets a value."""
    name = key.replace("_", "-")
    if isinstance(value, bool):
        return f"--{name}" if value else f"--no-{name}"
    return shlex.join([f"--{name}", *map(str, value if isinstance(value, tuple) else [value])])


def command(name: str, config: Config) -> str:
    """The command that trains such a model: the recipe, and what differs from it."""
    flags, before = [], settings.to_dict(derive_as_saved(recipes.read(name), config))
    for section, values in settings.to_dict(derive(config)).items():
        changed = {key: value for key, value in values.items() if value != before[section][key]}
        flags += [flag(key, value) for key, value in changed.items() if key not in ("image", "classes")]
    return " ".join([f"foveate train {name}", *flags])


app = App(help="Measure a finished run, or ship its model.")


@app.command(name="take")
def _take(run: Path, row: str, /) -> None:
    """Add a run to a row of results."""
    print(take(run, row))


@app.command(name="follow")
def _follow(*runs: Path) -> None:
    """Measure how the gaze follows the digit, and write follow.json into each run."""
    for run in runs:
        write(run / "follow.json", follow(run))


@app.command(name="ship")
def _ship(run: Path, name: str, /) -> None:
    """Put the best model of a run into the package."""
    print(ship(run, name))


if __name__ == "__main__":
    app()
