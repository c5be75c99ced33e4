"""Make the pictures of README.md and docs, and the notebooks.

python scripts/pictures.py draw        # scanpaths and figures, from the models of the package
python scripts/pictures.py torch7 runs/torch7-mnist/scanpaths.png
python scripts/pictures.py web mnist   # the page, and how fast it answers, into docs/web.md
python scripts/pictures.py notebook    # docs/looking.ipynb and the tutorials: the .py beside each, whose cells are run
"""

import json
import os
import statistics
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from shutil import which
from typing import Any

import jupytext
import nbformat
import torch
import uvicorn
from cyclopts import App
from nbclient import NotebookClient
from PIL import Image
from playwright.sync_api import Browser, sync_playwright

from foveate.cli.look import look_at_images
from foveate.training.load import LoadedRun, load_run
from foveate.training.stopping import read_stop, stopping_curve
from foveate.viewing.animation import save_animation
from foveate.viewing.charts import plot_stopping
from foveate.viewing.look import look
from foveate.viewing.report import make_report
from foveate.viewing.scanpath import plot_looks
from foveate.viewing.style import DPI, AggFigure, figure_of
from foveate.web.app import make_app
from foveate.web.examples import DIGITS, strokes
from foveate.web.models import ServedModel
from foveate.web.serve import address, bind
from measure import machine, write
from results import fill, load

app = App(help="Make the pictures of README.md and docs, and the notebook.")
DOCS = Path(__file__).parents[1] / "docs"
PICTURES = DOCS / "pictures"
STOPPING = ("mnist-paper", "translated", "cluttered60", "cluttered100")  # models whose curves are drawn
FIGURES = ("glimpses", "confusion", "density")  # of the report


def draw(run: Path) -> list[Path]:
    """Scanpaths over four test images, as palette PNG to keep the repository small, and figures of the report."""
    opened = load_run(run)
    looks = look_at_images(opened, partial(look, opened.model))[1:5]
    path = PICTURES / f"{run.name}.png"
    Image.fromarray(plot_looks(looks).pixels()).quantize(128).save(path, optimize=True)
    return [path, *_draw_report(opened)]


def animate(run: Path) -> Path:
    """The scanpath over one test image, moving."""
    opened = load_run(run)
    seen = look_at_images(opened, partial(look, opened.model))[1]
    return save_animation(seen, PICTURES / f"{run.name}.webp")


def _draw_report(opened: LoadedRun) -> list[Path]:
    """Some figures of the report."""
    paths = []
    with tempfile.TemporaryDirectory() as folder:
        make_report(opened.model, opened.images("test"), Path(folder), title="", config=opened.config)
        for name in FIGURES:
            paths.append(PICTURES / f"report-{name}.png")
            with Image.open(Path(folder) / f"{name}.png") as figure:
                figure.quantize(128).save(paths[-1], optimize=True)
    return paths


def draw_stopping() -> list[Path]:
    """Curves of stopping when sure over the test images, and one image that stops."""
    curves = {}
    for name in STOPPING:
        opened = load_run(Path(name))
        curves[name] = stopping_curve(opened.model, opened.images("test"))
    path = PICTURES / "stopping.png"
    figure_of(plot_stopping(curves)).savefig(path)
    opened = load_run(Path("cluttered100"))
    stop = read_stop(opened.model_folder).stop
    seen = look_at_images(opened, partial(look, opened.model, stop=stop))[1]
    sheet = PICTURES / "stop.png"
    Image.fromarray(plot_looks(seen).pixels()).quantize(128).save(sheet, optimize=True)
    return [path, sheet]


WEB = DOCS / "web.md"
LATENCY = DOCS.parent / "results" / "web" / "latency.json"
QUESTIONS = 200
WIDE, PHONE = {"width": 1160, "height": 800}, {"width": 390, "height": 810}


def draw_torch7(scanpaths: Path) -> list[Path]:
    """Errors by epoch of the runs of `torch7-mnist`, and the scanpaths that a run drew."""
    figure = AggFigure(figsize=(8, 3), dpi=2 * DPI)
    ax = figure.add_subplot()
    for folder in sorted((DOCS.parent / "results" / "torch7-mnist").iterdir()):
        lines = load(folder / "metrics.jsonl")
        epochs = [line["epoch"] for line in lines]
        for name, style in (("validation", "-"), ("train", ":")):
            errors = [100 * line[f"{name}_error"] for line in lines]
            ax.plot(epochs, errors, style, linewidth=1, label=f"{name}, {folder.name.replace('-', ' ')}")
    ax.axhline(0.85, color="gray", linewidth=0.8, linestyle="--")
    ax.annotate("Torch7, after 853 epochs", (1, 0.85), textcoords="offset points", xytext=(0, 3), color="gray")
    ax.set(yscale="log", xlabel="epoch", ylabel="error in %", yticks=(1, 3, 10, 30), yticklabels=(1, 3, 10, 30))
    ax.legend(frameon=False)
    figure.tight_layout()
    curve = PICTURES / "torch7-errors.png"
    figure.savefig(curve)
    picture = PICTURES / "torch7-mnist.png"
    Image.open(scanpaths).convert("RGB").quantize(128).save(picture, optimize=True)
    return [curve, picture]


@contextmanager
def serve(run: Path) -> Iterator[str]:
    """Serve a page with one model, and yield its address."""
    opened = load_run(run, "cpu")
    with bind("127.0.0.1", 0) as door:
        app = make_app([ServedModel(run.name, opened.model, opened.config.data)])
        server = uvicorn.Server(uvicorn.Config(app, log_level="error"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [door]})
        thread.start()
        yield address("127.0.0.1", door.getsockname()[1])
        server.should_exit = True
        thread.join()


def photograph(browser: Browser, url: str, theme: Any, size: Any, digit: str, step: int, path: Path) -> None:
    """Take a picture of the page at a glimpse."""
    settings: Any = {"color_scheme": theme, "viewport": size, "device_scale_factor": 1.25, "reduced_motion": "reduce"}
    with browser.new_context(**settings) as context:
        tab = context.new_page()
        tab.goto(url)
        tab.wait_for_selector("html[data-ready]")
        tab.locator("#stage").press(digit)
        tab.wait_for_selector("#verdict.done")
        tab.locator("#film button").nth(step).click()
        tab.evaluate("document.activeElement.blur()")
        tab.evaluate("scrollTo(0, 0)")
        tab.screenshot(path=path, full_page=size is WIDE)


def seconds(url: str, name: str) -> tuple[list[float], float]:
    """Seconds from request to answer for drawn digits, one after the other, and the mean processor time of one.

    The client runs in the same process, so its share is included.
    """
    taken, before = [], time.process_time()
    for number in range(QUESTIONS):
        body = json.dumps({"strokes": strokes(list(DIGITS)[number % 10])}).encode()
        begin = time.perf_counter()
        with urllib.request.urlopen(f"{url}/look/drawing?model={name}", data=body) as answer:
            answer.read()
        taken.append(time.perf_counter() - begin)
    return taken, (time.process_time() - before) / QUESTIONS


def measured(name: str, taken: list[float], busy: float, load: float) -> dict[str, Any]:
    """The facts to keep, times in milliseconds."""
    milliseconds = sorted(1000 * value for value in taken)
    return {
        "model": name,
        "n": len(taken),
        "median": round(statistics.median(milliseconds), 2),
        "percentile_95": round(milliseconds[int(0.95 * len(milliseconds))], 2),
        "processor_time": round(1000 * busy, 2),
        "load": round(load, 2),
        "date": time.strftime("%Y-%m-%d"),
        "machine": machine(),
    }


def told(facts: dict[str, Any]) -> str:
    """The times as text for docs/web.md."""
    where = facts["machine"]
    return (
        "| model | median | 95 % are faster than | processor time |\n|---|---|---|---|\n"
        f"| {facts['model']} | {facts['median']:.0f} ms | {facts['percentile_95']:.0f} ms "
        f"| {facts['processor_time']:.0f} ms |\n\n"
        f"Time from request to answer for {facts['n']} drawings in sequence, on one thread, with a load of\n"
        f"{facts['load']:.1f} from other work ({facts['date']}; {where['processor']}, {where['cores']} virtual cores, "
        f"torch {where['torch']}).\n"
    )


def photograph_page(url: str) -> None:
    """Make the pictures of the page."""
    with sync_playwright() as playwright:
        flags = ["--headless", "--no-sandbox", "--disable-gpu"]
        browser = playwright.chromium.launch(executable_path=which("chromium"), args=flags)
        photograph(browser, url, "light", WIDE, "3", 3, DOCS / "pictures" / "web.png")
        photograph(browser, url, "dark", PHONE, "5", 4, DOCS / "pictures" / "web-phone.png")
        browser.close()


SOURCES = [DOCS / "looking.py", *sorted((DOCS / "tutorials").glob("*.py"))]
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
    client.record_timing = False
    client.coalesce_streams = True  # however the kernel happens to send them
    client.extra_arguments = [STRICT]
    client.execute()
    notebook.metadata.language_info = {"name": "python"}  # the version of Python is not the notebook's
    for output in (output for cell in notebook.cells for output in cell.get("outputs", [])):
        if len(output.get("data", {})) > 1:
            del output.data["text/plain"]  # of what is shown as a picture, the words are its tensors
    return notebook


@app.command(name="draw")
def _draw() -> None:
    """Draw scanpaths and figures of the report."""
    print(*draw(Path("mnist")), animate(Path("mnist")), animate(Path("cluttered100")), *draw_stopping())


@app.command(name="torch7")
def _torch7(scanpaths: Path, /) -> None:
    """Draw the runs of `torch7-mnist`."""
    print(*draw_torch7(scanpaths), sep="\n")


@app.command(name="web")
def _web(run: Path, /) -> None:
    """Measure how fast the page answers, and photograph it."""
    torch.set_num_threads(1)
    with serve(run) as url:
        others = os.getloadavg()[0]
        write(LATENCY, measured(run.name, *seconds(url, run.name), others))
        fill(WEB, "latency", told(load(LATENCY)))
        photograph_page(url)


@app.command(name="notebook")
def _notebook(*names: str) -> None:
    """Run docs/looking.py and the tutorials, or those of some names, and keep what they show."""
    for source in SOURCES:
        if not names or source.stem in names:
            nbformat.write(execute(read(source.read_text(encoding="utf-8"))), source.with_suffix(".ipynb"))


if __name__ == "__main__":
    app()
