"""The documentation site: a reference page for each station, examples as code, and the help of the commands."""

import importlib
import re
from pathlib import Path
from typing import Any

import cyclopts
import pytest

import foveate

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "foveate"
REFERENCE = ROOT / "docs" / "api"
NO_STATIONS = {"config", "foveate"}


@pytest.fixture
def scripts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT / "scripts")


def test_each_station_has_a_page_of_the_reference_in_the_navigation() -> None:
    stations = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert {path.stem for path in REFERENCE.glob("*.md")} == stations | NO_STATIONS
    navigation = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    for station in stations:
        assert f"::: foveate.{station}\n" in (REFERENCE / f"{station}.md").read_text(encoding="utf-8")
        assert f"api/{station}.md" in navigation


def test_each_page_is_in_the_navigation() -> None:
    navigation = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    assert all(f": {path.name}\n" in navigation for path in (ROOT / "docs").glob("*.md"))


@pytest.mark.usefixtures("scripts")
@pytest.mark.skipif(cyclopts.__version__ < "5.4", reason="The page has the words of cyclopts 5.4.")
def test_the_page_of_commands_is_their_help(monkeypatch: pytest.MonkeyPatch) -> None:
    commands: Any = importlib.import_module("commands")
    monkeypatch.setenv("COLUMNS", "40")
    assert commands.PAGE.read_text(encoding="utf-8") == commands.made(), "`make commands` writes it anew"


@pytest.mark.usefixtures("scripts")
def test_the_page_of_public_names_has_them_all() -> None:
    commands: Any = importlib.import_module("commands")
    page = commands.PUBLIC.read_text(encoding="utf-8")
    assert page == commands.public(), "`make commands` writes it anew"
    assert sorted(re.findall(r"^\| \[`(\w+)`\]", page, re.MULTILINE)) == sorted(foveate.__all__)


def loaded(source: str, path: Path) -> Any:
    griffe = pytest.importorskip("griffe", reason="Needs griffe, of the extra `docs`.")
    docstrings: Any = importlib.import_module("docstrings")
    (path / "little.py").write_text(source, encoding="utf-8")
    return griffe.load("little", search_paths=[path], extensions=griffe.load_extensions(docstrings.Docstrings))


@pytest.mark.usefixtures("scripts")
@pytest.mark.parametrize("example", ["    Example:\n        >>> [1][0]\n        1\n", "    >>> [1][0]\n    1\n"])
def test_examples_are_code(example: str, tmp_path: Path) -> None:
    module = loaded(f'"""A module."""\n\ndef f():\n    """A function.\n\n{example}    """\n', tmp_path)
    *_, last = module["f"].docstring.parse("google")
    assert last.kind.value == "examples"


@pytest.mark.usefixtures("scripts")
@pytest.mark.parametrize("name", ["def f(): ...", "class F: ...", 'class F:\n    """A class."""\n    def g(self): ...'])
def test_a_public_name_without_docstring_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(Exception, match=r"`little\.\S+` should have a docstring"):
        loaded(f'"""A module."""\n\n{name}\n', tmp_path)
    loaded(f'"""A module."""\n\n{name.replace(" f", " _f").replace(" F", " _F")}\n', tmp_path)
