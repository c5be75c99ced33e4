"""Write docs/results.md and README's table from the files in results: `make results`. No number is typed by hand."""

import re
from collections.abc import Iterator, Sequence
from statistics import mean
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from follow import NEAREST, SLOPES
from foveate import recipes
from foveate.config import Model
from foveate.training.build import build
from levers import ablations, failure
from logs import ROOT, Run, runs, spread
from ship import command, percent

PAGE, README = ROOT / "docs" / "results.md", ROOT / "README.md"
BLOCK = re.compile(r"(?<=<!-- results -->\n).*?(?=<!-- /results -->)", re.DOTALL)
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

Written by `make results` from the files in `results`; `python docs/measure.py RUN ROW` puts those of a run there.
Errors are those of the test set, in per cent of its images: the mean over the seeds, and their standard deviation where
there are several. Unless it says otherwise, each is of one pass with the mean policy. The model is chosen by validation
error, or is that of the last epoch where the validation images are trained on too (`--train-on all`); the test set is
looked at after training.
"""


def test_error(found: Sequence[Run]) -> str:
    """The error of a row."""
    return spread([run["test"]["error_rate"] for run in found])


def sensor(found: Sequence[Run]) -> str:
    """What the runs of a row see with."""
    model = found[0]["config"].model
    scales = "1 scale" if model.depth == 1 else f"{model.depth} scales"
    return f"{model.num_glimpses} glimpses, {'x'.join(map(str, model.glimpse_size))}, {scales}"


def columns(found: Sequence[Run]) -> str:
    """How many networks read the glimpses, if several."""
    count = found[0]["config"].model.columns
    return f", in {count} columns" if count > 1 else ""


def how(row: str, run: Run) -> str:
    """The command that makes such a run; runs of this length are compiled without being told."""
    return re.sub(r" --seed \d+| --compile on", "", command(row, run["config"]))


def table() -> str:
    """README's table."""
    lines = ["| task | sensor | network | test error | n | published | command |", "|---|---|---|---|---|---|---|"]
    for row, (task, published) in ROWS.items():
        if found := runs(row):
            count = "1 run" if len(found) == 1 else f"{len(found)} runs"
            parameters, products = network(found[0]["config"].model)
            size = (
                f"{parameters / 1000:.0f} k parameters, {products / 1e6:.1f} M multiply-adds an image{columns(found)}"
            )
            lines.append(
                f"| {task} | {sensor(found)} | {size} | {test_error(found)} | {count} | {published} "
                f"| `{how(row, found[0])}` |"
            )
    return "\n".join([*lines, ""])


def section(row: str, found: Sequence[Run]) -> Iterator[str]:
    """All that was measured of a row."""
    task, published = ROWS[row]
    yield f"\n## {task}\n"
    yield f"{recipes.summary(row).partition(': ')[0]}. Published: {published}.\n"
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
    yield "| the same models, asked otherwise | test error |\n|---|---|"
    for name, facts in found[0]["evaluation"].items():
        rates = [run["evaluation"][name]["wrong"] / run["evaluation"][name]["n"] for run in found]
        yield f"| {asked(name, facts)} | {spread(rates)} |"
    dependence = mean(run["evaluation"]["mean"]["scanpath_dependence"] for run in found)
    yield f"\nThe scanpath depends on the image by {dependence:.0%} of what random places would (docs/seeing.md).\n"
    if "follow" in found[0]:
        across, down = (f"{value:.2f}" for value in followed([run["follow"] for run in found]))
        yield f"The gaze follows the digit with a slope of {across} across and {down} down (`docs/follow.py`).\n"
        right, wrong = (f"{pixels:.0f}" for pixels in found_near([run["follow"] for run in found]))
        yield (
            f"In nine images of ten its nearest place is within {right} pixels of the digit's middle if the answer "
            f"is right, and within {wrong} if it is wrong.\n"
        )
    facts, model = found[0]["machine"], found[0]["config"].model
    parameters, products = network(model)
    yield f"Network: {parameters:,} parameters, {products:,} multiply-adds an image{columns(found)}.\n"
    yield (
        f"Machine: {facts['processor']}, {facts['cores']} virtual cores shared with other work, 1 thread; "
        f"foveate {facts['foveate']}, torch {facts['torch']}, Python {facts['python']}."
    )


def aimed(row: str, found: Sequence[Run]) -> str:
    """Whether the target of a row was reached, if it has one."""
    if row not in OURS:
        return ""
    target = OURS[row][2]
    wrong, n = (sum(run["test"][key] for run in found) for key in ("wrong", "n"))
    reached = 100 * wrong <= target * n
    missed = "not reached; the [lab notes](lab-notes.md) have what was tried, and what it would take"
    return f" Together {wrong:,} of {n:,} are wrong. Target: {target:.2f} %, {'reached' if reached else missed}."


def begun(found: Sequence[Run]) -> Iterator[str]:
    """Which model the runs of a row start from, if from one."""
    start = found[0]["config"].training.pretrained
    if not start:
        return
    shared = " All seeds do, so their spread is that of this last stage alone." if len(found) > 1 else ""
    yield f"Starts from the model `{start}`, which comes with the package.{shared}\n"


def validated(run: Run) -> str:
    """The validation error that chose the model of a run, if one did."""
    if run["config"].data.train_on == "all":
        return "trained on"
    return percent(run["metrics"][-1]["best_validation_error"])


def followed(measured: Sequence[dict[str, Any]]) -> tuple[float, float]:
    """Mean slopes across and down, of the runs and of the glimpses that have seen something (docs/follow.py)."""
    across, down = zip(*(pair for run in measured for pair in run[SLOPES][1:]), strict=True)
    return mean(across), mean(down)


def found_near(measured: Sequence[dict[str, Any]]) -> tuple[float, float]:
    """How near, in pixels, the gaze comes to nine digits in ten, where the answer is right and wrong: means of runs."""
    right, wrong = zip(*([answer[1] for answer in run[NEAREST]] for run in measured), strict=True)
    return mean(right), mean(wrong)


def network(model: Model) -> tuple[int, int]:
    """Parameters, and the multiply-adds in matrix products that one answer to one image takes."""
    built = build(model).eval()
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        built(torch.zeros(1, *model.image), every_answer=False)
    return sum(parameter.numel() for parameter in built.parameters()), counter.get_total_flops() // 2


def asked(name: str, facts: dict[str, Any]) -> str:
    """What an evaluation is called on the page."""
    words = {"random": "places at random", "centre": "only the centre", "raster": "row by row"}
    if name in words:
        return f"{words[name]}, in place of the learned policy"
    if name.endswith(" px"):
        return f"images scaled to {name} a side"
    return name if name.endswith(" glimpses") else facts["name"]


def page() -> str:
    """docs/results.md."""
    found = {row: runs(row) for row in ROWS}
    rows = (line for row in ROWS if found[row] for line in section(row, found[row]))
    return "\n".join([HEAD, *rows, *ablations(), *failure(), ""])


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    README.write_text(BLOCK.sub(lambda _: table(), README.read_text(encoding="utf-8")), encoding="utf-8")
