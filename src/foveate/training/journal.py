"""metrics.jsonl: one line of JSON an epoch, only ever appended to."""

import json
from pathlib import Path
from typing import Any

from foveate.training import files

Metrics = dict[str, Any]


def append(path: Path, metrics: Metrics) -> None:
    """Add the line of an epoch."""
    files.append(path, (json.dumps(metrics) + "\n").encode())


def read(path: Path, epochs: int | None = None) -> list[Metrics]:
    """The lines of the first `epochs`, or of all; one that a crash cut short at the end is left out."""
    text = path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""
    try:
        return [json.loads(line) for line in text.split("\n")[:-1][:epochs]]
    except json.JSONDecodeError as error:
        raise ValueError(f"`{path}` should hold one JSON object a line. Found {error.doc[:40]!r}.") from None


def keep(path: Path, epochs: int) -> None:
    """Forget what lies beyond the first `epochs` lines: a resumed run writes them again."""
    lines = read(path, epochs)
    with files.written_aside(path) as file:
        file.write("".join(json.dumps(line) + "\n" for line in lines).encode())
