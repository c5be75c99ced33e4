"""`foveate bench`: how fast this machine trains and looks, against what it could do and against the plain form."""

import importlib.util
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

import foveate

if TYPE_CHECKING:
    from foveate.training.timing import Line, Report

Switch = Parameter(negative=(), show_default=False)
TRAINED = ("mnist", "translated", "cluttered60", "cluttered100")
YARDSTICK = Path(foveate.__file__).parents[2] / "benchmarks" / "loop.py"


def bench(folder: Path = Path("runs/bench"), /, *, quick: Annotated[bool, Switch] = False) -> None:
    """Measure this machine: a table here, `bench.json` and the plot `bench.png` in a folder.

    foveate bench
    foveate bench results/bench
    foveate bench --quick

    Parameters
    ----------
    folder
        Where the table and the plot go; those that are there are replaced.
    quick
        Ask every question for one small case, once: that it runs, not how fast.
    """
    folder.mkdir(parents=True, exist_ok=True)
    report = _ask(quick)
    (folder / "bench.json").write_text(report.to_json(), encoding="utf-8")
    print(table(report))
    from foveate.viewing.size_plot import size_plot

    size_plot([line for line in report.lines if line.topic == "size"]).save(folder / "bench.png")
    print(f"{folder / 'bench.json'} and {folder / 'bench.png'} hold the same.")


def _ask(quick: bool) -> "Report":
    """Every question's lines, with a word on what is being measured."""
    from rich.console import Console

    from foveate import recipes
    from foveate.training.bench import machine, questions
    from foveate.training.timing import Report

    lines: list[Line] = []
    trained = {name: recipes.read(name) for name in TRAINED}
    asked, state = questions(trained, quick=quick, yardstick=_yardstick()), machine()
    with Console(stderr=True).status("") as status:
        for number, (name, question) in enumerate(asked.items(), 1):
            for line in question():
                lines.append(line)
                status.update(f"{number}/{len(asked)} {name}: {line.case}, {answer(line)}")
    return Report(state, tuple(lines))


def _yardstick() -> ModuleType | None:
    """`benchmarks/loop.py` where this is a checkout."""
    if not YARDSTICK.exists():
        return None
    spec = importlib.util.spec_from_file_location("foveate_benchmarks_loop", YARDSTICK)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def table(report: "Report") -> str:
    """The report in words: a heading for each question, a line for each case."""
    rows = [", ".join(f"{name} {value}" for name, value in report.machine.items())]
    heading = ""
    for line in report.lines:
        words = line.measures + (f" against {line.against}" if line.against else "")
        if words != heading and line.topic != "size":
            rows += ["", words]
        elif line.topic == "size" and line.measures not in heading:
            rows += ["", f"{words} a side"]
        heading = words
        rows.append(f"  {line.case}: {answer(line)}{amounts(line)}; wanted {_wanted(line)}")
    if all(line.topic != "loop" for line in report.lines):
        rows += ["", "Not held against the plain loop: its yardstick, benchmarks/loop.py, comes with a checkout."]
    return "\n".join(rows)


def answer(line: "Line") -> str:
    """The answer and how far the repeats lay apart."""
    if not line.reference:
        return f"{_amount(line.value, line.unit)} ({_amount(line.low, line.unit)} to {_amount(line.high, line.unit)})"
    return f"{line.value:.3g}x ({line.low:.3g} to {line.high:.3g})"


def amounts(line: "Line") -> str:
    """What was measured, and images a second where that is a pace."""
    pace = [f"{1 / line.amount:,.0f} images/s"] if line.unit == "s an image" else []
    if not line.reference:
        return "".join(f", {words}" for words in pace)
    return "; " + ", ".join([f"{_amount(line.amount, line.unit)} against {_amount(line.reference, line.unit)}", *pace])


def _amount(value: float, unit: str) -> str:
    """A number in a unit of its size."""
    if not unit.startswith("s"):
        return f"{value:,.0f} {unit}"
    scale, name = (1, "s") if value >= 1 else (1e-3, "ms") if value >= 1e-3 else (1e-6, "us")
    return f"{value / scale:.3g} {name}{unit[1:]}"


def _wanted(line: "Line") -> str:
    """The goal, and whether it was reached."""
    goal = f"{line.goal:g}x" if line.reference else _amount(line.goal, line.unit)
    return f"at {'least' if line.at_least else 'most'} {goal}: {'reached' if line.reached else 'missed'}"
