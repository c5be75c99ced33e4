"""Stop when sure: a rollout in which an image takes no more glimpses than its answer needs."""

import math
from typing import Any

import torch
from jaxtyping import Bool, Float, Int64
from torch import Generator, Tensor

from foveate.recurrent.ensemble import classify
from foveate.recurrent.rollout import Rollout

MIN_ROWS = 4  # of a batch: products of fewer rows add in another order, so that their last bits differ


def check_stop(stop: float, image: Any) -> None:
    """Check a threshold, and that images can leave their batch.

    Raises:
        ValueError: if `stop` is no probability, or `image` is a scene.
    """
    if not isinstance(image, Tensor):
        raise ValueError(f"`stop` should go with a batch of images. Found a `{type(image).__name__}`.")
    if not 0 <= stop <= 1:
        raise ValueError(f"`stop` should be a probability from 0 to 1. Found `stop = {stop}`.")


def confidence(logits: Float[Tensor, "*steps batch classes"], num_rollouts: int = 1) -> Float[Tensor, "*steps images"]:
    """Largest probability of each image; those of its rollouts are averaged first.

    >>> confidence(torch.tensor([[0.0, 0.0], [0.0, 100.0]]), num_rollouts=2)
    tensor([0.7500])
    """
    probabilities = logits.to(torch.promote_types(logits.dtype, torch.float32)).softmax(-1)
    return probabilities.unflatten(-2, (num_rollouts, -1)).mean(-3).amax(-1)


def is_sure(confidence: Float[Tensor, "*steps images"], stop: float) -> Bool[Tensor, "*steps images"]:
    """Whether an answer is sure enough to stop; with `stop` at 1 none is, although a probability may round to 1."""
    return (confidence >= stop) & (stop < 1)


def rollout_until_sure(
    model: Any,
    image: Any,
    stop: float,
    locators: list[Any],
    *,
    num_rollouts: int = 1,
    sample: bool | None = None,
    generator: Generator | None = None,
) -> Rollout:
    """Take glimpses of each image until it is sure; those that are leave the batch. See `RecurrentAttention.forward`.

    Where locations are drawn, the locator chooses for all images, so that scanpaths draw as in a rollout to the end.
    """
    num_images = len(image)
    active = torch.arange(num_images, device=image.device)  # images in the batch
    going = torch.ones(num_images, dtype=torch.bool, device=image.device)  # images that are not sure yet
    num_glimpses = torch.zeros(num_images, dtype=torch.int64, device=image.device)
    state = model.core.start(num_images * num_rollouts)
    hiddens, logits, locations, log_probs = [state[0]], [], [], []
    rows = torch.arange(num_images * num_rollouts, device=image.device)
    for locator in locators:
        if sample is False:  # nothing is drawn, so that only images in the batch need a location
            location, log_prob = locator(state[0], generator, sample)
        else:
            location, log_prob = (drawn[rows] for drawn in locator(hiddens[-1], generator, sample))
        state = model.core(model.glimpse(image, location), state)
        answer = classify(model.classifier, state[0].unsqueeze(0))[0][0]
        going_rows = going.repeat(num_rollouts)
        hiddens.append(_update(hiddens[-1], rows, state[0], going_rows))
        logits.append(_update(logits[-1], rows, answer, going_rows) if logits else answer)
        locations.append(_spread(location, rows, going_rows, torch.nan))
        log_probs.append(_spread(log_prob, rows, going_rows, 0.0))
        num_glimpses += going
        going = going & ~is_sure(confidence(logits[-1], num_rollouts), stop)
        if not going.any():
            break
        kept = _kept(going[active], math.ceil(MIN_ROWS / num_rollouts))
        if len(kept) < len(active):
            active, image = active[kept], image[kept]
            rows = _rows(active, num_images, num_rollouts)
            state = tuple(part.unflatten(0, (num_rollouts, -1))[:, kept].flatten(0, 1) for part in state)
    return Rollout(
        logits=torch.stack(logits),
        locations=torch.stack(locations),
        log_probs=torch.stack(log_probs),
        baselines=model.baseline(torch.stack(hiddens[:-1])),
        hiddens=torch.stack(hiddens[1:]),
        num_glimpses=num_glimpses.repeat(num_rollouts),
    )


def _rows(active: Int64[Tensor, " active"], num_images: int, num_rollouts: int) -> Int64[Tensor, " rows"]:
    """Rows of the images in a batch of several rollouts, which stand one after the other."""
    first = torch.arange(num_rollouts, device=active.device) * num_images
    return (first.unsqueeze(1) + active).flatten()


def _update(old: Tensor, rows: Int64[Tensor, " rows"], new: Tensor, going: Bool[Tensor, " batch"]) -> Tensor:
    """The old values with new ones in the rows that go on."""
    if len(rows) == len(old):
        return torch.where(going.view(-1, *[1] * (old.ndim - 1)), new, old)
    kept = going[rows]
    return old.index_copy(0, rows[kept], new[kept].to(old.dtype))


def _spread(new: Tensor, rows: Int64[Tensor, " rows"], going: Bool[Tensor, " batch"], other: float) -> Tensor:
    """The new values in the rows that go on, and `other` in the rest of the batch."""
    return _update(new.new_full((len(going), *new.shape[1:]), other), rows, new, going)


def _kept(going: Bool[Tensor, " active"], least: int) -> Int64[Tensor, " kept"]:
    """Places of the images that go on, and of others if fewer than `least` do."""
    count = max(int(going.sum()), min(least, len(going)))
    return (~going).to(torch.uint8).argsort(stable=True)[:count].sort().values
