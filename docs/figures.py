"""Write the figures of the last full torture (results/torture) into docs/reliability.md: part of `make torture`."""

import json
import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "reliability.md"
BLOCK = re.compile(r"(?<=<!-- figures -->\n).*?(?=<!-- /figures -->)", re.DOTALL)


def rows(path: Path) -> list[str]:
    """The lines of one file of figures."""
    facts = json.loads(path.read_text(encoding="utf-8"))
    test = "`make torture`" if path.stem == "whole" else f"`tests/torture/test_{path.stem}.py`"
    return [f"| {what} | {count:,} | {test} | {facts['date']} |" for what, count in facts["figures"].items()]


def found() -> str:
    """The table as the files have it."""
    files = sorted((ROOT / "results" / "torture").glob("*.json"))
    head = ["| what was tried or measured | figure | by | on |", "|---|---|---|---|"]
    return "\n".join([*head, *(row for path in files for row in rows(path)), ""])


def told() -> str:
    """The table as the page has it."""
    block = BLOCK.search(PAGE.read_text(encoding="utf-8"))
    assert block, "docs/reliability.md should have a place for the figures."
    return block.group()


if __name__ == "__main__":
    PAGE.write_text(BLOCK.sub(lambda _: found(), PAGE.read_text(encoding="utf-8")), encoding="utf-8")
