"""Write docs/results.md and README's table from the files in results: `make results`. No number is typed by hand."""

import json
import re
import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from foveate import recipes, settings
from foveate.config import Model
from foveate.training.build import build
from foveate.training.diagnostics import MIN_DEPENDENCE
from measure import NEAREST, SLOPES, command, percent

ROOT = Path(__file__).parents[1]

Run = dict[str, Any]


def runs(row: str) -> list[Run]:
    """Every run of a row, by seed."""
    folders = sorted((ROOT / "results" / row).glob("seed-*"), key=lambda path: int(path.name[5:]))
    return [{path.stem: load(path) for path in sorted(folder.iterdir())} for folder in folders]


def load(path: Path) -> Any:
    """The contents of a file: settings, lines of metrics, or one JSON value."""
    if path.name == "config.json":
        return settings.read(path)
    text = path.read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()] if path.suffix == ".jsonl" else json.loads(text)


def spread(fractions: Sequence[float]) -> str:
    """Mean and standard deviation, in per cent."""
    middle = percent(mean(fractions))
    return f"{middle} ± {100 * stdev(fractions):.2f}" if len(fractions) > 1 else middle


def block(page: Path, mark: str) -> str:
    """The generated part of a page, between two marks."""
    found = re.search(rf"<!-- {mark} -->\n(.*?)<!-- /{mark} -->", page.read_text(encoding="utf-8"), re.DOTALL)
    assert found, f"`{page.name}` should have a place for `{mark}`."
    return found[1]


def fill(page: Path, mark: str, text: str) -> None:
    """Replace the generated part of a page."""
    before = f"<!-- {mark} -->\n{block(page, mark)}"
    page.write_text(page.read_text(encoding="utf-8").replace(before, f"<!-- {mark} -->\n{text}"), encoding="utf-8")


def wrapped(text: str) -> str:
    """A paragraph of a page, at 100 columns."""
    return textwrap.fill(text, 100, break_long_words=False, break_on_hyphens=False)


PAGE, README = ROOT / "docs" / "results.md", ROOT / "README.md"
OURS = {  # the published errors and our target for the mean, per cent: what each row is held against
    "mnist": ("MNIST", "1.07 paper, 0.85 Torch7, 0.67 best open claim", 0.50),
    "translated": ("Translated MNIST, 60x60", "1.20 paper, 0.92 Torch7, 0.94 tfRAM", 0.70),
    "cluttered60": ("Cluttered MNIST, 60x60, 4 distractors", "4.04 paper, 2.63 tfRAM", 2.0),
    "cluttered100": ("Cluttered MNIST, 100x100, 8 distractors", "8.11 paper, 5.9 tfRAM, 3.36 DRAW paper", 3.3),
}
NETWORKS = {"": "", "-paper": ", the paper's network"}
ROWS = {
    row + suffix: (task + network, published)
    for row, (task, published, _) in OURS.items()
    for suffix, network in NETWORKS.items()
}

HEAD = """\
# Results

`make results` writes this page from the files in `results`; `python scripts/measure.py take RUN
ROW` adds a run to them. Errors are test errors, in per cent of the images: the mean over the seeds,
with the standard deviation if there are several, of one pass with the mean policy unless noted. The
model is chosen by validation error. The test set is evaluated once, after training.
"""


def test_error(found: Sequence[Run]) -> str:
    """The error of a row."""
    return spread([run["test"]["error_rate"] for run in found])


def sensor(found: Sequence[Run]) -> str:
    """The glimpses of the runs of a row."""
    model = found[0]["config"].model
    scales = "1 scale" if model.depth == 1 else f"{model.depth} scales"
    return f"{model.num_glimpses} glimpses, {'x'.join(map(str, model.glimpse_size))}, {scales}"


def members(found: Sequence[Run]) -> str:
    """The number of networks in the ensemble, if several."""
    count = found[0]["config"].model.ensemble
    return f", in an ensemble of {count}" if count > 1 else ""


def how(row: str, run: Run) -> str:
    """The command that makes such a run; on its machine, compiling and bf16 are what `auto` chooses."""
    return re.sub(r" --seed \d+| --compile on| --precision bf16", "", command(row, run["config"]))


def table() -> str:
    """README's table: a line per task, our network and the paper's side by side."""
    lines = ["| `foveate train` | test error | the paper's network | published |", "|---|---|---|---|"]
    for row, (task, published, _) in OURS.items():
        errors = [f"{test_error(found)} (n = {len(found)})" for found in (runs(row), runs(f"{row}-paper"))]
        lines.append(f"| `{row}`: {task} | {errors[0]} | {errors[1]} | {published} |")
    return "\n".join([*lines, ""])


def section(row: str, found: Sequence[Run]) -> Iterator[str]:
    """All measurements of a row."""
    task, published = ROWS[row]
    yield f"\n## {task}\n"
    yield wrapped(f"{recipes.summary(row).partition(': ')[0]}. Published: {published}.") + "\n"
    yield f"```sh\n{how(row, found[0])} --seed {found[0]['config'].training.seed}\n```\n"
    yield from begun(found)
    yield "| seed | test error | 95 % interval | validation error | epoch | images/s | hours |"
    yield "|---|---|---|---|---|---|---|"
    for run in found:
        last, test = run["metrics"][-1], run["test"]
        speeds = sorted(line["images_per_second"] for line in run["metrics"])
        interval = " to ".join(map(percent, test["interval"]))
        yield (
            f"| {run['config'].training.seed} | {percent(test['error_rate'])} | {interval} "
            f"| {validated(run)} | {last['best_epoch']} of {last['epoch']} "
            f"| {speeds[len(speeds) // 2]:,.0f} | {last['seconds'] / 3600:.1f} |"
        )
    yield f"\nMean: **{test_error(found)}** (n = {len(found)}).{aimed(row, found)}\n"
    yield "| the same models, evaluated otherwise | test error |\n|---|---|"
    for name, facts in found[0]["evaluation"].items():
        rates = [run["evaluation"][name]["num_errors"] / run["evaluation"][name]["n"] for run in found]
        yield f"| {asked(name, facts)} | {spread(rates)} |"
    dependence = mean(run["evaluation"]["mean"]["scanpath_dependence"] for run in found)
    yield f"\nScanpath dependence: {100 * dependence:.0f} % of what random places have ([Seeing](seeing.md)).\n"
    if "follow" in found[0]:
        across, down = (f"{value:.2f}" for value in followed([run["follow"] for run in found]))
        right, wrong = (f"{pixels:.0f}" for pixels in found_near([run["follow"] for run in found]))
        near = f"within {right} pixels of the digit's middle if the answer is right, and within {wrong} if it is wrong"
        follows = f"The gaze follows the digit with a slope of {across} across and {down} down (`scripts/measure.py`)."
        yield wrapped(f"{follows} In nine images of ten it comes {near}.") + "\n"
    facts, model = found[0]["machine"], found[0]["config"].model
    parameters, products = network(model)
    size = f"{parameters:,} parameters, {products:,} multiply-adds per image{members(found)}"
    yield wrapped(f"Network: {sensor(found)}; {size}.") + "\n"
    machine = f"{facts['processor']}, {facts['cores']} virtual cores shared with other work, 1 thread"
    versions = f"foveate {facts['foveate']}, torch {facts['torch']}, Python {facts['python']}"
    yield wrapped(f"Machine: {machine}, {found[0]['config'].training.precision}; {versions}.")


def older() -> Iterator[str]:
    """The runs that today's rule for equal validation errors would change."""
    changed = []
    for row in ROWS:
        for run in runs(row):
            last, seed = run["metrics"][-1], run["config"].training.seed
            ties = [line for line in run["metrics"] if line["validation_error"] == last["best_validation_error"]]
            if ties[-1]["epoch"] != last["best_epoch"]:
                changed.append(f"`{row}` seed {seed} (epoch {ties[-1]['epoch']} instead of {last['best_epoch']})")
    yield "\n## Two later changes\n"
    yield wrapped(
        "These runs were made before two changes and have not been repeated. Averaged weights now span at most a "
        "quarter of the steps so far, which differs in the early epochs; at the end of `translated` and `cluttered60` "
        "the decay would be 0.999886 instead of 0.9999, and of the ablations 0.998975 instead of 0.999. Of equal "
        f"validation errors, the later epoch is now kept, which would change {', '.join(changed)}, and some runs of "
        "the last table below."
    )


def aimed(row: str, found: Sequence[Run]) -> str:
    """Whether a row reached its target, if it has one."""
    if row not in OURS:
        return ""
    target = OURS[row][2]
    wrong, n = (sum(run["test"][key] for run in found) for key in ("num_errors", "n"))
    reached = 100 * wrong <= target * n
    missed = "not reached; the notes in `lab` say what was tried"
    return f" Together {wrong:,} of {n:,} are wrong. Target: {target:.2f} %, {'reached' if reached else missed}."


def begun(found: Sequence[Run]) -> Iterator[str]:
    """The model that the runs of a row start from, if any."""
    start = found[0]["config"].training.pretrained
    if not start:
        return
    shared = " All seeds do, so their spread is the spread of this last stage." if len(found) > 1 else ""
    yield wrapped(f"Starts from the model `{start}`, which comes with the package.{shared}") + "\n"


def validated(run: Run) -> str:
    """The validation error that chose the model of a run, if any."""
    return percent(run["metrics"][-1]["best_validation_error"])


def followed(measured: Sequence[dict[str, Any]]) -> tuple[float, float]:
    """Mean slopes across and down, over the runs and the glimpses that have seen something (scripts/measure.py)."""
    across, down = zip(*(pair for run in measured for pair in run[SLOPES][1:]), strict=True)
    return mean(across), mean(down)


def found_near(measured: Sequence[dict[str, Any]]) -> tuple[float, float]:
    """Pixels within which the gaze comes to nine digits in ten, for right and for wrong answers: means over runs."""
    right, wrong = zip(*([answer[1] for answer in run[NEAREST]] for run in measured), strict=True)
    return mean(right), mean(wrong)


def network(model: Model) -> tuple[int, int]:
    """Parameters, and multiply-adds in matrix products for one answer to one image."""
    built = build(model).eval()
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        built(torch.zeros(1, *model.image), every_answer=False)
    return sum(parameter.numel() for parameter in built.parameters()), counter.get_total_flops() // 2


def asked(name: str, facts: dict[str, Any]) -> str:
    """The name of an evaluation on the page."""
    words = {"random": "random places", "center": "always the center", "raster": "row by row"}
    if name in words:
        return f"{words[name]}, instead of the learned policy"
    if name.endswith(" px"):
        return f"images scaled to {name} a side"
    return name if name.endswith(" glimpses") else facts["name"]


def page() -> str:
    """docs/results.md."""
    found = {row: runs(row) for row in ROWS}
    rows = (line for row in ROWS if found[row] for line in section(row, found[row]))
    tables = [*table_of("defaults", DEFAULTS, 2.6), *torch7(), *table_of("hands", HANDS, 3.0)]
    return "\n".join([HEAD, *rows, *tables, *older(), *ablations(), *every_answer(), *fixed_gaze(), *failure(), ""])


DEFAULTS = """
## The defaults

A `Config` with nothing but `source = "mnist"`, which is the recipe `mnist-quick`: ten epochs, a few
minutes on one core.

```sh
foveate train mnist-quick --seed 0
```

| seed | test error | 95 % interval | validation error | epoch |
|---|---|---|---|---|\
"""


TORCH7 = """
## The Torch7 experiment

The recipe `torch7-mnist`: the original's network, SGD with damped momentum, 50,000 training images,
and its own early stop, 100 epochs without a lower validation error. Torch7 reports 0.85 % after 853
epochs, from one run. Two more seeds have not been run to their end; `lab/mnist.md` says how far
they came, and that the outcome depends much on the seed and the processor.

![Validation and training error by epoch](pictures/torch7-errors.png)

![Scanpaths over test images](pictures/torch7-mnist.png)

```sh
foveate train torch7-mnist --seed 0
```

| seed | test error | 95 % interval | validation error | epoch |
|---|---|---|---|---|\
"""


def torch7() -> Iterator[str]:
    """The runs of the original's recipe, and how their gaze depends on the image."""
    yield from table_of("torch7-mnist", TORCH7, 0.85)
    for run in runs("torch7-mnist"):
        gaze, last = run["test"]["gaze"], run["metrics"][-1]
        spreads = ", ".join(f"{pixels:.1f}" for pixels in gaze["spread"])
        yield "\n" + wrapped(
            f"Where it looks, seed {run['config'].training.seed}: the glimpses differ by {spreads} pixels from image "
            f"to image; random places differ by {gaze['random_spread']:.1f}. In the last epoch "
            f"{100 * last['at_border']:.0f} % of the glimpses are at the border of the reach."
        )


HANDS = """
## Photographs

2,062 color photographs of hands that show the digits 0 to 9 (100 x 100 pixels; Arda Mavi, *Sign
Language Digits Dataset*, Apache License 2.0) with the recipe `photos`, four minutes on one quiet
core. The split is random, so that one person's hands stand in training and test. One glimpse never
shows more than half of the image. Two further tries on validation did not help: patches of 16
pixels on images of 64 (2.55 %), and label smoothing with more dropout and augmentation (4.73 %,
stopped at epoch 130), against 1.45 to 6.9 % for runs that differ in size or augmentation alone. The
spread is that of the learned gaze; a network that sees all of the image at once has no error.

```sh
foveate train signs --seed 0  # the folder of the photographs
```

With random places instead of the learned policy the models err 58.50, 62.38 and 52.91 %.

| seed | test error | 95 % interval | validation error | epoch |
|---|---|---|---|---|\
"""


def table_of(group: str, text: str, target: float) -> Iterator[str]:
    """A text and the table of a group of runs that have no row in README."""
    found = runs(group)
    if not found:
        return
    yield text
    for run in found:
        last, test = run["metrics"][-1], run["test"]
        interval = " to ".join(map(percent, test["interval"]))
        chosen = f"{validated(run)} | {last['best_epoch']} of {last['epoch']}"
        yield f"| {run['config'].training.seed} | {percent(test['error_rate'])} | {interval} | {chosen} |"
    yield f"\nMean: **{test_error(found)}** (n = {len(found)}). Target: {target:.2f} %.\n"
    facts = found[0]["machine"]
    machine = f"AMD EPYC, 2 virtual cores shared with other work, 1 thread, {facts['precision']}"
    yield wrapped(f"Machine: {machine}; foveate {facts['foveate']}, torch {facts['torch']}, Python {facts['python']}.")


EVERY_ANSWER = """\
Validation error after exactly so many glimpses, with a loss on the `last` answer or on `every` one
(`--answers`), and otherwise the same commands. The final answer gains nothing beyond the spread of
the seeds; early answers gain much. So `last` stays the default, and the recipes `*-anytime` answer
at any time ([How many glimpses?](how-many-glimpses.md)).
"""

FIXED_GAZE = """\
Models *trained* with a gaze, learned or fixed (`--gaze`), by the same commands with `--answers
every`: validation error after all glimpses. The tables above only swap the policy under a model
that was trained with another. On `digits` looking brings nothing: a window that shows two fifths of
the image errs as little if it stays in the center or follows a fixed path. On MNIST, where a window
shows a twelfth of the image, looking brings much; each fixed gaze has one seed there, and row by
row reads the border, which is black. Scenes have not been tried.
"""


def glimpse_runs() -> dict[tuple[str, str, str], list[Run]]:
    """Short runs by recipe, answers and gaze."""
    found: dict[tuple[str, str, str], list[Run]] = {}
    for folder in sorted((ROOT / "results" / "glimpses").glob("*-seed-*")):
        run = {path.stem: load(path) for path in folder.iterdir()}
        recipe = "digits" if run["config"].data.source == "digits" else "mnist-quick"
        key = (recipe, run["config"].loss.answers, run["config"].model.gaze)
        found.setdefault(key, []).append(run)
    return found


def by_glimpse(found: Sequence[Run]) -> list[str]:
    """Validation error after each glimpse."""
    steps = zip(*(run["validation"]["num_errors_by_glimpse"] for run in found), strict=True)
    n = found[0]["validation"]["n"]
    return [spread([wrong / n for wrong in step]) for step in steps]


def every_answer() -> Iterator[str]:
    """Runs with a loss on every answer, and on the last."""
    yield "\n## A loss after every glimpse\n"
    yield EVERY_ANSWER
    runs = {key: found for key, found in glimpse_runs().items() if key[2] == "learned"}
    for recipe in dict.fromkeys(key[0] for key in runs):
        columns = {key[1]: by_glimpse(found) for key, found in runs.items() if key[0] == recipe}
        count = len(runs[recipe, "last", "learned"])
        yield f"| glimpses of `{recipe}` (n = {count}) | last | every |\n|---|---|---|"
        for number, pair in enumerate(zip(columns["last"], columns["every"], strict=True), 1):
            yield f"| {number} | {' | '.join(pair)} |"
        yield ""


def fixed_gaze() -> Iterator[str]:
    """Runs with a learned and with fixed gazes."""
    yield "## What the learned gaze is worth\n"
    yield FIXED_GAZE
    yield "| recipe | gaze | validation error | n |\n|---|---|---|---|"
    for (recipe, answers, gaze), found in glimpse_runs().items():
        if answers == "every":
            yield f"| `{recipe}` | {gaze} | {by_glimpse(found)[-1]} | {len(found)} |"


FAILURE = """\
A locator that reaches only a few pixels from the middle takes nearly the same path over every
image, however well it learns, and the classifier has to make do with it. `scanpath_dependence`
shows it ([Seeing](seeing.md)): `foveate evaluate` prints it, and warns below 5 %. Here on images of
8x8 pixels, where 4 reaches every edge:

```sh
foveate sweep digits --seeds 0,1,2 --set unit_pixels=0.25,1,4
```
"""

ABLATIONS = """\
The recipe `mnist-quick` with one setting changed at a time, ten epochs each, sorted by validation
error. Long runs may rank the settings differently. For the rows of scenes, the shares of long runs,
a constant learning rate, long averages and the start model have not been measured separately with
several seeds.

| changed | validation error after the last epoch | training error | n |
|---|---|---|---|\
"""


def ablations() -> Iterator[str]:
    """Runs of the recipe `mnist-quick` with one setting changed."""
    found: dict[str, list[dict[str, float]]] = {}
    for folder in sorted((ROOT / "results" / "ablations").glob("*-seed-*")):
        config, metrics = load(folder / "config.json"), load(folder / "metrics.jsonl")
        changed = re.sub(r" --(seed|evaluate-on|compile|precision) \S+", "", command("mnist-quick", config))
        found.setdefault(changed.removeprefix("foveate train mnist-quick").strip(), []).append(metrics[-1])
    if not found:
        return
    yield "\n## Ablations\n"
    yield ABLATIONS
    for changed, lines in sorted(found.items(), key=lambda item: mean(line["validation_error"] for line in item[1])):
        validation, train = (spread([line[name] for line in lines]) for name in ("validation_error", "train_error"))
        yield f"| {f'`{changed}`' if changed else 'nothing'} | {validation} | {train} | {len(lines)} |"


def failure() -> Iterator[str]:
    """A locator that cannot reach far enough, and the number that shows it."""
    ends: dict[float, list[dict[str, float]]] = {}
    for folder in sorted((ROOT / "results" / "unit_pixels").iterdir()):
        pixels, metrics = load(folder / "config.json").model.unit_pixels, load(folder / "metrics.jsonl")
        ends.setdefault(pixels, []).append(metrics[-1])
    yield "\n## A failure mode: `unit_pixels` too small\n"
    yield FAILURE
    yield "| unit_pixels | scanpath dependence, last epoch | runs warned of | lowest validation error | n |"
    yield "|---|---|---|---|---|"
    for pixels, lines in sorted(ends.items()):
        depends, errors = ([line[name] for line in lines] for name in ("scanpath_dependence", "best_validation_error"))
        warned = sum(value < MIN_DEPENDENCE for value in depends)
        yield f"| {pixels:g} | {spread(depends)} | {warned} | {spread(errors)} | {len(lines)} |"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    fill(README, "results", table())
