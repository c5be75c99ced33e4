"""Splits by seed: `divide` completes a source's own splits, `hold_out` draws the same share of every class."""

import torch
from jaxtyping import Int64
from torch import Tensor


def divide(
    label: Int64[Tensor, " n"],
    classes: tuple[str, ...],
    own: dict[str, Int64[Tensor, " _"]],
    *,
    validation: float,
    test: float,
    seed: int,
    held_out: str = "random",
) -> dict[str, Int64[Tensor, " _"]]:
    """Return the indices of the `train`, `validation` and `test` images; what is not `own` is held out of `train`.

    Raises:
        ValueError: if a fraction is not between 0 and 1, `held_out` is neither random nor last, or a class is missing
            from a split.

    Example:
        >>> splits = divide(torch.arange(100) % 2, ("a", "b"), {}, validation=0.25, test=0.2, seed=0)
        >>> {name: len(index) for name, index in splits.items()}
        {'train': 60, 'validation': 20, 'test': 20}
    """
    if held_out not in ("random", "last"):
        raise ValueError(f"`held_out` should be `random` or `last`. Found `held_out = {held_out}`.")
    splits = {"train": torch.arange(len(label))} | own
    for name, fraction in (("test", test), ("validation", validation)):
        if name not in own:
            train = splits["train"]
            kept, held = hold_out(label[train], fraction, seed, name, last=held_out == "last")
            splits["train"], splits[name] = train[kept], train[held]
    _check_classes(classes, {name: label[index] for name, index in splits.items()})
    return {name: splits[name] for name in ("train", "validation", "test")}


def hold_out(
    label: Int64[Tensor, " n"], fraction: float, seed: int, name: str, *, last: bool = False
) -> tuple[Int64[Tensor, " kept"], Int64[Tensor, " held"]]:
    """Return the ascending indices of the images that stay and of the `fraction` that is held out.

    Exactly `round(n * fraction)` images are held out, and of every class its share to within one image: the shuffled
    images are lined up class by class and taken from the line at even distances (systematic sampling).
    With `last` they are as many of every class, but its last ones: where images stand one writer (patient, film) after
    the other, only those at the border are on both sides then.

    Raises:
        ValueError: if `fraction` is not between 0 and 1; `name` is the option it comes from.

    Example:
        >>> kept, held = hold_out(torch.arange(60) % 10, fraction=1 / 6, seed=0, name="validation")
        >>> len(kept), len(held), (held % 10).unique().numel()
        (50, 10, 10)
    """
    if not 0 < fraction < 1:
        raise ValueError(f"`{name}` should be a fraction between 0 and 1. Found `{name} = {fraction}`.")
    n = len(label)
    count = round(n * fraction)
    order = torch.randperm(n, generator=torch.Generator().manual_seed(seed))
    line = order[label[order].argsort(stable=True)]
    steps = torch.arange(n + 1) * count // n  # in integers: the same images on every machine
    held = steps[1:] > steps[:-1]
    if last:
        line = label.argsort(stable=True)
        held = (2 * label[line] + held).sort().values % 2 == 1  # sorted within a class: its last ones
    return line[~held].sort().values, line[held].sort().values


def _check_classes(classes: tuple[str, ...], splits: dict[str, Int64[Tensor, " _"]]) -> None:
    """Refuse splits where a class has no image."""
    missing = [
        f"`{classes[k]}` in {name}"
        for name, label in splits.items()
        for k in sorted(set(range(len(classes))) - set(label.tolist()))
    ]
    if missing:
        more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
        raise ValueError(f"Every class should be in every split. Found no {', '.join(missing[:3])}{more}.")
