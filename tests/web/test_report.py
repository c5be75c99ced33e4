"""The report of `foveate evaluate` in a real browser: from disk, without a network, on a phone and on a desk."""

from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser

from foveate.data.records import InMemory
from foveate.training.load import load_run
from foveate.viewing.report import make_report

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report of the shipped digits on a few of their test images."""
    opened = load_run(Path("digits"), "cpu")
    test = opened.images("test")
    assert isinstance(test, InMemory)
    few, folder = InMemory(test.image[:60], test.label[:60]), tmp_path_factory.mktemp("report")
    make_report(opened.model, few, folder, title="digits", config=opened.config, num_rollouts=2)
    return folder / "report.html"


@pytest.mark.parametrize(("width", "theme"), [(390, "dark"), (1280, "light")])
def test_a_report_is_whole_in_a_browser(browser: Browser, report: Path, width: int, theme: Any):
    """Every picture is there, no network is asked, nothing is wider than the screen, and axe finds nothing."""
    complaints: list[str] = []
    asked: list[str] = []
    with browser.new_context(viewport={"width": width, "height": 800}, color_scheme=theme, offline=True) as context:
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
        page.on("request", lambda request: asked.append(request.url))
        page.goto(report.as_uri())
        blank = "() => [...document.images].filter((image) => !image.naturalWidth).length"
        assert page.evaluate(blank) == 0
        assert page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")
        found: Any = Axe().run(page).response["violations"]
        assert [(each["id"], [node["target"] for node in each["nodes"]][:3]) for each in found] == []
    assert not complaints
    assert {url.split(":")[0] for url in asked} <= {"file", "data"}
