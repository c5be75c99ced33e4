"""Run the cells of docs/looking.py and keep them with what they show as docs/looking.ipynb: `python docs/notebook.py`.

A cell begins with `# %%`, or `# %% [markdown]` where its lines are words behind `# `. A cell shows what it prints and
the value of its last line, as a notebook does; no notebook server is needed.
"""

import ast
import base64
import contextlib
import io
import json
import re
from pathlib import Path
from typing import Any

SOURCE = Path(__file__).with_name("looking.py")
NOTEBOOK = SOURCE.with_suffix(".ipynb")
Cell = dict[str, Any]


def cells(source: str) -> list[Cell]:
    """The cells of a source, as a notebook holds them, not run yet."""
    found: list[Cell] = []
    for part in re.split(r"^# %%", source, flags=re.MULTILINE)[1:]:
        head, _, body = part.partition("\n")
        words = "markdown" in head
        text = re.sub(r"^# ?", "", body, flags=re.MULTILINE) if words else body
        cell = {"cell_type": "markdown" if words else "code", "id": f"cell-{len(found)}", "metadata": {}}
        cell["source"] = text.strip().splitlines(keepends=True)
        found.append(cell)
    return found


def execute(found: list[Cell]) -> list[Cell]:
    """The same cells with their outputs, run in order as one program."""
    names: dict[str, Any] = {"__name__": "__main__"}
    count = 0
    for cell in found:
        if cell["cell_type"] == "code":
            count += 1
            cell |= {"execution_count": count, "outputs": _outputs("".join(cell["source"]), names, count)}
    return found


def _outputs(code: str, names: dict[str, Any], count: int) -> list[dict[str, Any]]:
    """What a cell prints, and the value of its last line if that is one."""
    tree, value, printed = ast.parse(code), None, io.StringIO()
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    with contextlib.redirect_stdout(printed):
        exec(compile(tree, SOURCE.name, "exec"), names)
        if isinstance(last, ast.Expr):
            value = eval(compile(ast.Expression(last.value), SOURCE.name, "eval"), names)
    outputs: list[dict[str, Any]] = []
    if printed.getvalue():
        outputs.append(
            {"output_type": "stream", "name": "stdout", "text": printed.getvalue().splitlines(keepends=True)}
        )
    if value is not None:
        shown = {"output_type": "execute_result", "execution_count": count, "metadata": {}}
        outputs.append({**shown, "data": _shown(value)})
    return outputs


def _shown(value: object) -> dict[str, Any]:
    """A value in every form that a notebook asks for; its words alone where there are no others."""
    data: dict[str, Any] = {}
    if hasattr(value, "_repr_png_") and (png := value._repr_png_()):  # pyright: ignore[reportAttributeAccessIssue]
        data["image/png"] = base64.b64encode(png).decode()
    if hasattr(value, "_repr_html_"):
        data["text/html"] = [value._repr_html_()]  # pyright: ignore[reportAttributeAccessIssue]
    return {**data, "text/plain": [f"<{type(value).__name__}>" if data else repr(value)]}


def notebook(found: list[Cell]) -> str:
    """Cells as the content of a notebook file."""
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    metadata = {"kernelspec": kernel, "language_info": {"name": "python"}}
    return json.dumps({"cells": found, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}, indent=1) + "\n"


if __name__ == "__main__":
    NOTEBOOK.write_text(notebook(execute(cells(SOURCE.read_text(encoding="utf-8")))), encoding="utf-8")
