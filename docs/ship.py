"""Ship the best model of a finished run with the package: `python docs/ship.py runs/mnist mnist`.

Its weights are stored in half precision, and its card tells the error of what is stored, beside that of the run. It is
written from the run's own files: not a number of it is typed.
"""

import hashlib
import json
import shlex
import sys
from pathlib import Path

import torch
from safetensors.torch import load, save

from foveate import __version__, recipes, settings
from foveate.cli.opened import Opened, open_run
from foveate.config import Config
from foveate.training.evaluate import Evaluation, evaluate
from foveate.training.files import written_aside
from foveate.training.journal import read as read_journal
from foveate.training.pretrained import CONFIG, WEIGHTS
from foveate.weights import FOLDER

PRECISIONS = {"half": torch.float16, "single": torch.float32}
ORIGIN = {
    "digits": "the handwritten digits that come with scikit-learn: the test part of *Optical Recognition of "
    "Handwritten Digits* (E. Alpaydin and C. Kaynak, 1998), from the UCI Machine Learning Repository, under CC BY 4.0",
    "mnist": "MNIST (Y. LeCun, C. Cortes and C. J. C. Burges), made of scans by NIST, under CC BY-SA 3.0",
}

CARD = """\
# {summary}

```sh
foveate evaluate {name}             # measure the test error below again
foveate look {name} picture.png     # where it looks on a picture of yours
```

```python
import foveate

model = foveate.from_pretrained("{name}")
```

| | |
|---|---|
| test error | **{error}** ({wrong} of {n:,} wrong; 95 % interval {low} to {high}), mean policy, one pass |
| test error after each glimpse | {by_glimpse} |
| chosen by | {chosen}; the test images had no say |
| run | seed {seed}; the interval is that of {n:,} images, not a spread over seeds |
| recipe | `{command}` |
| starts from | {start} |
| sees | {image}; {num_glimpses} glimpses of {glimpse}, {scales} |
| answers | {classes} |
| weights | {parameters:,} parameters{columns} in {precision}, {kilobytes:,} kB, SHA-256 `{digest}` |
| made by | foveate {version} |

Data: {origin}. {canvas}

Before its weights were rounded to half precision, on the machine and in the precision of the run, {told} test images
were wrong.

It knows images like those it was trained on. Whatever else it is shown, it answers one of its classes all the same.
It is an example, not a reader of cheques.

Licence: MIT, as the package. `config.json` holds every setting of the run.
"""

SCENES = {
    "centred": "Images are shown as they are.",
    "translated": "Each image lies at a random place of a black canvas of {size}x{size} pixels.",
    "cluttered": "Each image lies at a random place of a black canvas of {size}x{size} pixels, among {n} pieces of "
    "other images.",
}


def ship(run: Path, name: str) -> Path:
    """Copy the best model of a run into the package, and write its card."""
    opened, folder = open_run(run, "cpu"), FOLDER / name
    weights = save({key: stored(value) for key, value in opened.model.state_dict().items()})
    opened.model.load_state_dict(load(weights))
    found = evaluate(opened.model, opened.images("test"), policy="mean")
    told = json.loads((run / "test.json").read_text(encoding="utf-8"))
    folder.mkdir(exist_ok=True)
    with written_aside(folder / WEIGHTS) as file:
        file.write(weights)
    with written_aside(folder / CONFIG) as file:
        file.write(settings.to_json(opened.config).encode())
    with written_aside(folder / "README.md") as file:
        file.write(card(name, opened, weights, found, told, read_journal(run / "metrics.jsonl")).encode())
    return folder


def stored(value: torch.Tensor) -> torch.Tensor:
    """A tensor in half precision, finer than what a step in bf16 multiplies with, unless it is beyond its range."""
    half = value.half()
    return half if half.isfinite().all() else value


def card(name: str, opened: Opened, weights: bytes, found: Evaluation, told: dict, journal: list[dict]) -> str:
    """What should be known about a model."""
    config, model = opened.config, opened.model.config
    low, high = found.interval
    channels, height, width = model.image
    canvas = SCENES[config.data.canvas].format(size=config.data.canvas_size, n=config.data.distractors)
    kinds = {tensor.dtype for tensor in load(weights).values()}
    tensors = opened.model.state_dict().values()
    parameters = sum(tensor.numel() for tensor in tensors)
    return CARD.format(
        name=name,
        summary=recipes.summary(name).partition(": ")[0].rstrip("."),
        error=percent(found.error_rate),
        wrong=found.wrong,
        n=found.n,
        low=percent(low),
        high=percent(high),
        by_glimpse=", ".join(percent(wrong / found.n) for wrong in found.wrong_by_glimpse),
        chosen=chosen(config, journal[-1]),
        seed=config.training.seed,
        command=command(name, config),
        start=f"the model `{config.training.pretrained}`" if config.training.pretrained else "random parameters",
        image=f"images of {height}x{width} pixels, {'grey' if channels == 1 else 'RGB'}",
        num_glimpses=model.num_glimpses,
        glimpse="x".join(map(str, model.glimpse_size)) + " pixels",
        scales="1 scale" if model.depth == 1 else f"{model.depth} scales",
        classes=", ".join(model.classes),
        parameters=parameters,
        columns=f" of {model.columns} networks that vote," if model.columns > 1 else "",
        precision=" and ".join(f"{name} precision" for name, kind in PRECISIONS.items() if kind in kinds),
        kilobytes=len(weights) // 1000,
        digest=hashlib.sha256(weights).hexdigest(),
        version=__version__,
        origin=ORIGIN[config.data.source],
        canvas=canvas,
        told=f"{told['wrong']:,} of {told['n']:,}",
    )


def chosen(config: Config, last: dict) -> str:
    """What chose the epoch whose model is kept."""
    if config.data.train_on == "all":
        return f"its schedule: the last of {last['epoch']} epochs, trained on the validation images too"
    validation = percent(last["best_validation_error"])
    return f"least validation error, {validation}, epoch {last['best_epoch']} of {last['epoch']}"


def percent(fraction: float) -> str:
    """A fraction, as the pages write it."""
    return f"{100 * fraction:.2f} %"


def flag(key: str, value: object) -> str:
    """The flag that sets a value."""
    name = key.replace("_", "-")
    if isinstance(value, bool):
        return f"--{name}" if value else f"--no-{name}"
    return shlex.join([f"--{name}", *map(str, value if isinstance(value, tuple) else [value])])


def command(name: str, config: Config) -> str:
    """The command that trains such a model: the recipe, and what differs from it."""
    flags, before = [], settings.to_dict(recipes.read(name))
    for section, values in settings.to_dict(config).items():
        changed = {key: value for key, value in values.items() if value != before[section][key]}
        flags += [flag(key, value) for key, value in changed.items() if key not in ("image", "classes")]
    return " ".join([f"foveate train {name}", *flags])


if __name__ == "__main__":
    print(ship(Path(sys.argv[1]), sys.argv[2]))
