"""Metrics of a run in metrics.jsonl: one JSON object a line, one line an epoch."""

import json
from pathlib import Path
from typing import Any

from foveate.storage import files

Metrics = dict[str, Any]


def append(path: Path, metrics: Metrics) -> None:
    """Append the line of an epoch."""
    files.append(path, (json.dumps(metrics) + "\n").encode())


def read(path: Path, epochs: int | None = None) -> list[Metrics]:
    """Metrics of the first `epochs`, or all; skips a last line that a crash cut short.

    Raises:
        ValueError: if a complete line is not JSON.
    """
    text = path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""
    try:
        return [json.loads(line) for line in text.split("\n")[:-1][:epochs]]
    except json.JSONDecodeError as error:
        raise ValueError(f"`{path}` should hold one JSON object a line. Found {error.doc[:40]!r}.") from None


def truncate(path: Path, epochs: int) -> None:
    """Drop all lines after the first `epochs`, since a resumed run writes them again."""
    lines = read(path, epochs)
    with files.atomic_write(path) as file:
        file.write("".join(json.dumps(line) + "\n" for line in lines).encode())
