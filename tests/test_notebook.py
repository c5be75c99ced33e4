"""The example notebook is what its source says, run."""

import importlib
import json
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture
def maker(monkeypatch: pytest.MonkeyPatch) -> Any:
    """docs/notebook.py."""
    monkeypatch.syspath_prepend(ROOT / "docs")
    return importlib.import_module("notebook")


def test_the_notebook_is_in_step_with_its_source_and_runs(maker: Any) -> None:
    """Its cells are run here as `python docs/notebook.py` runs them: what they print and show is what is kept."""
    kept = json.loads((ROOT / "docs/looking.ipynb").read_text(encoding="utf-8"))
    made = json.loads(maker.notebook(maker.execute(maker.cells(maker.SOURCE.read_text(encoding="utf-8")))))
    assert [cell["source"] for cell in kept["cells"]] == [cell["source"] for cell in made["cells"]]
    assert {name: kept[name] for name in ("metadata", "nbformat", "nbformat_minor")} == {
        name: made[name] for name in ("metadata", "nbformat", "nbformat_minor")
    }
    for before, now in zip(kept["cells"], made["cells"], strict=True):
        assert before.get("execution_count") == now.get("execution_count")
        for one, other in zip(before.get("outputs", []), now.get("outputs", []), strict=True):
            assert set(one) == set(other)
            assert set(one.get("data", {})) == set(other.get("data", {}))
    shown = [kind for cell in kept["cells"] for output in cell.get("outputs", []) for kind in output.get("data", {})]
    assert shown.count("image/png") >= 3
    assert shown.count("text/html") == 1


def test_cells_are_cut_where_they_are_marked(maker: Any) -> None:
    words, code = maker.cells("# %% [markdown]\n# # Title\n#\n# words\n\n# %%\nx = 1  # one\nx\n")
    assert "".join(words["source"]) == "# Title\n\nwords"
    assert "".join(code["source"]) == "x = 1  # one\nx"


def test_a_cell_shows_what_it_prints_and_its_last_value(maker: Any) -> None:
    made = maker.execute(maker.cells("# %%\nprint('a')\n2 + 3\n# %%\ny = 1\n# %%\ny\n"))
    outputs = [cell["outputs"] for cell in made]
    assert [output.get("text") or output["data"] for output in outputs[0]] == [["a\n"], {"text/plain": ["5"]}]
    assert outputs[1] == []
    assert outputs[2][0]["data"] == {"text/plain": ["1"]}
    assert [cell["execution_count"] for cell in made] == [1, 2, 3]
