"""The page in a real browser: draw, watch, scrub, drag, upload; by mouse, finger and keyboard; light and dark."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from foveate.glimpse.location import boxes
from foveate.web.examples import strokes
from web.asking import ask, draw, encoded, photograph

pytestmark = pytest.mark.browser
NARROW, WIDE = {"width": 390, "height": 844}, {"width": 1280, "height": 900}
DONE = "#verdict.done"
PATIENCE = 30_000  # milliseconds, on a busy machine
expect.set_options(timeout=PATIENCE)


@pytest.fixture
def errors() -> list[str]:
    """What the browser complains about."""
    return []


@pytest.fixture
def page(browser: Browser, url: str, errors: list[str], request: pytest.FixtureRequest) -> Iterator[Page]:
    """The page, freshly opened; a test may ask for another context by parameters. No complaint may be left."""
    wishes = {"viewport": WIDE, "reduced_motion": "reduce", **getattr(request, "param", {})}
    with browser.new_context(**wishes) as context:
        page = context.new_page()
        page.set_default_timeout(PATIENCE)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda said: errors.append(said.text) if said.type == "error" else None)
        page.goto(url)
        page.wait_for_selector("html[data-ready]")
        yield page
    assert not [error for error in errors if "status of 4" not in error]  # an answer that refuses is logged by Chromium


def at(page: Page, x: float, y: float) -> tuple[float, float]:
    """A point of the stage, whose corners are (0, 0) and (1, 1), on the screen."""
    stage = page.locator("#canvas").bounding_box()
    assert stage
    return stage["x"] + x * stage["width"], stage["y"] + y * stage["height"]


def draw_with_mouse(page: Page, digit: str) -> None:
    """A digit, a stroke after the other."""
    for stroke in strokes(digit):
        page.mouse.move(*at(page, *stroke[0]))
        page.mouse.down()
        for point in stroke[::3] + stroke[-1:]:
            page.mouse.move(*at(page, *point))
        page.mouse.up()


def write_with_key(page: Page, digit: str) -> None:
    page.locator("#stage").press(digit)
    page.wait_for_selector("#film button")


def sight(page: Page) -> np.ndarray:
    """The pixels of the stage, as they are seen."""
    import io

    with Image.open(io.BytesIO(page.locator("#canvas").screenshot())) as shot:
        return np.asarray(shot.convert("RGB")).astype(int)


def orange(page: Page) -> tuple[float, float, float, float]:
    """Where the finest box is on the stage: left, top, right and bottom, the stage being (0, 0) to (1, 1)."""
    seen = sight(page)
    y, x = np.nonzero(np.abs(seen - [255, 122, 41]).sum(-1) < 60)
    height, width = seen.shape[:2]
    return x.min() / width, y.min() / height, x.max() / width, y.max() / height


def levels(page: Page) -> dict[str, str]:
    rows = page.locator("#levels tr").all()
    return {row.locator("th").inner_text(): row.locator("td").last.inner_text() for row in rows}


def glimpses(page: Page) -> int:
    return page.locator("#film button").count()


def violations(page: Page) -> list:
    """What axe finds, and where."""
    found: Any = Axe().run(page).response["violations"]
    return [(each["id"], [node["target"] for node in each["nodes"]]) for each in found]


def test_draw_and_watch(page: Page, url: str):
    """A digit drawn with the mouse is answered as the server answers the example, and the panels say so."""
    expect(page.locator("#invitation")).to_be_visible()
    assert violations(page) == []
    draw_with_mouse(page, "3")
    expect(page.locator("#invitation")).to_be_hidden()
    page.wait_for_selector("#film button")
    page.wait_for_selector(DONE)
    _, told = ask(url, "look/drawing", draw("3"), model="digits")
    assert page.locator("#answer").inner_text() == told["answer"] == "3"
    assert page.locator("#count").inner_text() == "6 of 6"
    assert glimpses(page) == 6
    assert sum(float(value.rstrip(" %")) for value in levels(page).values()) == pytest.approx(100, abs=3)
    assert max(levels(page).items(), key=lambda item: float(item[1].rstrip(" %")))[0] == "3"


def test_the_box_is_where_the_model_looks(page: Page, url: str):
    """Scrubbed through, the orange box is drawn around the very pixels of each glimpse."""
    write_with_key(page, "5")
    _, told = ask(url, "look/drawing", draw("5"), model="digits")
    whole, margin = 8 + 2 * 1, 1  # a window of 4 reaches one pixel beyond the picture
    for step, film in enumerate(page.locator("#film button").all()):
        film.click()
        expect(page.locator("#count")).to_have_text(f"{step + 1} of 6")
        x0, y0, x1, y1 = told["boxes"][step][0]
        expected = [(side + margin) / whole for side in (x0, y0, x1, y1)]
        assert orange(page) == pytest.approx(expected, abs=0.02)
        assert film.get_attribute("aria-current") == "step"


def test_the_slider_scrubs(page: Page):
    write_with_key(page, "2")
    page.wait_for_selector(DONE)
    slider = page.locator("#step")
    slider.fill("2")
    expect(page.locator("#count")).to_have_text("2 of 6")
    before = levels(page)
    slider.press("ArrowRight")
    expect(page.locator("#count")).to_have_text("3 of 6")
    assert levels(page) != before
    assert "Glimpse 3 of 6" in (slider.get_attribute("aria-valuetext") or "")
    assert "Glimpse 3 of 6" in page.locator("#told").inner_text()


def test_keys_do_all_that_a_mouse_does(page: Page):
    """From nothing to an answer, another start and back, with the keyboard alone."""
    page.keyboard.press("Tab")
    while page.evaluate("document.activeElement.id") != "stage":
        page.keyboard.press("Tab")
    page.keyboard.press("4")
    page.wait_for_selector(DONE)
    page.keyboard.press("ArrowLeft")
    expect(page.locator("#count")).to_have_text("5 of 6")
    page.keyboard.press("Space")
    page.wait_for_selector(DONE)
    expect(page.locator("#count")).to_have_text("6 of 6")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "start"
    label = page.locator("#start").get_attribute("aria-label")
    page.keyboard.press("ArrowUp")
    expect(page.locator("#start")).not_to_have_attribute("aria-label", label or "")
    expect(page.locator("#own")).to_be_enabled()
    page.locator("#own").press("Enter")
    expect(page.locator("#start")).to_have_attribute("aria-label", label or "")
    page.locator("#stage").press("Control+z")  # the 4 has two strokes
    page.locator("#stage").press("Control+z")
    expect(page.locator("#invitation")).to_be_visible()
    page.locator("#stage").press("7")
    page.wait_for_selector(DONE)
    page.locator("#stage").press("Escape")
    expect(page.locator("#answer")).to_have_text("?")


@pytest.mark.parametrize("page", [{"viewport": NARROW, "has_touch": True, "is_mobile": True}], indirect=True)
def test_a_finger_draws_and_does_not_scroll(page: Page):
    box = page.locator("#canvas").bounding_box()
    assert box
    assert box["width"] > 300
    fingers = page.context.new_cdp_session(page)

    def touch(kind: str, *points: tuple[float, float]) -> None:
        spots = [{"x": x, "y": y} for x, y in points]
        fingers.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": spots})

    for stroke in strokes("1"):
        touch("touchStart", at(page, *stroke[0]))
        for point in stroke[::4] + stroke[-1:]:
            touch("touchMove", at(page, *point))
        page.wait_for_timeout(200)  # who lifts in motion flings, and the next tap only stops that
        touch("touchMove", at(page, *stroke[-1]))
        touch("touchEnd")
    page.wait_for_timeout(1000)  # on a slow machine the first stroke is answered before the second is there
    page.wait_for_selector(DONE)
    assert page.locator("#answer").inner_text() == "1"
    assert page.evaluate("scrollY") == 0
    page.locator("#film button").first.tap()
    expect(page.locator("#count")).to_have_text("1 of 6")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_the_start_is_dragged(page: Page, url: str):
    """The ring goes where it is dragged, and the first glimpse is taken there."""
    write_with_key(page, "0")
    page.wait_for_selector(DONE)
    ring = page.locator("#start").bounding_box()
    assert ring
    page.mouse.move(ring["x"] + 22, ring["y"] + 22)
    page.mouse.down()
    page.mouse.move(*at(page, 0.3, 0.3), steps=4)
    page.mouse.move(*at(page, 0.3, 0.4))
    page.mouse.up()
    expect(page.locator("#count")).to_have_text("1 of 6")
    ring = page.locator("#start").bounding_box()
    assert ring
    assert (ring["x"] + 22, ring["y"] + 22) == pytest.approx(at(page, 0.3, 0.4), abs=2)
    label = page.locator("#start").get_attribute("aria-label") or ""
    x, y = map(float, re.findall(r"-?\d\.\d+", label))
    # (0.3, 0.4) of 10 pixels is (2, 3) of the picture's 8; a window of 4 has 6 places on 10 pixels.
    assert (x, y) == pytest.approx((2 * (2 - 2 + 1) / 6 - 1, 2 * (3 - 2 + 1) / 6 - 1), abs=0.05)
    import torch

    [[x0, y0, _, _]] = boxes(torch.tensor([x, y]), (8, 8), ((4, 4),)).tolist()
    page.wait_for_timeout(100)
    assert orange(page)[:2] == pytest.approx(((x0 + 1) / 10, (y0 + 1) / 10), abs=0.02)
    assert not page.locator("#invitation").is_visible()


def test_more_glimpses_and_samples(page: Page):
    write_with_key(page, "9")
    page.wait_for_selector(DONE)
    page.locator("#number").fill("11")
    expect(page.locator("#film button")).to_have_count(11)
    expect(page.locator("#again")).to_be_disabled()
    page.get_by_text("Sampled", exact=True).click()
    page.wait_for_selector(DONE)
    words = films(page)
    page.locator("#again").click()
    for _ in range(100):  # the page still says that it is done before it has begun
        if films(page) != words:
            return
        page.wait_for_timeout(50)
    pytest.fail(f"Sampled again, the glimpses are the same: {words}")


def test_it_stops_when_it_is_sure(page: Page):
    write_with_key(page, "0")
    page.wait_for_selector(DONE)
    expect(page.locator("#film button")).to_have_count(6)
    expect(page.locator("#sureness")).to_contain_text("its answer")
    page.get_by_text("Stop when sure").click()
    expect(page.locator("#sureness")).to_contain_text(re.compile(r"sure, its answer after [1-5] of 6 glimpses"))
    assert page.locator("#film button").count() < 6


def films(page: Page) -> list[str | None]:
    """What is said of every glimpse."""
    return [film.get_attribute("aria-label") for film in page.locator("#film button").all()]


def test_canvases_of_a_model_that_looks_at_larger_ones(page: Page):
    expect(page.locator("#canvases")).to_be_hidden()
    page.locator("#model").select_option("wide")
    expect(page.locator("#translated")).to_be_checked()
    write_with_key(page, "6")
    page.wait_for_selector(DONE)
    assert page.locator("#glimpse figure").count() == 3  # scales
    before = sight(page)
    page.locator("#elsewhere").click()
    page.wait_for_selector(DONE)
    assert (sight(page) != before).any()
    page.get_by_text("Cluttered").click()
    page.wait_for_selector(DONE)
    page.get_by_text("Centered").click()
    expect(page.locator("#elsewhere")).to_be_disabled()


def test_one_draws_on_what_one_sees(page: Page):
    """A stroke that is added after the look leaves the ink before it where it was seen."""
    draw_with_mouse(page, "1")
    page.wait_for_selector(DONE)
    page.locator("#film button").first.click()
    page.mouse.move(*at(page, 0.8, 0.8))
    page.mouse.down()
    page.mouse.move(*at(page, 0.82, 0.8))
    ink = sight(page).sum(-1) > 600
    height, width = ink.shape
    ink[:4] = ink[-4:] = False  # the card's white, where the stage ends within a pixel
    columns = np.nonzero(ink[:, width // 5 : 7 * width // 10].any(0))[0] + width // 5
    rows = np.nonzero(ink[:, width // 5 : 7 * width // 10].any(1))[0]
    assert (columns.min() + columns.max()) / 2 / width == pytest.approx(0.5, abs=0.03)
    assert (rows.min() / height, rows.max() / height) == pytest.approx((0.1, 0.9), abs=0.03)  # 8 of 10 pixels
    page.mouse.up()


def test_a_color_photograph(page: Page, tmp_path: Path):
    page.locator("#model").select_option("photos")
    expect(page.locator("#writing")).to_be_hidden()
    (tmp_path / "photo.jpg").write_bytes(encoded(photograph(), "JPEG"))
    page.locator("#file").set_input_files(tmp_path / "photo.jpg")
    page.wait_for_selector(DONE)
    assert page.locator("#answer").inner_text() in ("a cat", "a dog", "owl")
    seen = sight(page)
    assert (seen.max(-1) - seen.min(-1)).mean() > 40  # in color
    expect(page.locator("#inversion")).to_be_hidden()  # only handwriting has dark or light ink
    page.locator("#number").fill("5")
    expect(page.locator("#film button")).to_have_count(5)
    assert page.locator("#message").inner_text() == ""


def test_pictures_are_dropped_and_pasted(page: Page):
    data = list(encoded(255 - np.asarray(Image.new("L", (30, 30)))))
    send = """([kind, data]) => {
        const transfer = new DataTransfer();
        transfer.items.add(new File([new Uint8Array(data)], "a.png", { type: "image/png" }));
        const event = kind === "drop"
          ? new DragEvent("drop", { dataTransfer: transfer, bubbles: true, cancelable: true })
          : new ClipboardEvent("paste", { clipboardData: transfer, bubbles: true });
        document.getElementById("stage").dispatchEvent(event);
    }"""
    for kind in ("drop", "paste"):
        page.evaluate(send, [kind, data])
        page.wait_for_selector(DONE)
        expect(page.locator("#inversion")).to_be_visible()
        expect(page.locator("#invert")).to_be_checked()  # white paper, for a model of handwriting
        page.locator("#clear").click()
        expect(page.locator("#inversion")).to_be_hidden()


def test_what_cannot_be_looked_at_is_said_on_the_page(page: Page, tmp_path: Path):
    """A broken picture, one of far too many pixels, one of too many bytes, and none at all; and the page goes on."""
    write_with_key(page, "1")
    for name, content, sentence in [
        ("broken.jpg", encoded(photograph(64, 48), "JPEG")[:700], "should be readable"),
        ("words.png", b"no picture", "Found no image of a known format"),
        ("huge.png", encoded(Image.new("1", (9000, 9000))), "at most 40 megapixels. Found 9000 x 9000"),
        ("heavy.png", bytes(17_000_000), "at most 16 megabytes"),
    ]:
        (tmp_path / name).write_bytes(content)
        page.locator("#file").set_input_files(tmp_path / name)
        expect(page.get_by_role("alert")).to_contain_text(sentence)
    assert page.locator("#count").inner_text() == "6 of 6"  # what was seen before is still there
    expect(page.locator("#inversion")).to_be_hidden()
    write_with_key(page, "2")
    page.wait_for_selector(DONE)
    expect(page.locator("#message")).to_be_empty()


def test_a_server_that_is_gone_is_said_on_the_page(page: Page, errors: list[str]):
    write_with_key(page, "1")
    page.route("**/look/**", lambda route: route.abort())
    page.locator("#number").fill("3")
    expect(page.get_by_role("alert")).to_contain_text("Is `foveate web` still running?")
    errors.clear()


def test_two_users_do_not_meet(page: Page, browser: Browser, url: str):
    with browser.new_context(reduced_motion="reduce") as context:
        other = context.new_page()
        other.goto(url)
        other.wait_for_selector("html[data-ready]")
        other.locator("#sampled").check(force=True)
        write_with_key(page, "3")
        write_with_key(other, "8")
        for one, answer in ((page, "3"), (other, "8")):
            one.wait_for_selector(DONE)
            assert one.locator("#answer").inner_text() == answer
        assert not page.locator("#sampled").is_checked()
        page.reload()
        expect(page.locator("#invitation")).to_be_visible()
        assert other.locator("#answer").inner_text() == "8"


@pytest.mark.parametrize("page", [{"reduced_motion": "no-preference"}], indirect=True)
def test_it_moves_step_by_step_and_can_be_stopped(page: Page):
    """Without the wish for less motion: every glimpse is shown in turn, the box between two is on its way."""
    counts = "() => (window.counts ??= new Set()).add(document.getElementById('count').textContent)"
    page.evaluate(
        f"() => new MutationObserver({counts}).observe(document.getElementById('count'), {{childList: true}})"
    )
    write_with_key(page, "3")
    page.wait_for_selector("#play.playing")
    page.wait_for_selector(DONE)
    assert page.evaluate("() => [...window.counts].filter(Boolean)") == [f"{i} of 6" for i in range(1, 7)]
    page.locator("#play").click()
    expect(page.locator("#count")).to_have_text("1 of 6")
    page.locator("#play").click()
    expect(page.locator("#play")).to_have_attribute("aria-label", "Play")


@pytest.mark.parametrize(
    "page",
    [{"viewport": NARROW, "color_scheme": "dark"}, {"viewport": WIDE, "color_scheme": "light"}],
    ids=["narrow, dark", "wide, light"],
    indirect=True,
)
def test_nothing_is_wrong_for_who_sees_little(page: Page):
    """Labels, roles and contrast, by axe, after a look and with a message; nothing is wider than a phone."""
    write_with_key(page, "3")
    page.wait_for_selector(DONE)
    page.locator("#file").set_input_files({"name": "a.png", "mimeType": "image/png", "buffer": b"no picture"})
    expect(page.get_by_role("alert")).not_to_be_empty()
    assert violations(page) == []
    assert page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")
