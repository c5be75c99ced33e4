"""`make_report`: a page, its figures as PNG and its numbers as JSON, side by side in a folder."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from foveate.config import Config
from foveate.data.records import Images
from foveate.training.alarms import alarms
from foveate.training.build import Attention
from foveate.training.files import aside, written_aside
from foveate.viewing.charts import confusion_chart, glimpses_chart, modes_chart, spread_chart
from foveate.viewing.density import density_panel, mean_images, mean_of_all
from foveate.viewing.figure import Figure
from foveate.viewing.findings import SAMPLED, Findings, find_out, surroundings
from foveate.viewing.ink import beside, bordered, stacked, write
from foveate.viewing.look import Look
from foveate.viewing.page import page
from foveate.viewing.palette import PAPER, QUIET
from foveate.viewing.plate import to_picture
from foveate.viewing.scanpath import overview, picture

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

Panels = list[list["Picture"]]
ACROSS = 4  # mistakes beside each other


def make_report(
    model: Attention,
    images: Images,
    folder: Path | str,
    *,
    title: str,
    config: Config,
    split: str = "test",
    command: str = "",
    num_rollouts: int = SAMPLED,
    num_glimpses: int | None = None,
    progress: Callable[[str], None] = lambda what: None,
) -> Findings:
    """Find out all about a model, and write report.html, report.json and the figures as PNG into a folder.

    Args:
        model: a trained model.
        images: the split to answer.
        folder: is made if need be.
        title: what the page is called.
        config: the settings of the run, for the page.
        split: name of the images.
        command: what was typed, for the page.
        num_rollouts: passes that the last mode averages.
        num_glimpses: more or fewer than trained.
        progress: is told what comes next.
    """
    folder = Path(folder)
    findings = find_out(model, images, num_rollouts=num_rollouts, num_glimpses=num_glimpses, progress=progress)
    gaze = findings.modes[0].gaze
    assert gaze is not None, "a model that `look` can show looks at locations"
    lines = [] if findings.modes[0].num_glimpses == 1 else [{**findings.facts["gaze"]}]
    about = {"title": title, "split": split, "warnings": list(alarms(lines, model.config, lasting=1).values())}
    findings = replace(findings, facts={**about, **findings.facts, **surroundings(config, command)})
    classes = [row["name"] for row in findings.facts["classes"]]
    charts = [
        modes_chart(findings.modes),
        glimpses_chart(findings.modes),
        confusion_chart(findings.facts["confusion"], classes),
        spread_chart(gaze),
    ]
    progress("pictures")
    panels = density_panels(findings, images)
    _save(folder, "report.html", page(findings, {chart.name: chart for chart in charts}, panels))
    _save(folder, "report.json", json.dumps(findings.facts) + "\n")
    for name, drawn in _pictures(findings, charts, panels).items():
        with aside(folder / f"{name}.png") as path:
            drawn.save(path, optimize=True)
    return findings


def _save(folder: Path, name: str, text: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with written_aside(folder / name) as file:
        file.write(text.encode())


def _pictures(findings: Findings, charts: Sequence[Figure], panels: Panels) -> "dict[str, Picture]":
    """Every figure of the page, by the name of its file."""
    pictures = {chart.name: to_picture(chart) for chart in charts}
    pictures["density"] = _density_page(panels, findings.facts["fixations"]["groups"])
    pictures["scanpaths"] = picture(findings.sample)
    return {**pictures, **({"mistakes": _gallery(findings.mistakes)} if findings.mistakes else {})}


def density_panels(findings: Findings, images: Images) -> Panels:
    """Where all images, and those of each shown class, are looked at, glimpse by glimpse."""
    names = [row["name"] for row in findings.facts["classes"]]
    means = mean_images(images, len(names))
    groups = findings.facts["fixations"]["groups"]
    unders = [mean_of_all(means, images), *(means[names.index(group)] for group in groups[1:])]
    return [
        [density_panel(step, under) for step in steps] for steps, under in zip(findings.fixations, unders, strict=True)
    ]


def _density_page(panels: Panels, groups: Sequence[str]) -> "Picture":
    """The panels under the numbers of their glimpses, beside the names of their groups."""
    from PIL import Image

    head = [Image.new("RGB", (panels[0][0].width, 24), PAPER) for _ in panels[0]]
    for t, sheet in enumerate(head):
        write(sheet, (sheet.width / 2, 12), str(t + 1), 19, QUIET, "mm")
    rows = []
    for name, row in zip(["", *groups], [head, *panels], strict=True):
        label = Image.new("RGB", (80, row[0].height), PAPER)
        write(label, (0, label.height / 2), name[:8], 19, anchor="lm")
        rows.append(beside([label, *row], 8))
    return bordered(stacked(rows, 8), 32)


def _gallery(looks: Sequence[Look]) -> "Picture":
    """Paths and answers, a few in a row."""
    cards = [overview(look, 220) for look in looks]
    return bordered(stacked([beside(cards[i : i + ACROSS], 40) for i in range(0, len(cards), ACROSS)], 30), 32)
