"""The report as one page of HTML that needs nothing beside it: no network, no script."""

from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from foveate.training.evaluate import Evaluation
from foveate.viewing.album import gallery, scanpath
from foveate.viewing.axes import percent
from foveate.viewing.figure import Figure
from foveate.viewing.findings import Findings
from foveate.viewing.html import cards, fact, section, table
from foveate.viewing.ink import to_picture
from foveate.viewing.palette import DARK, LIGHT, Colour
from foveate.viewing.svg import data_uri, shared, to_svg

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

STYLE = Path(__file__).with_name("report.css")
RATES = ("wrong", "error", "95 % interval")  # heads of the columns of a row
LISTED = 30  # classes of the table, the worst of more
HEAD = (
    '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
    '<meta name="viewport" content="width=device-width,initial-scale=1">'
    '<meta name="color-scheme" content="light dark">'
)


def page(findings: Findings, figures: dict[str, Figure], panels: "Sequence[Sequence[Picture]]") -> str:
    """The whole page, with its charts by name and the densities by group and glimpse."""
    facts = findings.facts
    looks = {f"image-{i}": look for i, look in enumerate((*findings.sample, *findings.mistakes))}
    names, sampled = list(looks), len(findings.sample)
    held = "".join(shared(name, to_picture(look.image)) for name, look in looks.items())
    paths = "".join(scanpath(looks[name], name) for name in names[:sampled])
    wrong = gallery({name: looks[name] for name in names[sampled:]}, facts["mistakes"])
    body = [
        _header(findings),
        section(
            "Errors",
            _errors(findings, figures),
            "In each way of asking, with the 95 % interval; of several passes the probabilities are averaged.",
        ),
        section("Where it looks", _gaze(facts, figures, panels)),
        section("What it takes for what", _confusion(facts, figures)),
        section(
            "Scanpaths",
            paths,
            "The first image of each class: the path, and for each glimpse the boxes on the image, the patches that "
            "the model sees, and what it then thinks.",
        ),
        section(
            "Most confident mistakes",
            wrong,
            "The wrong answers that it was surest of; below each the true class, and the probability that it gave it."
            if findings.mistakes
            else "No image was answered wrongly.",
        ),
        section("How this was made", _made(facts)),
    ]
    style = f":root{{{_variables(LIGHT)}}}@media (prefers-color-scheme:dark){{:root{{{_variables(DARK)}}}}}"
    return (
        f"{HEAD}<title>{escape(facts['title'])}: a report of foveate</title>\n"
        f"<style>{style}\n{STYLE.read_text(encoding='utf-8')}</style></head>\n"
        f'<body><svg class="held" width="0" height="0" aria-hidden="true"><defs>{held}</defs></svg>\n'
        f"<main>{''.join(body)}</main></body></html>\n"
    )


def _variables(tones: dict[str, Colour]) -> str:
    """Tones as variables of the style."""
    return "".join(f"--{name}:rgb{colour};".replace(" ", "") for name, colour in tones.items())


def _header(findings: Findings) -> str:
    """What it is, the one number, and what is wrong."""
    mode, facts = findings.modes[0], findings.facts
    warnings = "".join(f'<p class="warning">{escape(words)}</p>' for words in facts["warnings"])
    return (
        f'<header><p class="kind">foveate report</p><h1>{escape(facts["title"])}</h1>'
        f'<p class="big">{fact("error_rate", percent(mode.error_rate))} {escape(facts["split"])} error</p>'
        f'<p class="lead">{mode.wrong:,} of {mode.n:,} images answered wrongly by the mean policy in one pass of '
        f"{mode.num_glimpses} glimpses; 95 % interval {_interval(mode.interval)}.</p>{warnings}</header>\n"
    )


def _interval(bounds: Sequence[float]) -> str:
    """An interval of a fraction in per cent.

    >>> _interval((0.007, 0.0106))
    '0.70 to 1.06 %'
    """
    return f"{100 * bounds[0]:.2f} to {percent(bounds[1])}"


def _short(mode: Evaluation) -> str:
    """A mode as the head of a column."""
    return mode.policy + (f", {mode.num_rollouts} averaged" if mode.num_rollouts > 1 else "")


def _row(mode: Evaluation) -> list[str]:
    """The error of a mode as a row of a table."""
    return [_short(mode), f"{mode.wrong:,}", percent(mode.error_rate), _interval(mode.interval)]


def _errors(findings: Findings, figures: dict[str, Figure]) -> str:
    """The modes, and the errors after each glimpse."""
    modes = findings.modes
    names = [_short(mode) for mode in modes]
    steps = [
        [str(t + 1), *(percent(mode.wrong_by_glimpse[t] / mode.n) for mode in modes)]
        for t in range(modes[0].num_glimpses)
    ]
    return cards(
        to_svg(figures["errors"]) + table("modes", ["policy", *RATES], [_row(mode) for mode in modes]),
        "<h3>After each glimpse</h3>" + to_svg(figures["glimpses"]),
        "<h3>The same in numbers</h3>" + table("error-by-glimpse", ["glimpses", *names], steps),
        "<h3>What looking is worth</h3><p>The same model, taken to places that nobody learned, within its reach.</p>"
        + table("stand-ins", ["places", *RATES], [_row(mode) for mode in findings.stand_ins]),
    )


def _gaze(facts: dict[str, Any], figures: dict[str, Figure], panels: "Sequence[Sequence[Picture]]") -> str:
    """How much where it looks depends on the image, and the densities."""
    gaze = facts["gaze"]
    dependence, by_class, at_border = (
        fact(name, percent(gaze[name], 0)) for name in ("scanpath_dependence", "by_class", "at_border")
    )
    words = (
        f'<p class="big">{dependence} dependence on the image</p>'
        "<p>How far each image's glimpse lies from where that glimpse is taken on average, as a share of what places "
        "drawn at random over the image would have: 0 % is one path for all images. The first glimpse does not count: "
        "it is taken when nothing is seen yet.</p>"
        f"<p>{by_class} of the variance lies between the classes, the rest within them. {at_border} of the glimpses "
        "lie as far out as the locator can reach.</p>"
    )
    density = (
        "<h3>Density of fixations</h3><p>Each glimpse (across) over the mean of all images and of each class (down). "
        f"Light is where most glimpses are taken.</p>{_densities(facts['fixations']['groups'], panels)}"
    )
    return cards(words, "<h3>By glimpse</h3>" + to_svg(figures["spread"])) + f'<div class="card">{density}</div>'


def _densities(groups: Sequence[str], panels: "Sequence[Sequence[Picture]]") -> str:
    """A grid of panels: glimpses across, groups down."""
    steps = len(panels[0])
    cells = "<span></span>" + "".join(f'<span class="step">{t + 1}</span>' for t in range(steps))
    for group, row in zip(groups, panels, strict=True):
        cells += f'<span class="group">{escape(group)}</span>' + "".join(
            f'<img alt="Density of glimpse {t + 1}, {escape(group)}" src="{data_uri(panel, lossy=True)}">'
            for t, panel in enumerate(row)
        )
    return f'<div class="scroll" tabindex="0"><div class="density" style="--steps:{steps}">{cells}</div></div>'


def _confusion(facts: dict[str, Any], figures: dict[str, Figure]) -> str:
    """What is taken for what, and the table of the classes."""
    classes, note = facts["classes"], ""
    if len(classes) > LISTED:
        classes = sorted(classes, key=lambda row: -(row["error_rate"] or 0))[:LISTED]
        note = f"<p>The {LISTED} classes with the greatest error; the rest is in report.json.</p>"
    rows = [
        [
            row["name"],
            f"{row['n']:,}",
            f"{row['wrong']:,}",
            percent(row["error_rate"]) if row["n"] else "",
            _interval(row["interval"]) if row["n"] else "",
            f"{row['taken_for']} ({row['times']})" if row["times"] else "",
        ]
        for row in classes
    ]
    heads = ["class", "images", "wrong", "error", "95 % interval", "taken for"]
    return cards(to_svg(figures["confusion"]), note + table("classes", heads, rows))


def _made(facts: dict[str, Any]) -> str:
    """The command, the versions, and every setting."""
    settings = cards(
        *(
            f"<h3>{escape(name)}</h3>"
            + table(f"config-{name}", [], [[key, _plain(value)] for key, value in values.items()])
            for name, values in facts["config"].items()
        )
    )
    versions = cards("<h3>versions</h3>" + table("versions", [], list(facts["versions"].items())))
    return (
        f'<pre class="command">{escape(facts["command"])}</pre>{versions}'
        f"<details><summary>Every setting of the run</summary>{settings}</details>"
        "<p>Beside this page lie its numbers, report.json, and its figures as PNG.</p>"
    )


def _plain(value: Any) -> str:
    """A setting as it is typed."""
    return " ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
