"""Batches: the set lives on the device; its order, and the scenes of its images, come from one generator."""

import dataclasses
from collections.abc import Iterable, Iterator

import torch
from jaxtyping import Int64, UInt8
from torch import Tensor

from foveate.data.canvas import Canvas
from foveate.data.records import Images


@dataclasses.dataclass(frozen=True)
class Batch:
    """Images that go through the model together, and their classes."""

    image: UInt8[Tensor, "batch channels height width"]
    label: Int64[Tensor, " batch"]


def batches(
    images: Images,
    batch_size: int,
    generator: torch.Generator | None = None,
    *,
    canvas: Canvas | None = None,
    scenes: int = 0,
    shuffle: bool = True,
) -> Iterator[Batch]:
    """Yield one epoch of batches, each image on a `canvas` rendered afresh where one is given.

    An epoch has as many scenes as there are images, or `scenes` of them, over which the images are spread evenly.
    In training (`shuffle`) a last batch that is not full is dropped, unless it is the only one; in evaluation it stays.
    The generator is on the device of the images; only what is in order and without a canvas does without it.

    Raises:
        ValueError: if `batch_size` is not at least 1, `scenes` is negative, or the generator is missing.

    Example:
        >>> from foveate.data import load_digits
        >>> test = load_digits().test
        >>> [len(batch.label) for batch in batches(test, 128, shuffle=False)]
        [128, 128, 103]
    """
    if generator is None and (shuffle or canvas):
        raise ValueError("A `generator` should be given to shuffle, or to draw on a canvas. Found none.")
    count = num_batches(images, batch_size, scenes=scenes, shuffle=shuffle)
    order = epoch_order(len(images), scenes or len(images), generator if shuffle else None, images.label.device)
    yield from along(order.split(batch_size)[:count], images, generator, canvas)


def along(
    order: Iterable[Tensor], images: Images, generator: torch.Generator | None, canvas: Canvas | None
) -> Iterator[Batch]:
    """Yield the batches whose images `order` numbers, each on a `canvas` rendered afresh where one is given."""
    for index in order:
        image = images.read(index)
        if canvas and generator:
            image = canvas(image, images, generator)
        yield Batch(image, images.label.index_select(0, index))


def num_batches(images: Images, batch_size: int, *, scenes: int = 0, shuffle: bool = True) -> int:
    """Return how many batches `batches` yields in one epoch.

    Raises:
        ValueError: if `batch_size` is not at least 1 or `scenes` is negative.

    Example:
        >>> from foveate.data import load_digits
        >>> num_batches(load_digits().train, 128), num_batches(load_digits().train, 128, shuffle=False)
        (9, 10)
    """
    if batch_size < 1:
        raise ValueError(f"`batch_size` should be at least 1. Found `batch_size = {batch_size}`.")
    if scenes < 0:
        raise ValueError(f"`scenes` should be at least 0. Found `scenes = {scenes}`.")
    full, rest = divmod(scenes or len(images), batch_size)
    return full if shuffle and full else full + bool(rest)


def epoch_order(
    n: int, scenes: int, generator: torch.Generator | None, device: torch.device
) -> Int64[Tensor, " scenes"]:
    """Return the images of an epoch's scenes: in order, or one permutation after another where there is a generator."""
    if generator is None:
        return torch.arange(scenes, device=device) % n
    rounds = [torch.randperm(n, generator=generator, device=device) for _ in range(-(-scenes // n))]
    return torch.cat(rounds)[:scenes]
