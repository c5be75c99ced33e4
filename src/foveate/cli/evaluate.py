"""`foveate evaluate`: error rate with its interval, confusion matrix, and an optional report of a run."""

import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast

from cyclopts import Parameter

from foveate.cli.opened import open_run
from foveate.cli.output import check_writable

if TYPE_CHECKING:
    from foveate.config import Model
    from foveate.data.records import Images
    from foveate.training.build import Attention
    from foveate.training.evaluate import Answers, Evaluation
    from foveate.training.load import LoadedRun

Absent = Parameter(show_default=False)
MAX_MISTAKES = 20  # kinds of mistakes listed where the table does not fit, and files listed
UNEQUAL = 2  # times as many images in the largest class as in the smallest: the balanced error is stated too


def evaluate(
    run: Path,
    /,
    *,
    split: Literal["test", "validation"] = "test",
    policy: Annotated[Literal["mean", "sampled", "random", "center", "raster"] | None, Absent] = None,
    num_rollouts: int = 1,
    num_glimpses: Annotated[int | None, Absent] = None,
    stop: Annotated[float | Literal["auto"] | None, Absent] = None,
    within: float = 0.1,
    source: Annotated[str, Absent] = "",
    device: str = "auto",
    report: Annotated[bool, Parameter(negative=(), show_default=False)] = False,
    out: Annotated[Path | None, Absent] = None,
    json: Annotated[bool, Parameter(negative=(), show_default=False)] = False,
) -> None:
    """Measure the error rate of a run's best model, and show which classes it confuses.

    foveate evaluate runs/digits
    foveate evaluate runs/digits --split validation
    foveate evaluate runs/digits --policy sampled --num-rollouts 10
    foveate evaluate runs/digits --num-glimpses 3 --json
    foveate evaluate runs/digits --stop auto  # each image takes no more glimpses than it needs
    foveate evaluate runs/digits --report     # a page with both policies, glimpses and mistakes

    Parameters
    ----------
    run
        Folder of a run that `foveate train` made, or the name of a model that comes with foveate, such as `digits`.
    split
        Images to answer: `test`, or `validation`, which chose the model.
    policy
        `mean` or `sampled` locations of the learned policy; the model's own setting if absent. Fixed policies show
        what the learned one is worth: `random` locations, only the `center`, or row by row, as a `raster`.
    num_rollouts
        Number of passes for each image, whose class probabilities are averaged; a report averages 10 if this is 1.
    num_glimpses
        Number of glimpses at each image; as many as in training if absent.
    stop
        Probability at which an image takes no more glimpses, such as 0.9. `auto` chooses the smallest that costs at
        most `--within` on the validation images, and keeps it with the model for `foveate look --stop auto`.
    within
        Percentage points of error that `--stop auto` may cost.
    source
        Folder of the images, if it has moved; the run's images are recognized by their content. For a run on `mnist` or
        `digits`, a folder of other images.
    device
        `cpu`, `cuda`, `cuda:1`, or `auto` for a GPU if there is one.
    report
        Write a report under both policies: an HTML page, its figures as PNG and its numbers as JSON.
    out
        Folder of the report; `report` in the run folder if absent, or in the current folder if there is none.
    json
        Print one JSON object instead.
    """
    if report and policy:
        raise ValueError(
            f"`--report` should be without `--policy`, since a report has both. Found `--policy {policy}`."
        )
    if out and not report:
        raise ValueError("`--out` should come with `--report`. Found none.")
    opened = open_run(run, device)
    ways: dict[str, Any] = {"num_rollouts": num_rollouts, "num_glimpses": num_glimpses}
    if report and stop is not None:
        raise ValueError(f"`--report` should be without `--stop`. Found `--stop {stop}`.")
    if stop == "auto":
        stop = _choose_stop(opened, source, policy, within, ways)
    if report:
        folder = out or opened.desk / "report"
        check_writable(folder)
        validation = opened.images("validation", source) if split == "test" else None
        _write_report(
            opened, opened.images(split, source), validation, split, folder, title=str(run), json=json, **ways
        )
        return
    from foveate.training.evaluate import evaluate as measure

    images = opened.images(split, source)
    result = measure(opened.model, images, policy=policy, stop=stop, **ways)
    classes = opened.model.config.classes
    if json:
        _print_json(result, split, classes, images)
        return
    print(sentence(result, split))
    print("Error after each glimpse: " + ", ".join(f"{wrong / result.n:.2%}" for wrong in result.num_errors_by_glimpse))
    _print_stops(result, opened.model)
    _print_gaze(result, opened.model.config)
    _print_confusion(result, classes)
    _print_files(result, classes, images)


def _choose_stop(opened: "LoadedRun", source: str, policy: str | None, within: float, ways: dict[str, Any]) -> float:
    """Choose the threshold on the validation images, say so, and keep it with the model if the model may be written."""
    from foveate.training.stopping import choose_stop, save_stop, stopping_curve

    points = stopping_curve(opened.model, opened.images("validation", source), policy=policy, **ways)
    point, whole = choose_stop(points, within / 100), points[-1]
    print(
        f"Stop at {point.stop:g}: validation error {point.error_rate:.2%} after {point.mean_glimpses:.2f} glimpses on "
        f"average, {whole.error_rate:.2%} after all {whole.mean_glimpses:.0f}.",
        file=sys.stderr,
    )
    if os.access(opened.model_folder, os.W_OK):
        save_stop(point, opened.model_folder)
    return point.stop


def _print_stops(result: "Evaluation", model: "Attention") -> None:
    """Print how many images stopped at each glimpse, and the operations of an image."""
    from foveate.training.evaluate import multiply_adds

    if result.stop is None:
        return
    shares = ", ".join(f"{number / result.n:.0%}" for number in result.num_stops_by_glimpse)
    millions = multiply_adds(model) / 1e6
    print(
        f"Glimpses: {result.mean_glimpses:.2f} on average with `--stop {result.stop:g}`; stopped at each: {shares}.\n"
        f"Multiply-adds of an image: {millions * result.mean_glimpses:.2f} million on average, "
        f"{millions * result.num_glimpses:.2f} with all glimpses."
    )


def _write_report(
    opened: "LoadedRun",
    images: "Images",
    validation: "Images | None",
    split: str,
    folder: Path,
    *,
    title: str,
    json: bool,
    num_rollouts: int,
    num_glimpses: int | None,
) -> None:
    """Write the report, and print a summary of it, or all its numbers as JSON."""
    from foveate.viewing.findings import NUM_ROLLOUTS
    from foveate.viewing.report import make_report

    findings = make_report(
        opened.model,
        images,
        folder,
        title=title,
        validation=validation,
        split=split,
        config=opened.config,
        command=shlex.join(["foveate", *sys.argv[1:]]),
        num_rollouts=num_rollouts if num_rollouts > 1 else NUM_ROLLOUTS,
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
    """An evaluation in one sentence, with its interval and name."""
    low, high = result.interval
    sizes = result.confusion.sum(1)
    balanced = f"; balanced {result.balanced_error:.2%}" if sizes.max() > UNEQUAL * sizes.min() else ""
    glimpses = "1 glimpse" if result.num_glimpses == 1 else f"{result.num_glimpses} glimpses"
    if result.stop is not None:
        glimpses = f"{result.mean_glimpses:.2f} of {glimpses} on average"
    return (
        f"{split.capitalize()} error: {result.error_rate:.2%} ({result.num_errors} of {result.n:,} wrong; "
        f"95 % interval {low:.2%} to {high:.2%}{balanced}; {result.name}, {glimpses})"
    )


def _print_gaze(result: "Evaluation", model: "Model") -> None:
    """Print how much the scanpath depends on the image, with warnings of `diagnose`."""
    from foveate.training.diagnostics import diagnose

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
    for words in diagnose([facts], model, lasting=1).values():
        print(f"Warning: {words}")


def _print_json(result: "Evaluation", split: str, classes: tuple[str, ...], images: "Images") -> None:
    """Print the evaluation as one JSON object."""
    import json

    from foveate.training.evaluate import mistake, surest_mistakes

    answers = cast("Answers", result.answers)
    facts: dict[str, Any] = {"split": split, "name": result.name, **result.to_dict(), "classes": classes}
    facts["mistakes"] = [mistake(i, answers, classes, images) for i in surest_mistakes(answers, result.n)]
    if result.gaze:
        facts["gaze"] |= {"dependence": result.gaze.dependence, "scanpath_dependence": result.gaze.scanpath_dependence}
    print(json.dumps(facts, indent=2))


def _print_confusion(result: "Evaluation", classes: tuple[str, ...]) -> None:
    """Print the confusion matrix, or the most frequent mistakes if it is wider than the terminal."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from foveate.data.home import legible

    counts = result.confusion.tolist()
    classes = tuple(map(legible, classes))
    console = Console()
    table = Table("label / answer", *map(escape, classes), "error")
    for i, row in enumerate(counts):
        cells = []
        for j, n in enumerate(row):
            style = "bold" if i == j else "red"
            cells.append(f"[{style}]{n}[/]" if n else "[dim].[/]")
        table.add_row(escape(classes[i]), *cells, f"{1 - row[i] / sum(row):.1%}" if any(row) else "-")
    unbounded = console.options.update(max_width=2**20)
    if console.measure(table, options=unbounded).maximum <= console.width:
        console.print(table)
    else:
        _print_mistakes(counts, classes)


def _print_files(result: "Evaluation", classes: tuple[str, ...], images: "Images") -> None:
    """Print the files of the surest mistakes, if the images have files."""
    from foveate.training.evaluate import mistake, surest_mistakes

    answers = cast("Answers", result.answers)
    if not result.num_errors or not getattr(images, "names", ()):
        return
    print("Surest mistakes (`--json` has all):")
    for index in surest_mistakes(answers, MAX_MISTAKES):
        said = mistake(index, answers, classes, images)
        print(f"  {said['file']}: answered as {said['answer']} ({said['probability']:.1%}), is {said['label']}")


def _print_mistakes(counts: list[list[int]], classes: tuple[str, ...]) -> None:
    """Print the most frequent mistakes, each with its share of the images of that class."""
    mistakes = []
    for i, row in enumerate(counts):
        for j, n in enumerate(row):
            if n and i != j:
                mistakes.append((n, i, j))
    if not mistakes:
        print("Mistakes: none.")
        return
    print("Most frequent mistakes (the table of all classes is wider than this terminal; `--json` has it):")
    mistakes.sort(key=lambda mistake: (-mistake[0], mistake[1:]))
    for n, i, j in mistakes[:MAX_MISTAKES]:
        print(f"{n:6} x {classes[i]} answered as {classes[j]} ({n / sum(counts[i]):.1%} of {classes[i]})")
    if len(mistakes) > MAX_MISTAKES:
        rest = sum(n for n, _, _ in mistakes[MAX_MISTAKES:])
        print(f"{rest:6} others")
