"""`saccade evaluate`: the error rate of a run with its interval, and what was mistaken for what."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from saccade.cli.opened import open_run

if TYPE_CHECKING:
    from saccade.training.evaluate import Evaluation

Absent = Parameter(show_default=False)
WIDEST_TABLE = 20  # classes


def evaluate(
    run: Path,
    /,
    *,
    split: Literal["test", "validation"] = "test",
    policy: Annotated[Literal["mean", "sampled"] | None, Absent] = None,
    num_rollouts: int = 1,
    num_glimpses: Annotated[int | None, Absent] = None,
    device: str = "auto",
    json: Annotated[bool, Parameter(negative=(), show_default=False)] = False,
) -> None:
    """Measure the error rate of a run's best model, and show what it mistakes for what.

    saccade evaluate runs/digits
    saccade evaluate runs/digits --split validation
    saccade evaluate runs/digits --policy sampled --num-rollouts 10
    saccade evaluate runs/digits --num-glimpses 3 --json

    Parameters
    ----------
    run
        Folder of a run that `saccade train` made, or the name of a model that comes with saccade, such as `digits`.
    split
        Images to answer: `test`, or `validation`, which chose the model.
    policy
        Look where the policy's mean says, or sample; the model's own way if absent.
    num_rollouts
        Passes for each image, whose class probabilities are averaged.
    num_glimpses
        Glimpses at each image; as many as trained if absent.
    device
        `cpu`, `cuda`, `cuda:1`, or `auto` for a GPU where there is one.
    json
        Print one JSON object instead.
    """
    opened = open_run(run, device)
    from saccade.training.evaluate import evaluate as measure

    result = measure(
        opened.model, opened.images(split), policy=policy, num_rollouts=num_rollouts, num_glimpses=num_glimpses
    )
    classes = opened.model.config.classes
    if json:
        _print_json(result, split, classes)
        return
    print(sentence(result, split))
    print("Error after each glimpse: " + ", ".join(f"{wrong / result.n:.2%}" for wrong in result.wrong_by_glimpse))
    _print_confusion(result, classes)


def sentence(result: "Evaluation", split: str) -> str:
    """An evaluation under its own name, with its interval."""
    low, high = result.interval
    glimpses = "1 glimpse" if result.num_glimpses == 1 else f"{result.num_glimpses} glimpses"
    return (
        f"{split.capitalize()} error: {result.error_rate:.2%} ({result.wrong} of {result.n:,} wrong; 95 % interval "
        f"{low:.2%} to {high:.2%}; {result.name}, {glimpses})"
    )


def _print_json(result: "Evaluation", split: str, classes: tuple[str, ...]) -> None:
    """The evaluation as one JSON object."""
    import dataclasses
    import json

    facts: dict[str, Any] = {"split": split, "name": result.name, **dataclasses.asdict(result)}
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
