"""Settings to and from dictionaries, TOML and JSON: exact, and unknown keys are refused with a suggestion."""

import dataclasses
import difflib
import json
import re
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar, cast, get_origin, get_type_hints

from foveate.config import Config
from foveate.fields import convert, in_words, required

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

Section = TypeVar("Section")
MAX_FILE_SIZE = 2**24  # bytes; enough for the names of a million classes


def to_dict(config: Any) -> dict[str, Any]:
    """Convert a config, or one of its sections, to nested dictionaries."""
    return dataclasses.asdict(config)


def from_dict(settings: Mapping[str, Any], kind: type[Section] = Config, where: str = "") -> Section:
    """Make a config, or one of its sections (`kind`), from nested dictionaries; missing settings keep their defaults.

    Raises:
        ValueError: An unknown section or key (with a suggestion), or a value of another type.

    Example:
        >>> from_dict({"training": {"epochs": 3}}).training.epochs
        3
        >>> from_dict({"training": {"epoch": 3}})
        Traceback (most recent call last):
        ValueError: `[training]` should hold settings only. Found `epoch`. Did you mean `epochs`?
    """
    hints = get_type_hints(kind)
    for name in settings:
        if name not in hints:
            raise ValueError(_unknown(name, hints, where))
    return kind(**{name: _value(value, hints[name], name) for name, value in settings.items()})


def _unknown(name: str, known: Iterable[str], where: str) -> str:
    """Sentence about an unknown key."""
    expected = f"`[{where}]` should hold settings only." if where else "Settings should be under `[section]` headings."
    return f"{expected} Found `{name}`.{_suggestion(name, known, where)}"


def _suggestion(name: str, known: Iterable[str], where: str) -> str:
    """The section that the key belongs to, or a key spelled like it."""
    for section, kind in get_type_hints(Config).items():
        if section != where and name in get_type_hints(kind):
            return f" It belongs under `[{section}]`."
    close = difflib.get_close_matches(name, known, n=1)
    return f" Did you mean `{close[0]}`?" if close else ""


def _value(value: Any, hint: Any, name: str) -> Any:
    """Convert a value to the type of its field: lists to tuples, integers to floats, and nothing else."""
    if dataclasses.is_dataclass(hint):
        if not isinstance(value, Mapping):
            raise ValueError(f"`[{name}]` should be a section. Found `{name} = {value!r}`.")
        return from_dict(value, cast(type, hint), name)
    # A lone surrogate, which JSON can escape, could neither be written nor printed.
    texts = value if isinstance(value, list) else [value]
    if any(isinstance(text, str) and re.search("[\ud800-\udfff]", text) for text in texts):
        raise ValueError(f"`{name}` should be {in_words(hint)}. Found `{name} = {json.dumps(value)}`.")
    return convert(name, value, hint)


def to_toml(config: Config, *, every: bool = False) -> str:
    """Format settings as a recipe: those that differ from the defaults, or `every` one."""
    start = to_dict(Config())
    lines = []
    for section, settings in to_dict(config).items():
        kept = {name: value for name, value in settings.items() if every or value != start[section][name]}
        kept = {name: value for name, value in kept.items() if value is not None}  # TOML has no null
        if kept:
            lines += ["", f"[{section}]", *(f"{name} = {_toml(value)}" for name, value in kept.items())]
    return "\n".join([*lines[1:], ""])


def _toml(value: Any) -> str:
    """Format one value as TOML."""
    if isinstance(value, (bool, str)):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return "[" + ", ".join(map(_toml, value)) + "]" if isinstance(value, tuple) else repr(value)


def from_toml(text: str) -> Config:
    """Parse a recipe.

    Raises:
        ValueError: Text that is no TOML, or as `from_dict`.
    """
    try:
        settings = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # `TOMLDecodeError` is one; a number of too many digits is another
        raise ValueError(f"A recipe should be TOML. Found an error: {error}.") from None
    return from_dict(settings)


def alternatives(option: str) -> tuple[str, list[Any]]:
    """Parse the name of a setting and its alternative values from one word.

    Raises:
        ValueError: An unknown setting, or a value of another type.

    Example:
        >>> alternatives("training.learning_rate=1e-3,3e-4"), alternatives("core=lstm,gru")
        (('learning_rate', [0.001, 0.0003]), ('core', ['lstm', 'gru']))
    """
    words, equals, text = option.partition("=")
    where, _, name = words.strip().replace("-", "_").rpartition(".")
    homes = {field: section for section, kind in get_type_hints(Config).items() for field in get_type_hints(kind)}
    if not equals:
        raise ValueError(f"A setting should be varied as `NAME=VALUE,VALUE`. Found `{option}`.")
    if name not in homes or where not in ("", homes[name]):
        hint = _suggestion(name, homes, where)
        raise ValueError(f"A setting of `foveate train` should be varied. Found `{words}`.{hint}")
    hint, _ = required(get_type_hints(get_type_hints(Config)[homes[name]])[name])
    try:
        values = text.split(",") if hint is str or get_origin(hint) is Literal else tomllib.loads(f"_ = [{text}]")["_"]
    except (ValueError, RecursionError):
        values = []
    if not values:
        raise ValueError(f"`{name}` should be {in_words(hint)}, or several with commas between them. Found `{text}`.")
    return name, [_value(value, hint, name) for value in values]


def to_json(config: Any) -> str:
    """Format every setting as JSON."""
    return json.dumps(to_dict(config), indent=2) + "\n"


def from_json(text: str, kind: type[Section] = Config) -> Section:
    """Parse a config, or one of its sections (`kind`), from JSON.

    Raises:
        ValueError: Text that is no JSON object, or as `from_dict`.
    """
    try:
        settings = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"Settings should be JSON. Found an error: {error}.") from None
    if not isinstance(settings, dict):
        raise ValueError(f"Settings should be a JSON object. Found a {type(settings).__name__}.")
    return from_dict(settings, kind)


def read(path: Path) -> Config:
    """Read settings from a `.toml` or `.json` file; error messages start with its name.

    Raises:
        ValueError: As `from_toml` and `from_json`, and for a file that is no text.
        OSError: A file that is missing or cannot be read.
    """
    if path.stat().st_size > MAX_FILE_SIZE:
        raise ValueError(f"`{path}` should hold settings. Found a file of {path.stat().st_size:,} bytes.")
    try:
        text = path.read_text(encoding="utf-8")
        return from_json(text) if path.suffix == ".json" else from_toml(text)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
