"""Write the tables of docs/lab-notes.md from results/pilots, short runs that tried settings: part of `make results`."""

import re
from pathlib import Path
from typing import Any

from foveate import settings
from foveate.config import Config
from logs import load
from results import followed
from ship import percent

ROOT = Path(__file__).parents[1]
PAGE, FOLDER = ROOT / "docs" / "lab-notes.md", ROOT / "results" / "pilots"
BLOCK = re.compile(r"(<!-- pilots (?P<row>\w+) -->\n).*?(?=<!-- /pilots -->)", re.DOTALL)
Flat = dict[str, Any]


def pilots(row: str) -> dict[str, Flat]:
    """The files of each pilot of a row, by the name of its folder: settings, lines, and what was measured after."""
    folders = sorted((FOLDER / row).iterdir())
    found = {folder.name: {path.stem: load(path) for path in sorted(folder.iterdir())} for folder in folders}
    return {name: {**files, "config": flat(files["config"])} for name, files in found.items()}


def flat(config: Config) -> Flat:
    """Every setting by its name."""
    return {name: value for section in settings.to_dict(config).values() for name, value in section.items()}


def table(row: str) -> str:
    """A line a pilot, the least validation error last: its settings where they are not the defaults and vary."""
    found, default = pilots(row), flat(Config())
    first = next(iter(found.values()))["config"]
    varied = {name for name in default if any(files["config"][name] != first[name] for files in found.values())}
    # The epochs have a column, and where the test set is looked at changes nothing in a table of validation errors.
    varied -= {"epochs", "evaluate_on"}
    epochs = min(files["metrics"][-1]["epoch"] for files in found.values())
    extra = [f"after {epochs}: training, validation error", "slopes of the gaze"] * (row == "translated")
    head = ["results/pilots/" + row, "settings", "epochs", "validation error, least (epoch)", "last", *extra]
    lines = [head, ["---"] * len(head)]
    for name, files in sorted(found.items(), key=lambda item: place(item[1])):
        values, metrics = files["config"], files["metrics"]
        chosen = [f"`{key}` {values[key]}" for key in sorted(varied) if values[key] != default[key]]
        last = metrics[-1]
        line = [name, ", ".join(chosen) or "as the defaults", f"{last['epoch']} of {values['epochs']}"]
        line += ["trained on"] * 2 if values["train_on"] == "all" else errors(last)
        if extra:
            early = metrics[epochs - 1]
            both = [early[name] for name in ("train_error", "validation_error")]
            line += [", ".join(map(percent, both[: 1 if values["train_on"] == "all" else 2])), steepest(files)]
        lines.append(line)
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def place(files: Flat) -> tuple[bool, float]:
    """Where a pilot stands in its table: first what has no validation error, last what has the least."""
    return files["config"]["train_on"] != "all", -files["metrics"][-1]["best_validation_error"]


def errors(last: Flat) -> list[str]:
    """The least validation error with its epoch, and the last."""
    return [f"{percent(last['best_validation_error'])} ({last['best_epoch']})", percent(last["validation_error"])]


def steepest(files: Flat) -> str:
    """How closely the gaze follows the digit across and down, on average over the glimpses that have seen something."""
    return ", ".join(f"{slope:.2f}" for slope in followed([files["follow"]]))


def page() -> str:
    """docs/lab-notes.md with its tables as the files have them."""
    return BLOCK.sub(lambda found: found[1] + table(found["row"]), PAGE.read_text(encoding="utf-8"))


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
