"""The page about reliability quotes the figures of the last full torture, and no others."""

import importlib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def test_the_figures_of_the_page_are_those_that_were_found(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(ROOT / "scripts")
    pages = importlib.import_module("pages")
    block = importlib.import_module("results").block
    assert block(pages.RELIABILITY, "figures") == pages.figures(), "see scripts/pages.py"


def test_every_test_that_the_page_names_is_there():
    page = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")
    named = {word.strip("`(),.") for word in page.split() if word.strip("`(),.").startswith("tests/")}
    assert named
    assert not {name for name in named if not (ROOT / name).exists()}
