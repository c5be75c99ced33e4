"""`foveate evaluate`: the error rate of a run with its interval, what was mistaken for what, and a report of it all."""

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from foveate.cli.opened import Opened, open_run

if TYPE_CHECKING:
    from foveate.config import Model
    from foveate.training.evaluate import Evaluation

Absent = Parameter(show_default=False)
WIDEST_TABLE = 20  # classes


def evaluate(
    run: Path,
    /,
    *,
    split: Literal["test", "validation"] = "test",
    policy: Annotated[Literal["mean", "sampled", "random", "centre", "raster"] | None, Absent] = None,
    num_rollouts: int = 1,
    num_glimpses: Annotated[int | None, Absent] = None,
    device: str = "auto",
    report: Annotated[bool, Parameter(negative=(), show_default=False)] = False,
    out: Annotated[Path | None, Absent] = None,
    json: Annotated[bool, Parameter(negative=(), show_default=False)] = False,
) -> None:
    """Measure the error rate of a run's best model, and show what it mistakes for what.

    foveate evaluate runs/digits
    foveate evaluate runs/digits --split validation
    foveate evaluate runs/digits --policy sampled --num-rollouts 10
    foveate evaluate runs/digits --num-glimpses 3 --json
    foveate evaluate runs/digits --report     # a page with every way of asking, where it looks, and its mistakes

    Parameters
    ----------
    run
        Folder of a run that `foveate train` made, or the name of a model that comes with foveate, such as `digits`.
    split
        Images to answer: `test`, or `validation`, which chose the model.
    policy
        Look where the policy's mean says, or sample; the model's own way if absent. What stands in for it shows what
        looking is worth: anywhere at `random`, only at the `centre`, or row by row, as a `raster`.
    num_rollouts
        Passes for each image, whose class probabilities are averaged; a report averages 10 if this is 1.
    num_glimpses
        Glimpses at each image; as many as trained if absent.
    device
        `cpu`, `cuda`, `cuda:1`, or `auto` for a GPU where there is one.
    report
        Write a page that opens from disk, its figures as PNG and its numbers as JSON, under both policies.
    out
        Folder of the report; `report` in the run folder if absent, or where you are if there is none.
    json
        Print one JSON object instead.
    """
    if report and policy:
        raise ValueError(f"`--report` should be without `--policy`, for it has both. Found `--policy {policy}`.")
    if out and not report:
        raise ValueError("`--out` should come with `--report`. Found none.")
    opened = open_run(run, device)
    if split == "validation" and opened.config.data.train_on == "all":
        raise ValueError("`--split` should be `test`: this model has trained on the validation images too.")
    ways: dict[str, Any] = {"num_rollouts": num_rollouts, "num_glimpses": num_glimpses}
    if report:
        _write_report(opened, split, out or opened.desk / "report", title=str(run), json=json, **ways)
        return
    from foveate.training.evaluate import evaluate as measure

    result = measure(opened.model, opened.images(split), policy=policy, **ways)
    classes = opened.model.config.classes
    if json:
        _print_json(result, split, classes)
        return
    print(sentence(result, split))
    print("Error after each glimpse: " + ", ".join(f"{wrong / result.n:.2%}" for wrong in result.wrong_by_glimpse))
    _print_gaze(result, opened.model.config)
    _print_confusion(result, classes)


def _write_report(
    opened: Opened, split: str, folder: Path, *, title: str, json: bool, num_rollouts: int, num_glimpses: int | None
) -> None:
    """Write the report, and print what it found in short, or all of it as JSON."""
    from foveate.viewing.findings import SAMPLED
    from foveate.viewing.report import make_report

    findings = make_report(
        opened.model,
        opened.images(split),
        folder,
        title=title,
        split=split,
        config=opened.config,
        command=shlex.join(["foveate", *sys.argv[1:]]),
        num_rollouts=num_rollouts if num_rollouts > 1 else SAMPLED,
        num_glimpses=num_glimpses,
        progress=lambda what: print(f"{what} ...", file=sys.stderr),
    )
    if json:
        print((folder / "report.json").read_text(encoding="utf-8"), end="")
        return
    for mode in findings.modes:
        print(sentence(mode, split))
    _print_gaze(findings.modes[0], opened.model.config)
    print(f"Report: {folder / 'report.html'}")


def sentence(result: "Evaluation", split: str) -> str:
    """An evaluation under its own name, with its interval."""
    low, high = result.interval
    glimpses = "1 glimpse" if result.num_glimpses == 1 else f"{result.num_glimpses} glimpses"
    return (
        f"{split.capitalize()} error: {result.error_rate:.2%} ({result.wrong} of {result.n:,} wrong; 95 % interval "
        f"{low:.2%} to {high:.2%}; {result.name}, {glimpses})"
    )


def _print_gaze(result: "Evaluation", model: "Model") -> None:
    """How much where it looks depends on the image, and a warning where it hardly does."""
    from foveate.training.alarms import alarms

    gaze = result.gaze
    if gaze is None or result.num_glimpses == 1 or result.policy not in ("mean", "sampled"):
        return
    chance = ", chance included" if result.policy == "sampled" and result.num_rollouts == 1 else ""
    print(
        f"Where it looks: the glimpses after the first differ by {gaze.scanpath_dependence * gaze.random_spread:.1f} "
        f"pixels from image to image, {gaze.scanpath_dependence:.0%} of what places at random would{chance}; "
        f"{gaze.by_class:.0%} of that variance is between classes."
    )
    facts = {"scanpath_dependence": gaze.scanpath_dependence, "at_border": gaze.at_border}
    for words in alarms([facts], model, lasting=1).values():
        print(f"Warning: {words}")


def _print_json(result: "Evaluation", split: str, classes: tuple[str, ...]) -> None:
    """The evaluation as one JSON object."""
    import dataclasses
    import json

    facts: dict[str, Any] = {"split": split, "name": result.name, **dataclasses.asdict(result)}
    if result.gaze:
        facts["gaze"] |= {"dependence": result.gaze.dependence, "scanpath_dependence": result.gaze.scanpath_dependence}
    facts |= {"error_rate": result.error_rate, "interval": result.interval, "classes": classes}
    print(json.dumps(facts | {"confusion": result.confusion.tolist()}, indent=2))


def _print_confusion(result: "Evaluation", classes: tuple[str, ...]) -> None:
    """The confusion matrix; of many classes, only what was mistaken most."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    counts = result.confusion.tolist()
    mistakes = [(n, classes[i], classes[j]) for i, row in enumerate(counts) for j, n in enumerate(row) if n and i != j]
    if len(classes) > WIDEST_TABLE:
        for n, label, answer in sorted(mistakes, reverse=True)[:WIDEST_TABLE]:
            print(f"{n:6} x {label} answered as {answer}")
        return
    table = Table("label / answer", *map(escape, classes), "error")
    for i, row in enumerate(counts):
        cells = [f"[bold]{n}[/]" if i == j else f"[red]{n}[/]" if n else "[dim].[/]" for j, n in enumerate(row)]
        table.add_row(escape(classes[i]), *cells, f"{1 - row[i] / max(sum(row), 1):.1%}")
    Console().print(table)
