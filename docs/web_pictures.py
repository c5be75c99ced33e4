"""Time the answers of the page, and draw the pictures of docs/web.md: `python docs/web_pictures.py mnist`."""

import json
import os
import re
import statistics
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import which
from typing import Any

import torch
import uvicorn
from playwright.sync_api import Browser, sync_playwright

from foveate.cli.opened import open_run
from foveate.web.app import make_app
from foveate.web.examples import DIGITS, strokes
from foveate.web.serve import address, bind
from foveate.web.shown import show
from logs import load
from measure import machine, write

DOCS = Path(__file__).parent
PAGE, LATENCY = DOCS / "web.md", DOCS.parent / "results" / "web" / "latency.json"
BLOCK = re.compile(r"(?<=<!-- latency -->\n).*?(?=<!-- /latency -->)", re.DOTALL)
QUESTIONS = 200
WIDE, PHONE = {"width": 1160, "height": 800}, {"width": 390, "height": 810}


@contextmanager
def page(run: Path) -> Iterator[str]:
    """The address of a page that shows one model."""
    opened = open_run(run, "cpu")
    with bind("127.0.0.1", 0) as door:
        app = make_app([show(run.name, opened.model, opened.config.data)])
        server = uvicorn.Server(uvicorn.Config(app, log_level="error"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [door]})
        thread.start()
        yield address("127.0.0.1", door.getsockname()[1])
        server.should_exit = True
        thread.join()


def photograph(browser: Browser, url: str, theme: Any, size: Any, digit: str, step: int, path: Path) -> None:
    """The page at a glimpse."""
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
    """How long answers to drawn digits take, one after the other, and what each takes of a processor on the average.

    From asking to having them; who asks is in the same process, so that its share counts too.
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
    """What is kept of it, times in milliseconds."""
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
    """The times as docs/web.md has them."""
    where = facts["machine"]
    return (
        "| model | median | 95 % are faster than | processor time |\n|---|---|---|---|\n"
        f"| {facts['model']} | {facts['median']:.0f} ms | {facts['percentile_95']:.0f} ms "
        f"| {facts['processor_time']:.0f} ms |\n\n"
        f"From a question to its answer, {facts['n']} drawings one after the other, on one thread, while the load of\n"
        f"other work was {facts['load']:.1f} ({facts['date']}; {where['processor']}, {where['cores']} virtual cores, "
        f"torch {where['torch']}).\n"
    )


def draw(url: str) -> None:
    """The pictures."""
    with sync_playwright() as playwright:
        flags = ["--headless", "--no-sandbox", "--disable-gpu"]
        browser = playwright.chromium.launch(executable_path=which("chromium"), args=flags)
        photograph(browser, url, "light", WIDE, "3", 3, DOCS / "pictures" / "web.png")
        photograph(browser, url, "dark", PHONE, "5", 4, DOCS / "pictures" / "web-phone.png")
        browser.close()


if __name__ == "__main__":
    run = Path(sys.argv[1])
    torch.set_num_threads(1)
    with page(run) as url:
        others = os.getloadavg()[0]
        write(LATENCY, measured(run.name, *seconds(url, run.name), others))
        PAGE.write_text(BLOCK.sub(lambda _: told(load(LATENCY)), PAGE.read_text(encoding="utf-8")), encoding="utf-8")
        draw(url)
