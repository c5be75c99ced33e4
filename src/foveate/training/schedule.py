"""What falls while a run goes on, a pure function of the step: nothing to save, nothing to forget on resume."""

import math


def fall(step: int, steps: int, *, start: float, floor: float, schedule: str) -> float:
    """The value at `step` (from 0) of what takes `steps` to fall from `start` to `floor`, where it then stays.

    cosine: floor + (start - floor) * (1 + cos(pi * step / steps)) / 2; linear: a straight line; constant: `start`.

    >>> [round(fall(step, 10, start=1.0, floor=0.1, schedule="linear"), 2) for step in (0, 5, 10, 20)]
    [1.0, 0.55, 0.1, 0.1]
    """
    if schedule == "constant":
        return start
    progress = min(1.0, step / max(1, steps))
    left = 1 - progress if schedule == "linear" else (1 + math.cos(math.pi * progress)) / 2
    return floor + (start - floor) * left
