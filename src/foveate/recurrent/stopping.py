"""Stop when sure: a rollout in which an image takes no more glimpses than its answer needs."""

import math
from typing import Any

import torch
from jaxtyping import Bool, Float, Int64
from torch import Generator, Tensor, nn

from foveate.recurrent.ensemble import classify
from foveate.recurrent.rollout import Rollout

MIN_ROWS = 16  # of a batch: products of fewer rows, 10 on some processors, add in another order


def check_stop(stop: float, image: Any) -> None:
    """Check a threshold, and that images can leave their batch.

    Raises:
        ValueError: if `stop` is no probability, or `image` is a scene.
    """
    if not hasattr(image, "index_select"):
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
    rows = _rows(active, num_images, num_rollouts)  # their scanpaths among those of all images
    going = torch.ones(num_images, dtype=torch.bool, device=image.device)  # images in the batch that are not sure yet
    num_glimpses = torch.zeros(num_images, dtype=torch.int64, device=image.device)
    state = model.core.start(len(rows))
    everyone = state[0]  # states of all scanpaths, where all are drawn for
    hiddens, logits, locations, log_probs = [state[0]], [], [], []  # of the scanpaths in the batch
    latest = [rows]  # of every scanpath, the place of its state among all of `hiddens`
    count = len(rows)
    for locator in locators:
        # If nothing is drawn, only images in the batch need a location. A fixed policy is no module and may draw.
        if sample is False and isinstance(locator, nn.Module):
            location, log_prob = locator(state[0], generator, sample)
        else:
            location, log_prob = (drawn[rows] for drawn in locator(everyone, generator, sample))
        state = model.core(model.glimpse(image, location), state)
        hiddens.append(state[0])
        logits.append(classify(model.classifier, state[0].unsqueeze(0))[0][0])
        locations.append(location)
        log_probs.append(log_prob)
        places = torch.arange(count, count + len(rows), device=image.device)
        places = torch.where(going.repeat(num_rollouts), places, latest[-1][rows])
        latest.append(latest[-1].index_copy(0, rows, places))
        count += len(rows)
        num_glimpses.index_add_(0, active, going.long())
        if sample is not False:
            everyone = everyone.index_copy(0, rows, state[0].to(everyone.dtype))
        going = going & ~is_sure(confidence(logits[-1], num_rollouts), stop)
        if not going.any():
            break
        kept = _kept(going, math.ceil(MIN_ROWS / num_rollouts))
        if len(kept) < len(active):
            active, image, going = active[kept], image.index_select(0, kept), going[kept]
            rows = _rows(active, num_images, num_rollouts)
            state = tuple(part.unflatten(0, (num_rollouts, -1))[:, kept].flatten(0, 1) for part in state)
    index = torch.stack(latest)
    states = _rows_at(hiddens, index)
    index = index[1:] - len(hiddens[0])  # the start has no answer
    taken = torch.arange(len(index), device=image.device).unsqueeze(1) < num_glimpses.repeat(num_rollouts)
    return Rollout(
        logits=_rows_at(logits, index),
        locations=_rows_at(locations, index).where(taken.unsqueeze(2), torch.nan),
        log_probs=_rows_at(log_probs, index).where(taken, 0.0),
        baselines=model.baseline(states[:-1]),
        hiddens=states[1:],
        num_glimpses=num_glimpses.repeat(num_rollouts),
    )


def _rows(active: Int64[Tensor, " active"], num_images: int, num_rollouts: int) -> Int64[Tensor, " rows"]:
    """Rows of the images in a batch of several rollouts, which stand one after the other."""
    first = torch.arange(num_rollouts, device=active.device) * num_images
    return (first.unsqueeze(1) + active).flatten()


def _rows_at(parts: list[Tensor], index: Int64[Tensor, "time batch"]) -> Tensor:
    """Rows of the concatenated parts."""
    return torch.cat(parts).index_select(0, index.flatten()).unflatten(0, index.shape)


def _kept(going: Bool[Tensor, " active"], least: int) -> Int64[Tensor, " kept"]:
    """Places of the images that go on, and of others if fewer than `least` do."""
    count = max(int(going.sum()), min(least, len(going)))
    return (~going).to(torch.uint8).argsort(stable=True)[:count].sort().values
