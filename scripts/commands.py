"""Write docs/commands.md, the help of every command, and docs/api/foveate.md, the public names: `make commands`."""

import inspect
import io
import re
from pathlib import Path
from typing import Any

from rich.console import Console

import foveate
from foveate.cli import app

DOCS = Path(__file__).parents[1] / "docs"
PAGE = DOCS / "commands.md"
PUBLIC = DOCS / "api" / "foveate.md"
NAMES = [name for name in app if not name.startswith("-")]
WIDTH = 100
STUB = re.compile(r"^from \.[\w.]+ import (\w+)", re.MULTILINE)
HEAD = """\
# Commands

What `foveate COMMAND --help` prints; `make commands` writes this page. `foveate train --help-all`
lists every option, and [Training](training.md) explains them.
"""
PUBLIC_HEAD = """\
# foveate

The public names, each imported when it is first asked for: `foveate.look`, and so on. Names lead to
the pages of their stations, which have the rest.

| name | what it is |
|---|---|
"""


def help_of(name: str) -> str:
    """The help of a command, without colors."""
    console = Console(file=io.StringIO(), width=WIDTH, color_system=None, force_terminal=False, legacy_windows=False)
    with console.capture() as captured:
        app.help_print([name], console=console)
    return "\n".join(line.rstrip() for line in captured.get().strip().splitlines())


def made() -> str:
    """The page."""
    sections = [f"\n## {name}\n\n```text\n{help_of(name)}\n```\n" for name in NAMES]
    return HEAD + "".join(sections)


def public() -> str:
    """The page of the public names, in the order of the stations."""
    values = [getattr(foveate, name) for name in STUB.findall(Path(foveate.__file__ + "i").read_text(encoding="utf-8"))]
    return PUBLIC_HEAD + "".join(map(row, values))


def row(value: Any) -> str:
    """The name of a class or function, leading to its docstring, and the first line of that."""
    said = (inspect.getdoc(value) or "").partition("\n")[0].removesuffix(".").replace("|", "\\|")
    return f"| [`{value.__name__}`][{value.__module__}.{value.__name__}] | {said} |\n"


if __name__ == "__main__":
    PAGE.write_text(made(), encoding="utf-8")
    PUBLIC.write_text(public(), encoding="utf-8")
