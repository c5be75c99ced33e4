"""`make bench`: speed of training and inference on this machine, against its limits and the plain loop."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter, run
from rich.console import Console

from benchmarks.questions import machine, questions
from benchmarks.size_plot import plot_sizes
from benchmarks.timing import Line, Report
from foveate import recipes
from foveate.viewing.style import figure_of

Switch = Parameter(negative=(), show_default=False)
TRAINED = ("mnist", "translated", "cluttered60", "cluttered100")


def bench(folder: Path = Path("runs/bench"), /, *, quick: Annotated[bool, Switch] = False) -> None:
    """Measure this machine's speed: print a table, and write `bench.json` and the plot `bench.png` to a folder.

    python -m benchmarks.bench
    python -m benchmarks.bench results/bench
    python -m benchmarks.bench --quick

    Parameters
    ----------
    folder
        Folder of the table and the plot; existing ones are replaced.
    quick
        Measure one small case of every question, once, to test that it runs.
    """
    folder.mkdir(parents=True, exist_ok=True)
    report = _ask(quick)
    (folder / "bench.json").write_text(report.to_json(), encoding="utf-8")
    print(table(report))
    sizes = plot_sizes([line for line in report.lines if line.topic == "size"])
    figure_of(sizes).savefig(folder / "bench.png")
    print(f"Written: {folder / 'bench.json'} and {folder / 'bench.png'}.")


def _ask(quick: bool) -> Report:
    """The report of all questions; shows what is being measured."""
    lines: list[Line] = []
    trained = {name: recipes.read(name) for name in TRAINED}
    asked = questions(trained, quick=quick)
    state = machine()
    with Console(stderr=True).status("") as status:
        for number, (name, question) in enumerate(asked.items(), 1):
            for line in question():
                lines.append(line)
                status.update(f"{number}/{len(asked)} {name}: {line.case}, {answer(line)}")
    return Report(state, tuple(lines))


def table(report: Report) -> str:
    """The report as text: a heading for each question, a line for each case."""
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
    return "\n".join(rows)


def answer(line: Line) -> str:
    """The answer of a line and the range of its repeats."""
    if not line.reference:
        return f"{_amount(line.value, line.unit)} ({_amount(line.low, line.unit)} to {_amount(line.high, line.unit)})"
    return f"{line.value:.3g}x ({line.low:.3g} to {line.high:.3g})"


def amounts(line: Line) -> str:
    """Measured amounts of a line, with images a second if they are times an image."""
    pace = [f"{1 / line.amount:,.0f} images/s"] if line.unit == "s an image" else []
    if not line.reference:
        return "".join(f", {words}" for words in pace)
    return "; " + ", ".join([f"{_amount(line.amount, line.unit)} against {_amount(line.reference, line.unit)}", *pace])


def _amount(value: float, unit: str) -> str:
    """A number with its unit; seconds as s, ms or us."""
    if not unit.startswith("s"):
        return f"{value:,.0f} {unit}"
    scale, name = (1, "s") if value >= 1 else (1e-3, "ms") if value >= 1e-3 else (1e-6, "us")
    return f"{value / scale:.3g} {name}{unit[1:]}"


def _wanted(line: Line) -> str:
    """The goal of a line, and whether it was reached."""
    goal = f"{line.goal:g}x" if line.reference else _amount(line.goal, line.unit)
    return f"at {'least' if line.at_least else 'most'} {goal}: {'reached' if line.reached else 'missed'}"


if __name__ == "__main__":
    run(bench)
