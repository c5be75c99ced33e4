"""Runs as they learn, in a terminal: curves, the last numbers in a table, and what has gone wrong in words."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from foveate.config import Config
from foveate.training.alarms import alarms, lasting_in
from foveate.viewing.curves import Curve, plot, sparkline

if TYPE_CHECKING:
    from rich.console import Group, RenderableType
    from rich.table import Table

STYLES = ("bright_blue", "dark_orange", "green3", "magenta", "gold3", "turquoise2", "red1", "grey62")
HEIGHT = 12  # lines of the plot
# Fields of metrics.jsonl that are shown of a single run, and how each is written.
SHOWN = {
    "classification_loss": "{:.4f}",
    "policy_loss": "{:.4f}",
    "baseline_loss": "{:.4f}",
    "gradient_norm": "{:.3f}",
    "scanpath_dependence": "{:.1%}",
    "at_border": "{:.1%}",
    "policy_std": "{:.3f}",
    "learning_rate": "{:.2g}",
    "images_per_second": "{:,.0f}",
}


@dataclass(frozen=True)
class Watched:
    """A run that is watched."""

    name: str
    config: Config
    metrics: list[dict[str, Any]]
    """The lines of its metrics.jsonl so far."""
    done: bool
    """Whether it has ended, its test included."""
    silent: float
    """Seconds since its folder last changed."""

    @property
    def state(self) -> str:
        """How it stands, in a word or two."""
        if self.done:
            return "done"
        if not self.metrics:
            return "in its first epoch"
        pace = self.metrics[-1]["seconds"] / len(self.metrics)
        if self.silent > 60 + 5 * pace:
            return f"silent for {_span(self.silent)}: stopped?"
        return f"{_span(max(0.0, (self.config.training.epochs - len(self.metrics)) * pace))} left"


def dashboard(runs: Sequence[Watched], width: int) -> "Group":
    """All of it, `width` columns wide."""
    from rich.console import Group
    from rich.text import Text

    parts: list[RenderableType] = []
    curves = _curves(runs)
    lines = plot(curves, min(width, 110), HEIGHT)
    if lines:
        legend = Text("error by epoch   ", "bold")
        for curve in curves:
            legend.append("━━ ", curve.style).append(f"{curve.name}   ")
        parts += [legend, *lines, Text()]
    parts.append(_table(runs))
    if len(runs) == 1 and runs[0].metrics:
        parts += [Text(), _sparklines(runs[0], width)]
    for run in runs:
        for words in alarms(run.metrics, run.config.model, lasting_in(run.config.training.epochs)).values():
            name = f"{run.name}: " if len(runs) > 1 else ""
            parts += [Text(), Text(f"Warning: {name}{words}", "bold red")]
    return Group(*parts)


def _curves(runs: Sequence[Watched]) -> list[Curve]:
    """Training and validation error of one run; validation error of several."""
    if len(runs) == 1:
        fields = (("train_error", "training", STYLES[1]), ("validation_error", "validation", STYLES[0]))
        return [Curve(name, [line[field] for line in runs[0].metrics], style) for field, name, style in fields]
    styled = zip(runs, STYLES * len(runs), strict=False)
    return [Curve(run.name, [line["validation_error"] for line in run.metrics], style) for run, style in styled]


def _table(runs: Sequence[Watched]) -> "Table":
    """The last line of each run."""
    from rich.markup import escape
    from rich.table import Table

    table = Table(
        "run", "epoch", "validation error", "best", "gaze", "", box=None, pad_edge=False, padding=(0, 2, 0, 0)
    )
    for run in runs:
        epochs = run.config.training.epochs
        if not run.metrics:
            table.add_row(escape(run.name), f"0/{epochs}", "", "", "", run.state)
            continue
        now = run.metrics[-1]
        gaze = now.get("scanpath_dependence")
        best = f"{now['best_validation_error']:.2%} (epoch {now['best_epoch']})"
        table.add_row(
            escape(run.name),
            f"{now['epoch']}/{epochs}",
            f"{now['validation_error']:.2%}",
            best,
            "" if gaze is None else f"{gaze:.0%}",
            run.state,
        )
    return table


def _sparklines(run: Watched, width: int) -> "Table":
    """The other numbers of a run, each with its course."""
    from rich.table import Table

    table = Table(show_header=False, box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for field, form in SHOWN.items():
        values = [line[field] for line in run.metrics if field in line]
        if values:
            table.add_row(
                field.replace("_", " "), form.format(values[-1]), sparkline(values, max(10, min(60, width - 40)))
            )
    return table


def _span(seconds: float) -> str:
    """A time span in words.

    >>> _span(59), _span(150), _span(7300)
    ('59 s', '2 min', '2 h 1 min')
    """
    minutes = int(seconds // 60)
    if not minutes:
        return f"{seconds:.0f} s"
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min"
