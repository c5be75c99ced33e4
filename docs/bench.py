"""Write what docs/performance.md counts and measures, from the models and results/bench: part of `make results`."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from foveate.cli.bench import amounts, answer
from foveate.glimpse.location import window_sizes
from foveate.glimpse.pyramid import pitch
from foveate.training.build import build
from foveate.training.floor import operations
from foveate.training.timing import Line, Report
from foveate.training.workload import MNIST, SCENE60, SCENE100

ROOT = Path(__file__).parents[1]
PAGE, LOG = ROOT / "docs" / "performance.md", ROOT / "results" / "bench"
PICTURE = ROOT / "docs" / "pictures" / "size.png"
BLOCK = re.compile(r"(?<=<!-- bench -->\n).*?(?=<!-- /bench -->)", re.DOTALL)


def measured(report: Report) -> Iterator[str]:
    """A row for each line of the log."""
    yield "| question | case | answer, least to greatest | amounts | wanted | |"
    yield "|---|---|---|---|---|---|"
    for line in report.lines:
        yield (
            f"| {line.topic}: {line.measures} | {line.case} | {answer(line)} | {amounts(line).lstrip('; ,')} "
            f"| {wanted(line)} | {'reached' if line.reached else 'missed'} |"
        )


def wanted(line: Line) -> str:
    """The goal in few words."""
    sign, unit = "at least" if line.at_least else "at most", "x" if line.reference else f" {line.unit}"
    return f"{sign} {line.goal:,.3g}{unit}"


def counted() -> Iterator[str]:
    """What a training image of each model costs, counted."""
    yield "| model | products | pixels seen | of a pyramid |\n|---|---|---|---|"
    for model in (MNIST, SCENE60, SCENE100):
        windows = window_sizes(model.glimpse_size, model.depth, model.scale)
        seen = model.num_glimpses * sum(height * width for height, width in windows)
        rows, columns = pitch((model.image[1], model.image[2]), windows)
        yield (
            f"| {model.image[1]} px, {model.num_glimpses} glimpses of {model.depth} x {model.glimpse_size[0]}² "
            f"| {operations(build(model)) / 1e6:.1f} MFLOP | {seen:,} | {model.depth * rows * columns:,} |"
        )


def page() -> str:
    """What stands between the marks."""
    report = Report.from_json((LOG / "bench.json").read_text(encoding="utf-8"))
    machine = ", ".join(f"{name} {value}" for name, value in report.machine.items())
    return "\n".join([*counted(), "", f"Measured on: {machine}.", "", *measured(report), ""])


if __name__ == "__main__":
    shutil.copy(LOG / "bench.png", PICTURE)
    PAGE.write_text(BLOCK.sub(lambda _: page(), PAGE.read_text(encoding="utf-8")), encoding="utf-8")
