"""`make_report`: a folder with an HTML page, its figures as PNG and its numbers as JSON."""

import base64
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from jaxtyping import Float
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from torch import Tensor

from foveate.config import Config
from foveate.data.home import legible, usable_path
from foveate.data.records import Images
from foveate.storage.files import aside, atomic_write
from foveate.training.build import Attention
from foveate.training.diagnostics import diagnose
from foveate.training.evaluate import Evaluation
from foveate.training.stopping import StopPoint
from foveate.viewing.charts import (
    mode_name,
    percent,
    plot_confusion,
    plot_densities,
    plot_density,
    plot_error_by_glimpse,
    plot_errors,
    plot_spread,
    plot_stopping,
    plot_stops,
)
from foveate.viewing.density import mean_images, mean_of_all
from foveate.viewing.findings import NUM_ROLLOUTS, ReportData, collect, surroundings
from foveate.viewing.record import Look
from foveate.viewing.scanpath import plot_glimpse, plot_looks, plot_paths, plot_scanpath
from foveate.viewing.style import DARK, DPI, LIGHT, AggFigure, as_array, figure_of, scale_color

MAX_CLASSES = 30  # in the table, the worst ones
NUM_CLASSES = 3  # whose probabilities are shown after a glimpse
STEP_ROOM = 104  # pixels, the longer side of the image with one glimpse
PATH_ROOM = 208
STYLE = Path(__file__).with_name("report.css")


def make_report(
    model: Attention,
    images: Images,
    folder: Path | str,
    *,
    title: str,
    config: Config,
    validation: Images | None = None,
    split: str = "test",
    command: str = "",
    num_rollouts: int = NUM_ROLLOUTS,
    num_glimpses: int | None = None,
    progress: Callable[[str], None] = lambda what: None,
) -> ReportData:
    """Evaluate a model in every mode, and write report.html, report.json and the figures as PNG into a folder.

    Args:
        model: a trained model.
        images: the split to answer.
        folder: is made if need be.
        title: what the page is called.
        config: the settings of the run, for the page.
        validation: images that choose the probability at which to stop when sure.
        split: name of the images.
        command: what was typed, for the page.
        num_rollouts: passes that the last mode averages.
        num_glimpses: more or fewer than trained.
        progress: is told what comes next.
    """
    folder = usable_path(folder)
    ways = {"validation": validation, "num_rollouts": num_rollouts, "num_glimpses": num_glimpses}
    findings = collect(model, images, **ways, progress=progress)
    gaze = findings.modes[0].gaze
    if gaze is None:
        raise ValueError("The model should look at locations (x, y). Found one that looks elsewhere.")
    lines = [] if findings.modes[0].num_glimpses == 1 else [{**findings.facts["gaze"]}]
    about = {
        "title": legible(title),
        "split": split,
        "warnings": list(diagnose(lines, model.config, lasting=1).values()),
    }
    findings = replace(findings, facts={**about, **findings.facts, **surroundings(config, legible(command))})
    progress("pictures")
    classes = [row["name"] for row in findings.facts["classes"]]
    charts = {
        "errors": figure_of(plot_errors(findings.modes)),
        "glimpses": figure_of(plot_error_by_glimpse(findings.modes)),
        "confusion": figure_of(plot_confusion(findings.facts["confusion"], classes)),
        "spread": figure_of(plot_spread(gaze)),
        "stopping": figure_of(plot_stopping(_curves(findings.facts))),
        "stops": figure_of(plot_stops(findings.facts["stopping"]["num_stops_by_glimpse"])),
    }
    unders = _means(findings, images)
    _save(folder, "report.html", _page(findings, charts, unders))
    _save(folder, "report.json", json.dumps(findings.facts) + "\n")
    charts["density"] = plot_densities(findings.fixations, unders, findings.facts["fixations"]["groups"])
    charts["scanpaths"] = plot_looks(findings.sample)
    if findings.mistakes:
        charts["mistakes"] = plot_paths(findings.mistakes)
    for name, figure in charts.items():
        with aside(folder / f"{name}.png") as path:
            figure.savefig(path)
    return findings


def _curves(facts: dict[str, Any]) -> dict[str, list[StopPoint]]:
    """Curves of stopping when sure by name."""
    stopping = facts["stopping"]
    curves = {}
    for name, points in (("validation", stopping["validation_curve"]), (facts["split"], stopping["curve"])):
        if points:
            curves[name] = [StopPoint(**point) for point in points]
    return curves


def _save(folder: Path, name: str, text: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with atomic_write(folder / name) as file:
        file.write(text.encode())


def _means(findings: ReportData, images: Images) -> list[Float[Tensor, "height width"]]:
    """Mean images under the densities: of all images, then of each shown class."""
    names = [row["name"] for row in findings.facts["classes"]]
    means = mean_images(images, len(names))
    groups = findings.facts["fixations"]["groups"]
    return [mean_of_all(means, images), *(means[names.index(group)] for group in groups[1:])]


def _page(findings: ReportData, charts: dict[str, AggFigure], unders: Sequence[Float[Tensor, "height width"]]) -> str:
    """Render the page from its data, its charts and the mean images."""
    facts = findings.facts
    classes = facts["classes"]
    if len(classes) > MAX_CLASSES:
        classes = sorted(classes, key=lambda row: -(row["error_rate"] or 0))[:MAX_CLASSES]
    densities = []
    for group, steps, under in zip(facts["fixations"]["groups"], findings.fixations, unders, strict=True):
        densities.append((group, [_source(figure_of(plot_density(counts, under)), "webp") for counts in steps]))
    steps = []
    for t in range(findings.modes[0].num_glimpses):
        steps.append([str(t + 1), *(percent(mode.num_errors_by_glimpse[t] / mode.n) for mode in findings.modes)])
    settings = {}
    for name, section in facts["config"].items():
        settings[name] = {key: _plain(value) for key, value in section.items()}
    page = Environment(loader=PackageLoader("foveate.viewing", ""), autoescape=True, undefined=StrictUndefined)
    page.filters.update(percent=percent, interval=_interval, short=_short, file_name=_file_name)
    return page.get_template("report.html.jinja").render(
        facts=facts,
        modes=findings.modes,
        stand_ins=findings.stand_ins,
        charts={name: Markup(figure.svg(_describe(name, findings))) for name, figure in charts.items()},
        steps=steps,
        classes=classes,
        densities=densities,
        sample=[_look(look) for look in findings.sample],
        mistakes=[(_path(look), said) for look, said in zip(findings.mistakes, facts["mistakes"], strict=True)],
        examples={"easiest": _with_paths(findings.easiest), "hardest": _with_paths(findings.hardest)},
        settings=settings,
        light=LIGHT,
        dark=DARK,
        style=Markup(STYLE.read_text(encoding="utf-8")),
    )


def _file_name(path: str) -> str:
    """Name of a file without its folder, as a page can show it."""
    return legible(os.path.basename(path))


def _look(look: Look) -> dict[str, Any]:
    """One look as the template shows it."""
    steps = []
    leading = look.leading(NUM_CLASSES)
    for step, patches in enumerate(look.glimpses):
        shares = look.probabilities[step].tolist()
        best = max(shares)
        steps.append(
            {
                "boxes": _source(figure_of(plot_glimpse(look, step, room=STEP_ROOM)), _format(look), 2 * DPI),
                "patches": [{"color": scale_color(i), "src": _patch(patch)} for i, patch in enumerate(patches)],
                "bars": [{"name": look.classes[c], "share": shares[c], "best": shares[c] == best} for c in leading],
            }
        )
    facts = {name: getattr(look, name) for name in ("answer", "probability", "correct", "label", "classes")}
    return {**facts, "path": _path(look), "steps": steps}


def _path(look: Look) -> Markup:
    """The numbered path over the image, as SVG."""
    places = ", ".join(f"({x:.0f}, {y:.0f})" for x, y in look.centers())
    alt = f"Scanpath over an image{f' of {look.label}' if look.label else ''}: pixels {places}."
    return Markup(figure_of(plot_scanpath(look, room=PATH_ROOM)).svg(alt))


def _with_paths(looks: Sequence[Look]) -> list[tuple[Markup, Look]]:
    """Looks with their paths."""
    return [(_path(look), look) for look in looks]


def _format(look: Look) -> str:
    """Format of pictures of a look: WebP for photographs, PNG for few colors."""
    return "webp" if len(look.image) == 3 else "png"


def _patch(patch: Float[Tensor, "channels height width"]) -> str:
    """A patch, a pixel of the file for each of its own, as a data URI."""
    high, wide = patch.shape[1:]
    figure = AggFigure(figsize=(wide / DPI, high / DPI), dpi=DPI)
    figure.figimage(as_array(patch))
    return _source(figure, "png")


def _source(figure: AggFigure, suffix: str, dpi: int = DPI) -> str:
    """A figure as a data URI."""
    options = {"quality": 86} if suffix == "webp" else {"optimize": True}
    data = figure.encode(suffix, dpi=dpi, pil_kwargs=options)
    return f"data:image/{suffix};base64,{base64.b64encode(data).decode()}"


def _describe(name: str, findings: ReportData) -> str:
    """Alternative text of a chart."""
    first = findings.modes[0]
    if name == "errors":
        modes = "; ".join(f"{mode_name(mode)} {percent(mode.error_rate)}" for mode in findings.modes)
        return f"Error under each evaluation mode: {modes}."
    if name == "glimpses":
        errors = ", ".join(percent(wrong / first.n) for wrong in first.num_errors_by_glimpse)
        return f"Error after each glimpse, {mode_name(first).lower()}: {errors}."
    if name == "spread":
        spread = ", ".join(f"{pixels:.1f}" for pixels in findings.facts["gaze"]["spread"])
        return f"Pixels between where images are looked at, by glimpse: {spread}."
    if name == "stopping":
        point = findings.facts["stopping"]
        chosen = f"{percent(point['error_rate'])} after {point['mean_glimpses']:.2f}, at {point['stop']:g}"
        return f"Error against mean glimpses, stopping when sure: {chosen}."
    if name == "stops":
        return f"Images that stop after each glimpse: {findings.facts['stopping']['num_stops_by_glimpse']}."
    return "Confusion matrix: images by label and answer."


def _interval(bounds: Sequence[float]) -> str:
    """Format an interval of a fraction in percent.

    >>> _interval((0.007, 0.0106))
    '0.70 to 1.06 %'
    """
    return f"{100 * bounds[0]:.2f} to {percent(bounds[1])}"


def _short(mode: Evaluation) -> str:
    """The column head of a mode."""
    return mode.policy + (f", {mode.num_rollouts} averaged" if mode.num_rollouts > 1 else "")


def _plain(value: Any) -> str:
    """Format a setting as it is typed."""
    return " ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
