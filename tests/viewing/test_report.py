"""The report: the page, read back, says what the JSON beside it says, and both say what the model did."""

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from foveate.config import Config
from foveate.data.records import InMemory
from foveate.settings import to_dict
from foveate.training.evaluate import Evaluation, evaluate, multiply_adds, wilson
from foveate.training.stopping import THRESHOLDS, choose_stop, stopping_curve
from foveate.viewing import report as report_page
from foveate.viewing.findings import ReportData, _fixations, class_table, collect
from foveate.viewing.look import look
from foveate.viewing.report import MAX_CLASSES, make_report
from foveate.viewing.style import AggFigure
from viewing.tiny import tiny_model

CLASSES = ("cat", "<b>dog</b> & co", "owl")  # a class may be called anything
FIGURES = ["confusion", "density", "errors", "glimpses", "mistakes", "scanpaths", "spread", "stopping", "stops"]


class Reader(HTMLParser):
    """What a page says: its tables by name, its facts, every address in it, and which tags it opened and closed."""

    def __init__(self) -> None:
        super().__init__()
        self.tables: dict[str, list[list[str]]] = {}
        self.facts: dict[str, str] = {}
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.balance: dict[str, int] = {}
        self.said = ""
        self.rows: list[list[str]] | None = None
        self.fact: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        facts = dict(attrs)
        self.tags.append((tag, facts))
        self.balance[tag] = self.balance.get(tag, 0) + 1
        if tag == "table":
            self.rows = self.tables.setdefault(str(facts["id"]), [])
        if tag == "tr" and self.rows is not None:
            self.rows.append([])
        if tag in ("td", "th") and self.rows is not None:
            self.rows[-1].append("")
        self.fact = facts.get("data-fact")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        self.balance[tag] -= 1
        self.fact = None
        if tag == "table":
            self.rows = None

    def handle_data(self, data: str) -> None:
        self.said += data
        if self.rows:
            self.rows[-1][-1] += data
        if self.fact:
            self.facts[self.fact] = data


def number(words: str) -> float:
    """A number as it is written: "1,234" or "5.6 %"."""
    value = float(words.replace(",", "").removesuffix(" %"))
    return value / 100 if words.endswith("%") else value


@pytest.fixture(scope="module")
def images() -> InMemory:
    draws = torch.Generator().manual_seed(3)
    pixels = torch.randint(0, 256, (60, 1, 20, 30), dtype=torch.uint8, generator=draws)
    names = tuple(f"photos/<{i}>\udce9.png" for i in range(60))  # as a file is named that is not UTF-8
    return InMemory(pixels, torch.randint(0, 3, (60,), generator=draws), names)


@pytest.fixture(scope="module")
def model():
    return tiny_model(classes=CLASSES, depth=2, num_glimpses=3, init_range=1.2, seed=2)


@pytest.fixture(scope="module")
def report(model, images: InMemory, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ReportData]:
    folder = tmp_path_factory.mktemp("run") / "report"
    command = "foveate evaluate 'a & b' --report"
    config = Config(model=model.config)
    ways = {"validation": halved(images), "num_rollouts": 4}
    return folder, make_report(model, images, folder, title="a & b", config=config, command=command, **ways)


def halved(images: InMemory) -> InMemory:
    """Other images to choose a threshold on."""
    return InMemory(images.image[::2] // 2, images.label[::2])


@pytest.fixture(scope="module")
def facts(report: tuple[Path, ReportData]) -> dict[str, Any]:
    return json.loads((report[0] / "report.json").read_text())


@pytest.fixture(scope="module")
def read(report: tuple[Path, ReportData]) -> Reader:
    reader = Reader()
    reader.feed((report[0] / "report.html").read_text(encoding="utf-8"))
    return reader


def test_a_page_its_numbers_and_its_figures_lie_side_by_side(report: tuple[Path, ReportData]) -> None:
    assert sorted(path.name for path in report[0].iterdir()) == sorted(
        ["report.html", "report.json", *(f"{name}.png" for name in FIGURES)]
    )
    for name in FIGURES:
        with Image.open(report[0] / f"{name}.png") as figure:
            assert min(figure.size) > 150


def test_the_page_needs_nothing_beside_it(read: Reader) -> None:
    addresses = [value for _, facts in read.tags for name, value in facts.items() if name in ("src", "href")]
    assert addresses
    assert all(str(value).startswith(("data:image/", "#")) for value in addresses)
    assert not {"script", "link", "iframe", "object"} & {tag for tag, _ in read.tags}
    assert "url(" not in "".join(facts.get("style") or "" for _, facts in read.tags)


def test_the_page_is_whole(read: Reader) -> None:
    """Every element is closed, every picture has words."""
    void = {"meta", "img", "br"}
    assert {tag: open for tag, open in read.balance.items() if open and tag not in void} == {}
    assert all(facts.get("alt") for tag, facts in read.tags if tag == "img")
    assert all(facts.get("aria-label") for tag, facts in read.tags if facts.get("role") == "img")


def test_it_follows_the_theme_and_fits_a_phone(report: tuple[Path, ReportData], read: Reader) -> None:
    text = (report[0] / "report.html").read_text(encoding="utf-8")
    light, dark = re.findall(r":root\{(.*?)\}", text)
    assert "prefers-color-scheme:dark" in text
    assert set(re.findall(r"--([\w-]+):", light)) == set(re.findall(r"--([\w-]+):", dark))
    assert set(re.findall(r"var\(--([\w-]+)\)", text)) - {"steps"} <= set(re.findall(r"--([\w-]+):", light))
    assert ("meta", {"name": "viewport", "content": "width=device-width,initial-scale=1"}) in read.tags


def test_the_numbers_are_those_of_an_evaluation(model, images: InMemory, facts: dict[str, Any]) -> None:
    for mode, (policy, passes) in zip(facts["modes"], (("mean", 1), ("sampled", 1), ("sampled", 4)), strict=True):
        found = evaluate(model, images, policy=policy, num_rollouts=passes)
        assert (mode["policy"], mode["num_rollouts"], mode["num_errors"]) == (policy, passes, found.num_errors)
        assert mode["error_rate"] == found.error_rate
        assert tuple(mode["interval"]) == found.interval
        assert mode["error_by_glimpse"] == [wrong / 60 for wrong in found.num_errors_by_glimpse]
    for said, policy in zip(facts["stand_ins"], ("random", "center", "raster"), strict=True):
        assert (said["policy"], said["num_errors"]) == (policy, evaluate(model, images, policy=policy).num_errors)
    mean = evaluate(model, images, policy="mean")
    assert facts["confusion"] == mean.confusion.tolist()
    assert mean.gaze is not None
    assert facts["gaze"]["scanpath_dependence"] == mean.gaze.scanpath_dependence
    assert tuple(facts["gaze"]["spread"]) == mean.gaze.spread


def test_the_modes_of_these_tests_differ(facts: dict[str, Any]) -> None:
    """Else a page that took one for the other would not be noticed."""
    assert len({tuple(mode["error_by_glimpse"]) for mode in facts["modes"]}) == 3


def test_the_page_says_what_the_json_says(read: Reader, facts: dict[str, Any]) -> None:
    modes, steps = read.tables["modes"][1:], read.tables["error-by-glimpse"][1:]
    assert [number(row[1]) for row in modes] == [mode["num_errors"] for mode in facts["modes"]]
    assert [number(row[2]) for row in modes] == [pytest.approx(mode["error_rate"], abs=5e-5) for mode in facts["modes"]]
    others = read.tables["stand-ins"][1:]
    assert [row[0] for row in others] == [said["policy"] for said in facts["stand_ins"]]
    for row, mode in zip([*modes, *others], [*facts["modes"], *facts["stand_ins"]], strict=True):
        assert number(row[1]) == mode["num_errors"]
        low, high = (number(bound) for bound in row[3].split(" to "))
        assert (low / 100, high) == pytest.approx(tuple(mode["interval"]), abs=6e-5)
    for column, mode in enumerate(facts["modes"], 1):
        assert [number(row[column]) for row in steps] == pytest.approx(mode["error_by_glimpse"], abs=6e-5)
    assert number(read.facts["error_rate"]) == pytest.approx(facts["modes"][0]["error_rate"], abs=6e-5)
    for name in ("scanpath_dependence", "by_class", "at_border"):
        assert number(read.facts[name]) == pytest.approx(facts["gaze"][name], abs=0.0051)


def test_the_words_around_the_numbers(read: Reader, facts: dict[str, Any], report: tuple[Path, ReportData]) -> None:
    mean, text = facts["modes"][0], (report[0] / "report.html").read_text(encoding="utf-8")
    assert (
        f"{mean['num_errors']} of 60 images answered wrongly by the mean policy in one pass of 3 glimpses" in read.said
    )
    assert "The wrong answers that it was surest of" in read.said
    assert "No image was answered wrongly." not in read.said
    assert "foveate evaluate &#39;a &amp; b&#39; --report</pre>" in text
    panels = [str(tag["alt"]) for kind, tag in read.tags if kind == "img" and "Density" in str(tag.get("alt"))]
    assert panels == [f"Density of glimpse {step}, {group}" for group in ("all", *CLASSES) for step in (1, 2, 3)]


def test_of_many_classes_the_worst_are_listed(report: tuple[Path, ReportData]) -> None:
    data = report[1]
    row = data.facts["classes"][0]
    many = [{**row, "name": str(i), "error_rate": (7 * i % 41) / 41} for i in range(MAX_CLASSES + 11)]
    unders = [torch.zeros(20, 30)] * len(data.fixations)
    charts = {name: AggFigure() for name in ("errors", "glimpses", "confusion", "spread", "stopping", "stops")}
    listed = Reader()
    listed.feed(report_page._page(replace(data, facts={**data.facts, "classes": many}), charts, unders))
    worst = sorted(many, key=lambda each: -each["error_rate"])[:MAX_CLASSES]
    assert [cells[0] for cells in listed.tables["classes"][1:]] == [each["name"] for each in worst]
    assert f"The {MAX_CLASSES} classes with the greatest error" in listed.said


def test_of_classes_that_it_is_taken_for_as_often_the_first_is_named() -> None:
    confusion = torch.tensor([[5, 2, 2], [0, 3, 0], [1, 4, 1]])
    rows = class_table(Evaluation("mean", 1, 3, 18, 9, confusion, (9, 9, 9), None), CLASSES)
    assert [(row["taken_for"], row["times"]) for row in rows] == [(CLASSES[1], 2), (None, 0), (CLASSES[1], 4)]


def test_no_more_classes_are_looked_at_closely_than_are_shown() -> None:
    label = torch.arange(24) % 12
    counts = _fixations(torch.zeros(2, 24, 2), label, (8, 8))
    assert counts.shape == (1 + 10, 2, 8, 8)
    assert counts.sum((2, 3))[:, 0].tolist() == [24] + [2] * 10


def test_the_table_of_the_classes(read: Reader, facts: dict[str, Any]) -> None:
    for i, (row, said) in enumerate(zip(read.tables["classes"][1:], facts["classes"], strict=True)):
        counts = facts["confusion"][i]
        wrong, worst = sum(counts) - counts[i], max(count for j, count in enumerate(counts) if j != i)
        assert (said["name"], said["n"], said["num_errors"], said["times"]) == (CLASSES[i], sum(counts), wrong, worst)
        assert (said["taken_for"] is None) == (worst == 0)
        assert worst == 0 or counts[CLASSES.index(said["taken_for"])] == worst
        assert tuple(said["interval"]) == wilson(wrong, sum(counts))
        assert row[0] == CLASSES[i]
        assert [number(cell) for cell in row[1:4]] == pytest.approx([sum(counts), wrong, wrong / sum(counts)], abs=6e-5)
        low, high = (number(bound) for bound in row[4].split(" to "))
        assert (low / 100, high) == pytest.approx(wilson(wrong, sum(counts)), abs=6e-5)
        assert row[5] == (f"{said['taken_for']} ({worst})" if worst else "")


def test_the_sample_is_the_first_image_of_each_class(model, images: InMemory, facts: dict[str, Any]) -> None:
    assert [seen["index"] for seen in facts["sample"]] == [images.label.tolist().index(c) for c in range(3)]
    for seen in facts["sample"]:
        expected = look(model, images.image[seen["index"]], label=seen["label"], policy="mean").to_dict()
        assert {name: value for name, value in seen.items() if name != "index"} == expected


def test_the_mistakes_are_the_surest_with_their_files(
    model, images: InMemory, facts: dict[str, Any], read: Reader
) -> None:
    chances = model.eval()(images.image).final_logits.detach().softmax(-1)
    wrong = {i: float(chances[i].max()) for i in range(60) if chances[i].argmax() != images.label[i]}
    surest = sorted(wrong, key=lambda i: -wrong[i])[:12]
    assert [said["index"] for said in facts["mistakes"]] == surest
    for said in facts["mistakes"]:
        i = said["index"]
        assert said["file"] == images.names[i]
        assert f"<{i}>\ufffd.png" in read.said
        assert (said["label"], said["answer"]) == (CLASSES[images.label[i]], CLASSES[chances[i].argmax()])
        assert said["probability"] == pytest.approx(wrong[i], rel=1e-5)
        assert said["probability_of_label"] == pytest.approx(float(chances[i, images.label[i]]), rel=1e-5)


def test_images_stop_where_the_validation_images_say(model, images: InMemory, facts: dict[str, Any]) -> None:
    found = facts["stopping"]
    chosen = choose_stop(stopping_curve(model, halved(images), policy="mean"))
    assert found["stop"] == chosen.stop < 1
    again = evaluate(model, images, policy="mean", stop=chosen.stop)
    assert (found["error_rate"], found["mean_glimpses"]) == pytest.approx((again.error_rate, again.mean_glimpses))
    assert found["num_stops_by_glimpse"] == list(again.num_stops_by_glimpse)
    assert found["multiply_adds"] == round(multiply_adds(model) * found["mean_glimpses"])
    assert (len(found["curve"]), len(found["validation_curve"])) == (len(THRESHOLDS), len(THRESHOLDS))


def test_the_easiest_images_stop_first_and_the_hardest_last(
    model, images: InMemory, facts: dict[str, Any], report: tuple[Path, ReportData]
) -> None:
    answers = evaluate(model, images, policy="mean", stop=facts["stopping"]["stop"]).answers
    order = sorted(range(60), key=lambda i: (int(answers.num_glimpses[i]), -float(answers.probability[i])))
    assert facts["stopping"]["easiest"] == order[:6]
    assert facts["stopping"]["hardest"] == order[::-1][:6]
    for kind in ("easiest", "hardest"):
        shown = [len(look.locations) for look in getattr(report[1], kind)]
        assert shown == [int(answers.num_glimpses[i]) for i in facts["stopping"][kind]]


def test_every_glimpse_is_counted_once(images: InMemory, facts: dict[str, Any]) -> None:
    counts = torch.tensor(facts["fixations"]["counts"])
    assert facts["fixations"]["groups"] == ["all", *CLASSES]
    assert counts.sum((2, 3))[0].tolist() == [60] * 3
    assert counts.sum((2, 3))[1:, 0].tolist() == images.label.bincount().tolist()
    assert torch.equal(counts[1:].sum(0), counts[0])


def test_how_it_was_made(model, read: Reader, facts: dict[str, Any]) -> None:
    assert facts["config"] == json.loads(json.dumps(to_dict(Config(model=model.config))))
    assert dict(read.tables["config-model"])["glimpse_size"] == "4 6"
    assert dict(read.tables["versions"]) == facts["versions"]
    assert facts["versions"]["torch"] == torch.__version__
    assert facts["command"] in read.said


def test_a_name_is_a_name_and_no_markup(report: tuple[Path, ReportData], read: Reader) -> None:
    text = (report[0] / "report.html").read_text(encoding="utf-8")
    assert "<b>dog</b>" not in text
    assert "<b>dog</b> & co" in read.said
    assert "<h1>a &amp; b</h1>" in text


def test_a_collapsed_policy_is_called_out_on_the_page(images: InMemory, tmp_path: Path) -> None:
    stuck = tiny_model(classes=CLASSES, num_glimpses=2, unit_pixels=0.5)
    found = make_report(stuck, images, tmp_path, title="stuck", config=Config(model=stuck.config), num_rollouts=2)
    (warning,) = found.facts["warnings"]
    assert "hardly depends on the image" in warning
    assert "`unit_pixels`" in warning
    assert f'<p class="warning">{warning}</p>' in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_a_model_that_is_never_wrong_and_a_class_without_images(tmp_path: Path) -> None:
    model = tiny_model((3, 20, 30), num_glimpses=1)
    draws = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (5, 3, 20, 30), dtype=torch.uint8, generator=draws)
    images = InMemory(pixels, model.eval()(pixels).final_logits.argmax(-1))
    found = make_report(model, images, tmp_path, title="sure", config=Config(model=model.config), num_rollouts=2)
    assert found.facts["modes"][0]["num_errors"] == 0
    assert found.facts["mistakes"] == []
    assert found.facts["warnings"] == []
    assert not (tmp_path / "mistakes.png").exists()
    assert {row["error_rate"] for row in found.facts["classes"]} <= {0.0, None}


def test_it_is_the_same_every_time(model, images: InMemory, report: tuple[Path, ReportData], tmp_path: Path) -> None:
    command = "foveate evaluate 'a & b' --report"
    config = Config(model=model.config)
    ways = {"validation": halved(images), "num_rollouts": 4}
    make_report(model, images, tmp_path, title="a & b", config=config, command=command, **ways)
    for name in ("report.html", "report.json", "density.png"):
        assert (tmp_path / name).read_bytes() == (report[0] / name).read_bytes()


def test_every_image_is_passed_once_in_each_mode(model, images: InMemory, monkeypatch: pytest.MonkeyPatch) -> None:
    """The answers shown come from the evaluation; only scanpaths take another pass, over one image each."""
    batches: list[int] = []
    with monkeypatch.context() as patch:
        forward = type(model).forward
        patch.setattr(
            type(model), "forward", lambda self, image, **how: batches.append(len(image)) or forward(self, image, **how)
        )
        collect(model, images, num_rollouts=2)
    assert sum(size for size in batches if size > 1) == 6 * len(images)
