"""Annealing schedules as pure functions of the step, hence no state to checkpoint."""

import math

from foveate.config import Training

MAX_AVERAGED_SHARE = 1 / 4  # of the steps so far that averaged weights span


def anneal(step: int, steps: int, *, start: float, floor: float, schedule: str) -> float:
    """The value at `step` (from 0) of a schedule from `start` to `floor` in `steps`, which then stays there.

    cosine: floor + (start - floor) * (1 + cos(pi * step / steps)) / 2; linear: a straight line; constant: `start`.

    >>> [round(anneal(step, 10, start=1.0, floor=0.1, schedule="linear"), 2) for step in (0, 5, 10, 20)]
    [1.0, 0.55, 0.1, 0.1]
    """
    if schedule == "constant":
        return start
    progress = min(1.0, step / max(1, steps))
    left = 1 - progress if schedule == "linear" else (1 + math.cos(math.pi * progress)) / 2
    return floor + (start - floor) * left


def ramp_decay(step: int, decay: float) -> float:
    """Decay of the averaged weights in the update after `step` others: min(decay, step / (step + 4)).

    An average of decay d spans the last 1 / (1 - d) steps. This one spans a quarter of the steps so far at most, so
    that it forgets the start of any run, however short.

    >>> [round(ramp_decay(step, 0.999), 4) for step in (0, 4, 396, 100_000)]
    [0.0, 0.5, 0.99, 0.999]
    """
    return min(decay, step / (step + 1 / MAX_AVERAGED_SHARE))


def learning_rate(training: Training, step: int, steps_per_epoch: int) -> float:
    """The learning rate of a step, counted from 0 over all epochs."""
    if training.schedule == "linear":
        step -= step % steps_per_epoch
    return anneal(
        step,
        steps_per_epoch * (training.anneal_epochs or training.epochs),
        start=training.learning_rate,
        floor=min(training.min_learning_rate, training.learning_rate),
        schedule=training.schedule,
    )


def describe_change(now: Training, then: Training, step: int, steps_per_epoch: int) -> str:
    """What becomes of the schedules of a run that is resumed at `step` with another number of epochs; else ""."""
    if now.epochs == then.epochs:
        return ""
    rate = learning_rate(now, step, steps_per_epoch)
    note = f"Epochs: {now.epochs} instead of {then.epochs}. "
    if now.schedule == "constant":
        note += f"The learning rate stays {rate:.3g}."
    elif now.anneal_epochs:
        note += f"The learning rate still reaches its floor after {now.anneal_epochs} epochs."
    else:
        before = learning_rate(then, step, steps_per_epoch)
        note += f"The learning rate falls over {now.epochs} epochs: it goes on at {rate:.3g} instead of {before:.3g}."
    if now.std_start:
        note += f" The standard deviation of locations falls over {now.epochs} epochs, too."
    return note
