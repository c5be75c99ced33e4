"""The lowest versions that pyproject.toml allows, as constraints for pip: `make lowest` tests with them."""

import re
from pathlib import Path

PROJECT = Path(__file__).parents[1] / "pyproject.toml"
BOUND = re.compile(r'"([\w-]+)(?:\[[\w,-]*\])?>=([\d.]+)')


def lowest(text: str) -> list[str]:
    """A line for each package that the text of a pyproject.toml gives a lower bound."""
    return sorted({f"{name}=={version}" for name, version in BOUND.findall(text)})


if __name__ == "__main__":
    print("\n".join(lowest(PROJECT.read_text(encoding="utf-8"))))
