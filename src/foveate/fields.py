"""Values of settings: types and bounds from the annotation of a field, checked in one sentence each."""

import dataclasses
import json
import math
import numbers
import operator
import os
from typing import Any, Literal, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt

LARGEST_INTEGER = 10**12  # anything larger is a typing error, and would overflow later
COMPARISONS = {
    Ge: ("at least", operator.ge),
    Gt: ("above", operator.gt),
    Le: ("at most", operator.le),
    Lt: ("below", operator.lt),
}


def convert(name: str, value: Any, hint: Any) -> Any:
    """Return a value as its field holds it: tuples for lists, floats for integers, text for paths; 8 means 8 x 8.

    Raises:
        ValueError: if it has another type.

    Example:
        >>> convert("image_size", 64, tuple[int, int]), convert("std", 1, float)
        ((64, 64), 1.0)
        >>> convert("epochs", "3", int)
        Traceback (most recent call last):
        ValueError: `epochs` should be a whole number. Found `epochs = "3"`.
    """
    hint, optional = required(without_bounds(hint))
    if value is None and optional:
        return None
    value = _plain(value)
    if hint == tuple[int, int] and type(value) is int:
        value = (value, value)  # a square
    if not _fits(value, hint):
        found = "null" if value is None else json.dumps(value, default=str)
        raise ValueError(f"`{name}` should be {in_words(hint)}. Found `{name} = {found}`.")
    if hint is float:
        try:
            return float(value)
        except OverflowError:
            raise ValueError(f"`{name}` should be a number that fits a float. Found a larger one.") from None
    return tuple(value) if get_origin(hint) is tuple else value


def without_bounds(hint: Any) -> Any:
    """The type of a field without the bounds in its annotation."""
    if hasattr(hint, "__metadata__"):
        hint = hint.__origin__
    if get_origin(hint) is tuple:
        return tuple[tuple(without_bounds(item) for item in get_args(hint))]
    return hint


def required(hint: Any) -> tuple[Any, bool]:
    """The type of a field without None, and whether None is allowed."""
    if type(None) not in get_args(hint):
        return hint, False
    (kind,) = (item for item in get_args(hint) if item is not type(None))
    return kind, True


def in_words(hint: Any) -> str:
    """The type of a field in words."""
    if get_origin(hint) is Literal:
        return "one of " + ", ".join(f"`{choice}`" for choice in get_args(hint))
    if get_origin(hint) is tuple:
        items = get_args(hint)
        return "a list of texts" if items[-1] is Ellipsis else f"a list of {len(items)} whole numbers"
    return {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}[hint]


def check_bounds(name: str, value: Any, hint: Any) -> None:
    """Check a setting against the bounds in its annotation; a tuple has the bounds of its first number.

    Raises:
        ValueError: if a number is out of bounds.
    """
    if get_origin(hint) is tuple:
        hint = get_args(hint)[0]
    bounds = tuple(bound for bound in getattr(hint, "__metadata__", ()) if type(bound) in COMPARISONS)
    for number in value if isinstance(value, tuple) else (value,):
        expected = _expected(number, bounds) if isinstance(number, (int, float)) else ""
        if expected:
            raise ValueError(f"`{name}` should be {expected}. Found `{name} = {value}`.")


def _expected(number: float, bounds: tuple[Any, ...]) -> str:
    """What the number should be; empty if it is within its bounds."""
    if not math.isfinite(number):
        return "a finite number"
    if isinstance(number, int) and number > LARGEST_INTEGER:
        return f"at most {LARGEST_INTEGER:,}"
    words = []
    inside = True
    for bound in bounds:
        word, compare = COMPARISONS[type(bound)]
        (limit,) = dataclasses.astuple(bound)
        words.append(f"{word} {limit:,}")
        inside = inside and compare(number, limit)
    return "" if inside else " and ".join(words)


def _plain(value: Any) -> Any:
    """A path as text, and a number of numpy as Python's own."""
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, bool):
        return value
    if isinstance(value, numbers.Integral):
        return int(value)
    if isinstance(value, numbers.Real):
        return float(value)
    if isinstance(value, (list, tuple)):
        return tuple(_plain(item) for item in value)
    return value


def _fits(value: Any, hint: Any) -> bool:
    """Whether the value has the type of the field (a bool is not a number)."""
    if get_origin(hint) is Literal:
        return value in get_args(hint)
    if get_origin(hint) is tuple:
        items = get_args(hint)
        if not isinstance(value, tuple):
            return False
        items = items[:1] * len(value) if items[-1] is Ellipsis else items
        return len(items) == len(value) and all(map(_fits, value, items))
    if hint is float:
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    return type(value) is hint
