"""Write docs/commands.md, the help of every command: `make commands`."""

import io
from pathlib import Path

from rich.console import Console

from foveate.cli import app

PAGE = Path(__file__).parents[1] / "docs" / "commands.md"
NAMES = ("train", "sweep", "watch", "evaluate", "look", "export", "recipes", "web")
WIDTH = 100
HEAD = """\
# Commands

What `foveate COMMAND --help` prints; `make commands` writes this page. `foveate train --help-all`
lists every option, and [Training](training.md) explains them.
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


if __name__ == "__main__":
    PAGE.write_text(made(), encoding="utf-8")
