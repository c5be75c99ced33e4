"""Runs in a terminal while they train: one table with sparklines, and warnings."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING, Any

from foveate.config import Config
from foveate.training.diagnostics import diagnose, lasting_in

if TYPE_CHECKING:
    from rich.console import Group
    from rich.table import Table

BARS = "▁▂▃▄▅▆▇█"
MAX_BARS = 60  # letters of a sparkline
# Fields of metrics.jsonl that are shown for a single run, with their formats.
METRICS = {
    "train_error": "{:.2%}",
    "validation_error": "{:.2%}",
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
    """A run that `foveate watch` shows."""

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
        """Its status in a word or two."""
        if self.done:
            return "done"
        if not self.metrics:
            return "in its first epoch"
        pace = self.metrics[-1]["seconds"] / len(self.metrics)
        if self.silent > 60 + 5 * pace:
            return f"silent for {_span(self.silent)}: stopped?"
        return f"{_span(max(0.0, (self.config.training.epochs - len(self.metrics)) * pace))} left"


def dashboard(runs: Sequence[Watched], width: int) -> "Group":
    """Render everything, `width` columns wide."""
    from rich.console import Group
    from rich.text import Text

    parts: list[Table | Text] = [_table(runs, width)]
    if len(runs) == 1 and runs[0].metrics:
        parts += [Text(), _sparklines(runs[0], width)]
    for run in runs:
        for words in diagnose(run.metrics, run.config.model, lasting_in(run.config.training.epochs)).values():
            name = f"{run.name}: " if len(runs) > 1 else ""
            parts += [Text(), Text(f"Warning: {name}{words}", "bold red")]
    return Group(*parts)


def sparkline(values: Sequence[float], width: int) -> str:
    """Draw values as bars of text, scaled from the least to the greatest; more than `width` are averaged in groups.

    >>> sparkline([0, 1, 2, 3], 4), sparkline([1, 1], 4), sparkline([0, 0, 7, 7], 2)
    ('▁▃▆█', '▁▁', '▁█')
    """
    finite = [value for value in values if math.isfinite(value)]
    if not finite:
        return ""
    per = -(-len(finite) // width)
    means = [fmean(finite[i : i + per]) for i in range(0, len(finite), per)]
    low = min(means)
    span = max(means) - low or 1.0
    return "".join(BARS[round((value - low) / span * (len(BARS) - 1))] for value in means)


def _table(runs: Sequence[Watched], width: int) -> "Table":
    """The last line of each run, with the curve of its validation error."""
    from rich.markup import escape
    from rich.table import Table

    heads = ("run", "epoch", "validation error", "", "best", "gaze", "")
    table = Table(*heads, box=None, pad_edge=False, padding=(0, 2, 0, 0))
    room = max(8, min(MAX_BARS, width - 100))
    for run in runs:
        epochs = run.config.training.epochs
        if not run.metrics:
            table.add_row(escape(run.name), f"0/{epochs}", "", "", "", "", run.state)
            continue
        now = run.metrics[-1]
        gaze = now.get("scanpath_dependence")
        best = f"{now['best_validation_error']:.2%} (epoch {now['best_epoch']})"
        table.add_row(
            escape(run.name),
            f"{now['epoch']}/{epochs}",
            f"{now['validation_error']:.2%}",
            sparkline([line["validation_error"] for line in run.metrics], room) if len(runs) > 1 else "",
            best,
            "" if gaze is None else f"{gaze:.0%}",
            run.state,
        )
    return table


def _sparklines(run: Watched, width: int) -> "Table":
    """The other metrics of a run, each with a sparkline."""
    from rich.table import Table

    table = Table(show_header=False, box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for field, form in METRICS.items():
        values = [line[field] for line in run.metrics if field in line]
        if values:
            curve = sparkline(values, max(10, min(MAX_BARS, width - 40)))
            table.add_row(field.replace("_", " "), form.format(values[-1]), curve)
    return table


def _span(seconds: float) -> str:
    """Format a time span.

    >>> _span(59), _span(150), _span(7300)
    ('59 s', '2 min', '2 h 1 min')
    """
    minutes = int(seconds // 60)
    if not minutes:
        return f"{seconds:.0f} s"
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min"
