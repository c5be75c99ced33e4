"""The ends of docs/results.md: what each lever brings, and what comes of a locator that cannot reach."""

import re
from collections.abc import Iterator
from statistics import mean

from foveate.training.alarms import HARDLY
from logs import ROOT, load, spread
from ship import command

FAILURE = """\
A locator that reaches only a few pixels from the middle sees every image along nearly the same path, however well it
learns; the classifier then makes the best of it. `scanpath_dependence` tells it ([Seeing](seeing.md)):
`foveate evaluate` prints it, and warns below 5 %. Here on images of 8x8 pixels, where 4 reaches every edge:

```sh
foveate sweep digits --seeds 0,1,2 --set unit_pixels=0.25,1,4
```
"""

ABLATIONS = """\
The recipe `mnist-quick` with one lever changed at a time: what each is worth in ten epochs, which is
not what it is worth in long runs. The least validation error stands first. What long runs, a rate that stays, long
averages and the start model bring to the rows of scenes has not been told apart, with several seeds each.

| changed | validation error after the last epoch | training error | n |
|---|---|---|---|\
"""


def ablations() -> Iterator[str]:
    """What each lever of the recipe `mnist-quick` brings: runs with one setting changed."""
    found: dict[str, list[dict[str, float]]] = {}
    for folder in sorted((ROOT / "results" / "ablations").glob("*-seed-*")):
        config, metrics = load(folder / "config.json"), load(folder / "metrics.jsonl")
        changed = re.sub(r" --(seed|evaluate-on|compile) \S+", "", command("mnist-quick", config))
        found.setdefault(changed.removeprefix("foveate train mnist-quick").strip(), []).append(metrics[-1])
    if not found:
        return
    yield "\n## Ablations\n"
    yield ABLATIONS
    for changed, lines in sorted(found.items(), key=lambda item: mean(line["validation_error"] for line in item[1])):
        validation, train = (spread([line[name] for line in lines]) for name in ("validation_error", "train_error"))
        yield f"| {f'`{changed}`' if changed else 'nothing'} | {validation} | {train} | {len(lines)} |"


def failure() -> Iterator[str]:
    """What comes of a locator that cannot reach, and the number that tells it."""
    ends: dict[float, list[dict[str, float]]] = {}
    for folder in sorted((ROOT / "results" / "unit_pixels").iterdir()):
        pixels, metrics = load(folder / "config.json").model.unit_pixels, load(folder / "metrics.jsonl")
        ends.setdefault(pixels, []).append(metrics[-1])
    yield "\n## The failure mode: `unit_pixels` that are too few\n"
    yield FAILURE
    yield "| unit_pixels | scanpath dependence, last epoch | warned of | validation error, least | n |"
    yield "|---|---|---|---|---|"
    for pixels, lines in sorted(ends.items()):
        depends, errors = ([line[name] for line in lines] for name in ("scanpath_dependence", "best_validation_error"))
        warned = sum(value < HARDLY for value in depends)
        yield f"| {pixels:g} | {spread(depends)} | {warned} | {spread(errors)} | {len(lines)} |"
