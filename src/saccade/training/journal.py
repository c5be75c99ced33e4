"""metrics.jsonl: one line of JSON an epoch, only ever appended to."""

import json
from pathlib import Path
from typing import Any

from saccade.training.files import written_aside

Metrics = dict[str, Any]


def append(path: Path, metrics: Metrics) -> None:
    """Add the line of an epoch."""
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(metrics) + "\n")


def read(path: Path) -> list[Metrics]:
    """The lines so far; one that a crash cut short at the end is left out."""
    lines = path.read_text(encoding="utf-8").split("\n")[:-1] if path.exists() else []
    try:
        return [json.loads(line) for line in lines]
    except json.JSONDecodeError as error:
        raise ValueError(f"`{path}` should hold one JSON object a line. Found {error.doc[:40]!r}.") from None


def keep(path: Path, epochs: int) -> None:
    """Forget what lies beyond the first `epochs` lines: a resumed run writes them again."""
    lines = read(path)[:epochs]
    with written_aside(path) as file:
        file.write("".join(json.dumps(line) + "\n" for line in lines).encode())
