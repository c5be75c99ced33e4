"""Write the generated parts of the other pages: `make tree`, `make results`, `make torture`.

python scripts/pages.py tree      # docs/architecture.md, from the first line of each file
python scripts/pages.py bench     # docs/performance.md, from the models and results/bench
python scripts/pages.py pilots    # lab/pilots/README.md, from the logs of the short runs
python scripts/pages.py torture   # docs/reliability.md, from results/torture
"""

import ast
import json
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.bench import amounts, answer
from benchmarks.floor import operations
from benchmarks.timing import Line, Report
from benchmarks.workload import MNIST, SCENE60, SCENE100
from foveate import settings
from foveate.config import Config
from foveate.glimpse.location import window_sizes
from foveate.training.build import build
from measure import percent
from results import fill, followed, load, wrapped

ROOT = Path(__file__).parents[1]
ARCHITECTURE = ROOT / "docs" / "architecture.md"
PACKAGE = "src/foveate"
COMMENT = re.compile(r"(?:^#|^//|^/\*|<!--) (.*?)(?: \*/| -->)?$", re.MULTILINE)  # the first, in whatever language
LISTED = {".py", ".c", ".toml", ".css", ".js"}
HEADS = ("__init__.py", "README.md", "index.html")  # files that describe their folder: code, a model card, a page
OTHERS = {
    "tests": "mirror src/foveate; run on every push",
    "examples": "programs that use the parts on their own",
    "benchmarks": "how fast this machine is: `make bench`",
    "docs": "the pages",
    "scripts": "programs that write the generated parts of the pages, and ship models",
    "lab": "what was tried: notes by topic, and the logs of the pilot runs",
    "results": "configs and metrics of the runs behind the published numbers",
    "Makefile": "setup, tests, generated pages",
    "constraints.txt": "the versions that are tested",
    "pyproject.toml": "the package, its dependencies, the settings of its checks",
    "mkdocs.yml": "the pages of the documentation site",
    "CHANGELOG.md": "what changed for users",
    "CONTRIBUTING.md": "how to change the code",
    "CITATION.cff": "how to cite this implementation and the paper",
    "SECURITY.md": "what listens on a port, its limits, and where to report a weakness",
    "LICENSE": "MIT",
    ".ci": "what runs on a push",
    ".github": "the same on the public forge, releases, forms for issues and changes",
    ".pre-commit-config.yaml": "quick checks before a commit",
    ".gitignore": "what git does not keep",
    "README.md": "where to start",
}


def tracked() -> list[Path]:
    """The files under version control that exist."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [Path(name) for name in listed.split("\0") if name and (ROOT / name).exists()]


def clause(path: Path) -> str:
    """The first line of a file's docstring or comment, up to a semicolon."""
    text = (ROOT / path).read_text(encoding="utf-8")
    comment = COMMENT.search(text)
    said = (ast.get_docstring(ast.parse(text)) or "") if path.suffix == ".py" else comment[1] if comment else ""
    return re.split(r";|\.?$", said.partition("\n")[0].strip())[0]


def branch(folder: Path, files: list[Path]) -> list[tuple[int, str, str]]:
    """Depth, name and description of a folder and of everything in it, modules first."""
    depth = len(folder.parts) - 1
    inside = sorted(path for path in files if path.parent == folder and path.suffix in LISTED)
    modules = [(depth + 1, path.name, clause(path)) for path in inside if path.name != "__init__.py"]
    folders = sorted({path.parent for path in files if path.parent.parent == folder})
    head = next(folder / name for name in HEADS if folder / name in files)
    rows = [(depth, f"{folder.name}/", clause(head)), *modules]
    return rows + [row for child in folders for row in branch(child, files)]


def grown() -> str:
    """The tree as it stands."""
    files = tracked()
    package = [path for path in files if path.is_relative_to(PACKAGE)]
    tops = dict.fromkeys(path.parts[0] for path in files if path.parts[0] != "src")
    rows = [(0, "src/", "the package"), *branch(Path(PACKAGE), package)]
    rows += [(0, f"{top}/" if (ROOT / top).is_dir() else top, OTHERS.get(top, "")) for top in sorted(tops)]
    lines = [f"{'  ' * depth + name:<36}{said}".rstrip() + "\n" for depth, name, said in rows]
    return "".join(["```text\n", *lines, "```\n"])


PERFORMANCE = ROOT / "docs" / "performance.md"
LOG = ROOT / "results" / "bench"
PICTURE = ROOT / "docs" / "pictures" / "size.png"


def measured(report: Report) -> Iterator[str]:
    """A row for each line of the log."""
    yield "| question | case | result (lowest to highest) | amounts | goal | |"
    yield "|---|---|---|---|---|---|"
    for line in report.lines:
        yield (
            f"| {line.topic}: {line.measures} | {line.case} | {answer(line)} | {amounts(line).lstrip('; ,')} "
            f"| {wanted(line)} | {'reached' if line.reached else 'missed'} |"
        )


def wanted(line: Line) -> str:
    """The goal, in short."""
    sign, unit = "at least" if line.at_least else "at most", "x" if line.reference else f" {line.unit}"
    return f"{sign} {line.goal:,.3g}{unit}"


def counted() -> Iterator[str]:
    """The counted cost of a training image of each model."""
    yield "| model | products | pixels seen |\n|---|---|---|"
    for model in (MNIST, SCENE60, SCENE100):
        windows = window_sizes(model.glimpse_size, model.depth, scale=2.0)
        seen = model.num_glimpses * sum(height * width for height, width in windows)
        yield (
            f"| {model.image[1]} px, {model.num_glimpses} glimpses of {model.depth} x {model.glimpse_size[0]}² "
            f"| {operations(build(model)) / 1e6:.1f} MFLOP | {seen:,} |"
        )


def bench_tables() -> str:
    """The generated part of docs/performance.md."""
    report = Report.from_json((LOG / "bench.json").read_text(encoding="utf-8"))
    machine = ", ".join(f"{name} {value}" for name, value in report.machine.items())
    return "\n".join([*counted(), "", wrapped(f"Measured on: {machine}."), "", *measured(report), ""])


FOLDER = ROOT / "lab" / "pilots"
PILOTS = FOLDER / "README.md"
HEAD = """\
# Pilots

`make results` writes these tables from the logs in this folder: one line per run, the lowest
validation error last. "Settings" lists what differs from the most common values of the group.
The [notes](../README.md) say what each group asked and what followed. Some runs were patched or
stopped early, which their settings do not show; the notes name them.
"""
Flat = dict[str, Any]


def groups() -> list[str]:
    """The groups of pilots, a folder each."""
    return sorted(path.name for path in FOLDER.iterdir() if path.is_dir())


def pilots(group: str) -> dict[str, Flat]:
    """The files of each pilot of a group, by the name of its folder: settings, metrics, and later measurements."""
    found = {}
    for folder in sorted((FOLDER / group).iterdir()):
        files = {path.stem: load(path) for path in sorted(folder.iterdir())}
        files["config"] = flat(files["config"])
        found[folder.name] = files
    return found


def flat(config: Config) -> Flat:
    """Every setting by its name."""
    return {name: value for section in settings.to_dict(config).values() for name, value in section.items()}


def table(group: str) -> str:
    """The common values of the settings that vary, and a line per pilot, the lowest validation error last."""
    found = pilots(group)
    common = most_common([files["config"] for files in found.values()])
    epochs = min(files["metrics"][-1]["epoch"] for files in found.values())
    head = ["pilot", "settings", "epochs", "validation error, lowest (epoch)", "last"]
    if group == "translated":
        head += [f"after {epochs}: training, validation error", "slopes of the gaze"]
    lines = [head, ["---"] * len(head)]
    for name, files in sorted(found.items(), key=lambda item: order(item[1])):
        values, metrics = files["config"], files["metrics"]
        chosen = [told(key, values[key]) for key in common if values[key] != common[key]]
        line = [name, ", ".join(chosen) or "the common ones", f"{metrics[-1]['epoch']} of {values['epochs']}"]
        line += errors(metrics[-1])
        if group == "translated":
            line += [early_errors(metrics[epochs - 1]), slopes(files)]
        lines.append(line)
    rows = "".join(f"| {' | '.join(line)} |\n" for line in lines)
    line = f"Most common: {', '.join(told(key, value) for key, value in common.items())}."
    return f"{wrapped(line)}\n\n{rows}"


def most_common(configs: list[Flat]) -> Flat:
    """The most common value of each setting that varies, apart from those that have a column or change nothing here."""
    common = {}
    for name in sorted(set(configs[0]) - {"epochs", "evaluate_on"}):
        values = [config[name] for config in configs]
        if any(value != values[0] for value in values):
            common[name] = Counter(values).most_common(1)[0][0]
    return common


def told(name: str, value: Any) -> str:
    """A setting in a table."""
    return f"`{name}` {value}" if value != "" else f"no `{name}`"


def order(files: Flat) -> float:
    """The place of a pilot in its table: the lowest validation error is last."""
    return -files["metrics"][-1]["best_validation_error"]


def errors(last: Flat) -> list[str]:
    """The lowest validation error with its epoch, and the last one."""
    return [f"{percent(last['best_validation_error'])} ({last['best_epoch']})", percent(last["validation_error"])]


def early_errors(line: Flat) -> str:
    """Training and validation error of an early epoch, which all pilots of a group reached."""
    return ", ".join(percent(line[name]) for name in ("train_error", "validation_error"))


def slopes(files: Flat) -> str:
    """How closely the gaze follows the digit across and down, averaged over the glimpses that have seen something."""
    return ", ".join(f"{slope:.2f}" for slope in followed([files["follow"]]))


def pilots_page() -> str:
    """lab/pilots/README.md."""
    sections = [f"## {group}\n\n{table(group)}" for group in groups()]
    return "\n".join([HEAD, *sections])


RELIABILITY = ROOT / "docs" / "reliability.md"


def figure_rows(path: Path) -> list[str]:
    """The rows of one file of figures."""
    facts = json.loads(path.read_text(encoding="utf-8"))
    test = "`make torture`" if path.stem == "whole" else f"`tests/torture/test_{path.stem}.py`"
    return [f"| {what} | {count:,} | {test} | {facts['date']} |" for what, count in facts["figures"].items()]


def figures() -> str:
    """The table of docs/reliability.md."""
    files = sorted((ROOT / "results" / "torture").glob("*.json"))
    head = ["| measured | figure | by | on |", "|---|---|---|---|"]
    return "\n".join([*head, *(row for path in files for row in figure_rows(path)), ""])


def write_bench() -> None:
    """Write the tables of docs/performance.md, and copy the plot."""
    shutil.copy(LOG / "bench.png", PICTURE)
    fill(PERFORMANCE, "bench", bench_tables())


def write_pilots() -> None:
    """Write lab/pilots/README.md."""
    PILOTS.write_text(pilots_page(), encoding="utf-8")


WRITERS = {
    "tree": lambda: fill(ARCHITECTURE, "tree", grown()),
    "bench": write_bench,
    "pilots": write_pilots,
    "torture": lambda: fill(RELIABILITY, "figures", figures()),
}


if __name__ == "__main__":
    for name in sys.argv[1:]:
        WRITERS[name]()
