"""The figures of a torture: each test notes what it tried, and a full run writes them down for docs/reliability.md."""

import json
import os
import platform
import time
from pathlib import Path

import pytest

RESULTS = Path(__file__).parents[2] / "results" / "torture"
WHOLE = "whole"
NOTES = pytest.StashKey[dict[str, dict[str, float]]]()


def note(request: pytest.FixtureRequest, what: str, count: float) -> None:
    """Add to a figure of the page, under the name of the test's file; figures of the same name add up."""
    notes = request.config.stash.setdefault(NOTES, {})
    figures = notes.setdefault(name_of(request.node), {})
    figures[what] = figures.get(what, 0) + count


def name_of(test: pytest.Item) -> str:
    """The file that a test is in."""
    return test.path.stem.removeprefix("test_")


def note_whole(config: pytest.Config, seconds: float) -> None:
    """Add what a whole run took, and how many of its tests held or were skipped, which is all it can do but fail."""
    told: dict[str, list] = config.pluginmanager.get_plugin("terminalreporter").stats  # pyright: ignore[reportOptionalMemberAccess]
    config.stash.setdefault(NOTES, {})[WHOLE] = {
        f"minutes, on {len(os.sched_getaffinity(0))} cores": round(seconds / 60, 1),
        "tests passed": len(told.get("passed", [])),
        "tests skipped": len(told.get("skipped", [])),
    }


def write(config: pytest.Config, failed: set[str]) -> None:
    """Keep the figures of a full run, a file for each file of tests that all held."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    for name, figures in config.stash.get(NOTES, {}).items():
        if name in failed:
            continue
        facts = {
            "figures": figures,
            "date": time.strftime("%Y-%m-%d", time.gmtime()),
            "machine": f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
        }
        (RESULTS / f"{name}.json").write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
