"""Alarms: what has gone wrong with a run or a model, in words, with what to try."""

import math
from collections.abc import Sequence
from typing import Any

from foveate.config import Model

HARDLY = 0.05  # of the scanpath dependence
MOSTLY = 0.9  # of the glimpses at the border
SHRUNK, GROWN = 0.01, 1.0  # of the policy's standard deviation, in the locator's units
LASTING = 5  # epochs at least that a policy must be so for, before it counts as a state and not as a moment


def alarms(history: Sequence[dict[str, Any]], model: Model, lasting: int = LASTING) -> dict[str, str]:
    """Say what is wrong, by the kind of fault, from lines of metrics.jsonl, of which the last is now.

    Args:
        history: lines with some of the fields of metrics.jsonl.
        model: the settings of the model.
        lasting: lines that must agree about the policy.

    Example:
        >>> import foveate
        >>> model = foveate.config.Model(image=(1, 60, 60), unit_pixels=2.0)
        >>> print(alarms([{"loss": 1.0, "scanpath_dependence": 0.01}], model, lasting=1)["alike"])
        Where it looks hardly depends on the image: ... Found 1 % of what places at random would. `unit_pixels` lets ...
    """
    if not history:
        return {}
    now, last = history[-1], history[-lasting:]
    broken = [name for name, value in now.items() if isinstance(value, float) and not math.isfinite(value)]
    if broken:
        words = f"`{broken[0]}` is {now[broken[0]]}: the run has diverged. Try a smaller `learning_rate`, or a "
        return {"diverged": words + "`gradient_cut` such as 1."}
    if len(last) < lasting:
        return {}
    checks = {"alike": _alike, "at_border": _at_border, "narrow": _narrow, "wide": _wide}
    found = {kind: check(now, model) for kind, check in checks.items() if all(check(line, model) for line in last)}
    return {kind: words for kind, words in found.items() if words}


def lasting_in(epochs: int) -> int:
    """Epochs that a policy must be so for in a run of so many: a tenth, since every policy begins with one path."""
    return max(LASTING, epochs // 10)


def _alike(line: dict[str, Any], model: Model) -> str | None:
    """One scanpath for all images."""
    found = line.get("scanpath_dependence", 1.0)
    if found >= HARDLY or model.num_glimpses == 1:
        return None
    side = min(model.image[1:])
    hint = (
        f"`unit_pixels` lets it look no farther than {model.unit_pixels:g} of {side / 2:g} pixels from the middle: "
        "try a larger one."
        if model.unit_pixels < side / 4
        else "Early in training that is so of every model; if it lasts, try a larger `std`, or more `num_rollouts`."
    )
    return (
        "Where it looks hardly depends on the image: it takes nearly the same path over every one. "
        f"Found {100 * found:.0f} % of what places at random would. {hint}"
    )


def _at_border(line: dict[str, Any], model: Model) -> str | None:
    """Locations that have run into the bounds."""
    found = line.get("at_border", 0.0)
    if found < MOSTLY:
        return None
    return (
        f"{100 * found:.0f} % of the glimpses lie as far out as the locator reaches: the policy has collapsed to its "
        "bounds. Try a smaller `learning_rate` or `policy_weight`, or a larger `unit_pixels`."
    )


def _narrow(line: dict[str, Any], model: Model) -> str | None:
    """A policy that does not try anything."""
    found = line.get("policy_std", 1.0)
    if found > SHRUNK:
        return None
    return (
        f"The policy's standard deviation is {found:.2g}: it tries nothing new, so it learns nothing about where "
        "to look. Try a larger `std`, or leave out `learn_std`."
    )


def _wide(line: dict[str, Any], model: Model) -> str | None:
    """A policy that looks anywhere."""
    found = line.get("policy_std", 0.0)
    if found < GROWN:
        return None
    return (
        f"The policy's standard deviation is {found:.2g} times what the locator reaches: it looks almost anywhere, "
        "whatever it has seen. Try a smaller `std`, or leave out `learn_std`."
    )
