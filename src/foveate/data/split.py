"""Splits into training, validation and test images by seed, stratified by class."""

import torch
from jaxtyping import Int64
from torch import Tensor

from foveate.data.split_record import first_few


def split_indices(
    label: Int64[Tensor, " n"],
    classes: tuple[str, ...],
    own: dict[str, Int64[Tensor, " _"]],
    *,
    validation: float,
    test: float,
    seed: int,
    held_out: str = "random",
) -> dict[str, Int64[Tensor, " _"]]:
    """Return the indices of the `train`, `validation` and `test` images; splits that are not in `own` are drawn.

    They are held out of `train`. A class that a drawn split lacks gets one image there if it has enough images: three
    if both splits are drawn.

    Raises:
        ValueError: if a fraction is not between 0 and 1, `held_out` is unknown, or a class is too small.

    Example:
        >>> splits = split_indices(torch.arange(100) % 2, ("a", "b"), {}, validation=0.25, test=0.2, seed=0)
        >>> {name: len(index) for name, index in splits.items()}
        {'train': 60, 'validation': 20, 'test': 20}
    """
    if held_out not in ("random", "last", "tail"):
        raise ValueError(f"`held_out` should be `random`, `last` or `tail`. Found `held_out = {held_out}`.")
    splits = {"train": torch.arange(len(label))} | own
    for name, fraction in (("test", test), ("validation", validation)):
        if name not in own:
            train = splits["train"]
            kept, held = stratified_split(label[train], fraction, seed, name, held_out=held_out)
            splits["train"] = train[kept]
            splits[name] = train[held]
    drawn = [name for name in ("test", "validation") if name not in own]
    if held_out != "tail":
        generator = torch.Generator().manual_seed(seed) if held_out == "random" else None
        _fill_small_classes(splits, label, drawn, len(classes), generator)
    _check_classes(classes, label, splits, drawn, held_out)
    return {name: splits[name] for name in ("train", "validation", "test")}


def stratified_split(
    label: Int64[Tensor, " n"], fraction: float, seed: int, name: str, *, held_out: str = "random"
) -> tuple[Int64[Tensor, " kept"], Int64[Tensor, " held"]]:
    """Return the sorted indices of the images that stay and of the `fraction` that is held out.

    Exactly `round(n * fraction)` images are held out, and each class loses its share to within one image: the shuffled
    images are sorted by class and sampled at even distances (systematic sampling). With `held_out = "last"` each class
    loses the same number, but its last images. That separates writers, patients or films if their images follow one
    another. With `held_out = "tail"` the last images are held out regardless of class, as the Torch7 original does with
    the last 10,000 of MNIST.

    Raises:
        ValueError: if `fraction` is not between 0 and 1; `name` is the option it comes from.

    Example:
        >>> kept, held = stratified_split(torch.arange(60) % 10, fraction=1 / 6, seed=0, name="validation")
        >>> len(kept), len(held), (held % 10).unique().numel()
        (50, 10, 10)
    """
    if not 0 < fraction < 1:
        raise ValueError(f"`{name}` should be a fraction between 0 and 1. Found `{name} = {fraction}`.")
    n = len(label)
    count = round(n * fraction)
    if held_out == "tail":
        index = torch.arange(n)
        return index[: n - count], index[n - count :]
    order = torch.randperm(n, generator=torch.Generator().manual_seed(seed))
    line = order[label[order].argsort(stable=True)]
    steps = torch.arange(n + 1) * count // n  # integers, so that every machine picks the same images
    held = steps[1:] > steps[:-1]
    if held_out == "last":
        line = label.argsort(stable=True)
        held = (2 * label[line] + held).sort().values % 2 == 1  # within each class, move the held-out ones last
    return line[~held].sort().values, line[held].sort().values


def _fill_small_classes(
    splits: dict[str, Tensor], label: Tensor, drawn: list[str], num_classes: int, generator: torch.Generator | None
) -> None:
    """Move one image of each class that a split lacks there, from the split that has most of the class.

    The generator picks the image; without one it is the last. Splits that hold every class are not changed.
    """
    names = ["train", *drawn]
    counts = {name: label[splits[name]].bincount(minlength=num_classes) for name in names}
    for name in names:
        for k in (counts[name] == 0).nonzero().flatten().tolist():
            donor = max(names, key=lambda other: int(counts[other][k]))
            if counts[donor][k] < 2:
                continue
            images = splits[donor][label[splits[donor]] == k]
            chosen = torch.randint(len(images), (), generator=generator) if generator else -1
            moved = images[chosen]
            splits[donor] = splits[donor][splits[donor] != moved]
            splits[name] = torch.cat([splits[name], moved[None]]).sort().values
            counts[donor][k] -= 1
            counts[name][k] += 1


def _check_classes(
    classes: tuple[str, ...], label: Tensor, splits: dict[str, Int64[Tensor, " _"]], drawn: list[str], held_out: str
) -> None:
    """Refuse splits where a class has no image."""
    missing = []
    too_small = {}
    for name, index in splits.items():
        for k in sorted(set(range(len(classes))) - set(label[index].tolist())):
            missing.append(f"`{classes[k]}` in {name}")
            if drawn and (name in drawn or name == "train"):
                too_small[classes[k]] = sum(int((label[splits[other]] == k).sum()) for other in ("train", *drawn))
    if not missing:
        return
    sentence = f"Every class should be in every split. Found no {first_few(missing)}."
    if too_small and held_out == "tail":
        sentence += " Choose `held_out = random` or `last`, which look at the classes."
    elif too_small:
        smallest = min(too_small, key=too_small.__getitem__)
        sentence += (
            f" A class needs at least {len(drawn) + 1} images to be in {', '.join(drawn)} and train, and "
            f"`{smallest}` has {too_small[smallest]}: add images or remove the class."
        )
    raise ValueError(sentence)
