"""Run docs/looking.py, whose cells jupytext reads, and keep it with what it shows: `python docs/notebook.py`."""

from pathlib import Path

import jupytext
import nbformat
from nbclient import NotebookClient

SOURCE = Path(__file__).with_name("looking.py")
NOTEBOOK = SOURCE.with_suffix(".ipynb")
PATIENCE = 600  # seconds, on a busy machine
# What foveate or the notebook is warned of is an error; the kernel's own affairs are not.
STRICT = "--IPKernelApp.exec_lines=import warnings; warnings.filterwarnings('error', module='foveate|__main__')"


def read(source: str) -> nbformat.NotebookNode:
    """The notebook of a source, not run yet. Cells are called by their numbers, so that nothing in it is chance."""
    notebook = jupytext.reads(source, "py:percent")
    notebook.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    for number, cell in enumerate(notebook.cells):
        cell.id = f"cell-{number}"
    return notebook


def execute(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """The same notebook with what its cells show, run from the first to the last in a kernel of its own."""
    client = NotebookClient(notebook, startup_timeout=PATIENCE, timeout=PATIENCE, kernel_name="python3")
    client.record_timing, client.extra_arguments = False, [STRICT]
    client.execute()
    notebook.metadata.language_info = {"name": "python"}  # the version of Python is not the notebook's
    for output in (output for cell in notebook.cells for output in cell.get("outputs", [])):
        if len(output.get("data", {})) > 1:
            del output.data["text/plain"]  # of what is shown as a picture, the words are its tensors
    return notebook


if __name__ == "__main__":
    nbformat.write(execute(read(SOURCE.read_text(encoding="utf-8"))), NOTEBOOK)
