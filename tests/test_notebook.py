"""The notebooks are what their sources say, run."""

import importlib
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient.exceptions import CellExecutionError

ROOT = Path(__file__).parents[1]
MOST = 150_000  # bytes


@pytest.fixture
def maker(monkeypatch: pytest.MonkeyPatch) -> Any:
    """scripts/pictures.py."""
    monkeypatch.syspath_prepend(ROOT / "scripts")
    return importlib.import_module("pictures")


def sources() -> list[Path]:
    """The sources of the notebooks, as scripts/pictures.py has them."""
    return [ROOT / "docs/looking.py", *sorted((ROOT / "docs/tutorials").glob("*.py"))]


SHOWN = {  # pictures, pages, words
    "looking": (3, 1, 1),
    "1-photographs": (2, 0, 2),
    "2-your-own-parts": (0, 0, 2),
    "3-reinforce-anywhere": (0, 0, 0),
    "4-reading-a-report": (2, 0, 0),
    "5-stop-when-sure": (1, 0, 0),
}


@pytest.mark.parametrize("source", sources(), ids=lambda path: path.stem)
def test_a_notebook_is_in_step_with_its_source_and_runs(source: Path, maker: Any) -> None:
    """It is run here as `python scripts/pictures.py notebook` runs it: what is printed and shown is what is kept.

    They take about 45 s in all, which is the price of knowing that they work.
    """
    notebook = source.with_suffix(".ipynb")
    kept = nbformat.read(notebook, as_version=4)
    nbformat.validate(kept)
    assert notebook.stat().st_size < MOST
    made = maker.execute(maker.read(source.read_text(encoding="utf-8")))
    assert kept.metadata == made.metadata
    assert [bare(cell) for cell in kept.cells] == [bare(cell) for cell in made.cells]
    shown = [kind for cell in kept.cells for output in cell.get("outputs", []) for kind in output.get("data", {})]
    assert tuple(shown.count(kind) for kind in ("image/png", "text/html", "text/plain")) == SHOWN[source.stem]


def test_each_notebook_is_a_page_of_the_site(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its pictures become files, its links lead to pages, and it is in the navigation."""
    monkeypatch.syspath_prepend(ROOT / "scripts")
    pages: Any = importlib.import_module("notebook_pages")
    navigation = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    assert [path.with_suffix(".py") for path in pages.notebooks()] == sources()
    for path in pages.notebooks():
        text, pictures = pages.page(nbformat.read(path, as_version=4), path.stem)
        assert f"tutorials/{path.stem}.md" in navigation
        assert ".ipynb)" not in text
        assert len(pictures) == SHOWN[path.stem][0] == text.count("![What the cell shows](")
        assert all(content.startswith(b"\x89PNG") and f"({name})" in text for name, content in pictures.items())


def test_links_of_the_site_to_notebooks_lead_to_their_pages(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.syspath_prepend(ROOT / "scripts")
    pages: Any = importlib.import_module("notebook_pages")
    (tmp_path / "index.html").write_text('<a href="looking.ipynb"><a href="../tutorials/5-stop-when-sure.ipynb">')
    pages.link(tmp_path)
    assert (
        tmp_path / "index.html"
    ).read_text() == '<a href="tutorials/looking/"><a href="../tutorials/5-stop-when-sure/">'


def bare(cell: Any) -> dict[str, Any]:
    """A cell, and of its outputs their kinds: pixels and last digits may differ from machine to machine."""
    outputs = [(output.output_type, sorted(output.get("data", {}))) for output in cell.get("outputs", [])]
    return {**cell, "outputs": outputs}


def test_a_cell_shows_what_it_prints_and_its_last_value_and_a_warning_ends_it(maker: Any) -> None:
    cells = ["# %% [markdown]\n# # Title", "# %%\nprint('a')\n2 + 3", "# %%\nimport warnings\nwarnings.warn('old')"]
    notebook = maker.read("\n\n".join(cells))
    with pytest.raises(CellExecutionError, match=r"(?s)UserWarning.*: old"):
        maker.execute(notebook)
    assert notebook.cells[0].source == "# Title"
    printed, value = notebook.cells[1].outputs
    assert (printed.text, value.data) == ("a\n", {"text/plain": "5"})
