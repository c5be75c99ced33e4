"""The files in results: reading the runs of a row, and saying the mean of several."""

import json
from collections.abc import Sequence
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from foveate import settings
from ship import percent

ROOT = Path(__file__).parents[1]

Run = dict[str, Any]


def runs(row: str) -> list[Run]:
    """Every run of a row, by seed."""
    folders = sorted((ROOT / "results" / row).glob("seed-*"), key=lambda path: int(path.name[5:]))
    return [{path.stem: load(path) for path in sorted(folder.iterdir())} for folder in folders]


def load(path: Path) -> Any:
    """What a file holds: the settings, the lines of metrics, or one JSON value."""
    if path.name == "config.json":
        return settings.read(path)
    text = path.read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()] if path.suffix == ".jsonl" else json.loads(text)


def spread(fractions: Sequence[float]) -> str:
    """Mean and standard deviation, in per cent."""
    middle = percent(mean(fractions))
    return f"{middle} ± {100 * stdev(fractions):.2f}" if len(fractions) > 1 else middle
