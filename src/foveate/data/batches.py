"""Batches of images on the device, shuffled and rendered by one generator."""

import dataclasses
from collections.abc import Iterable, Iterator

import torch
from jaxtyping import Int64, UInt8
from torch import Tensor

from foveate.data.canvas import Canvas
from foveate.data.records import Images


@dataclasses.dataclass(frozen=True)
class Batch:
    """One batch of images and their classes."""

    image: UInt8[Tensor, "batch channels height width"]
    label: Int64[Tensor, " batch"]


def batches(
    images: Images,
    batch_size: int,
    generator: torch.Generator | None = None,
    *,
    canvas: Canvas | None = None,
    epoch_size: int = 0,
    shuffle: bool = True,
) -> Iterator[Batch]:
    """Yield the batches of one epoch; a `canvas` renders every image anew.

    An epoch has `epoch_size` images, or as many as there are if that is 0; every image is used equally often, give or
    take one. With `shuffle` (training) an incomplete last batch is dropped, unless it is the only one; without
    (evaluation) it is kept. The generator is on the device of the images; it is only needed to shuffle or to render.

    Raises:
        ValueError: if `batch_size` is not at least 1, `epoch_size` is negative, or the generator is missing.

    Example:
        >>> from foveate.data import load_digits
        >>> test = load_digits().test
        >>> [len(batch.label) for batch in batches(test, 128, shuffle=False)]
        [128, 128, 103]
    """
    if generator is None and (shuffle or canvas):
        raise ValueError("A `generator` should be given to shuffle or to render on a canvas. Found none.")
    count = num_batches(images, batch_size, epoch_size=epoch_size, shuffle=shuffle)
    order = epoch_order(len(images), epoch_size or len(images), generator if shuffle else None, images.label.device)
    yield from iter_batches(order.split(batch_size)[:count], images, generator, canvas)


def iter_batches(
    order: Iterable[Tensor], images: Images, generator: torch.Generator | None, canvas: Canvas | None
) -> Iterator[Batch]:
    """Yield one batch for each tensor of image indices in `order`; a `canvas` renders every image anew."""
    for index in order:
        image = images.read(index)
        if canvas and generator:
            image = canvas(image, images, generator)
        yield Batch(image, images.label.index_select(0, index))


def num_batches(images: Images, batch_size: int, *, epoch_size: int = 0, shuffle: bool = True) -> int:
    """Return how many batches `batches` yields in one epoch.

    Raises:
        ValueError: if `batch_size` is not at least 1 or `epoch_size` is negative.

    Example:
        >>> from foveate.data import load_digits
        >>> num_batches(load_digits().train, 128), num_batches(load_digits().train, 128, shuffle=False)
        (9, 10)
    """
    if batch_size < 1:
        raise ValueError(f"`batch_size` should be at least 1. Found `batch_size = {batch_size}`.")
    if epoch_size < 0:
        raise ValueError(f"`epoch_size` should be at least 0. Found `epoch_size = {epoch_size}`.")
    full, rest = divmod(epoch_size or len(images), batch_size)
    return full if shuffle and full else full + bool(rest)


def epoch_order(
    n: int, epoch_size: int, generator: torch.Generator | None, device: torch.device
) -> Int64[Tensor, " epoch_size"]:
    """Return the image indices of one epoch: in order, or as random permutations if there is a generator."""
    if generator is None:
        return torch.arange(epoch_size, device=device) % n
    rounds = [torch.randperm(n, generator=generator, device=device) for _ in range(-(-epoch_size // n))]
    return torch.cat(rounds)[:epoch_size]
