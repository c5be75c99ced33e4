"""Settings to and from files: a `Config` as a dictionary, TOML or JSON, exactly, refusing every unknown key."""

import dataclasses
import difflib
import json
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar, cast, get_args, get_origin, get_type_hints

from foveate.config import Config

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

Section = TypeVar("Section")
LARGEST = 2**24  # bytes of a file of settings; the names of a million classes fit


def to_dict(config: Any) -> dict[str, Any]:
    """A config, or one section of it, as nested dictionaries."""
    return dataclasses.asdict(config)


def from_dict(settings: Mapping[str, Any], kind: type[Section] = Config, where: str = "") -> Section:
    """A config, or one section of it (`kind`), from nested dictionaries; what they leave out keeps its default.

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
    """The sentence for a key that no setting has."""
    expected = f"`[{where}]` should hold settings only." if where else "Settings should be under `[section]` headings."
    return f"{expected} Found `{name}`.{_suggestion(name, known, where)}"


def _suggestion(name: str, known: Iterable[str], where: str) -> str:
    """Where else the key lives, or what is written like it."""
    for section, kind in get_type_hints(Config).items():
        if section != where and name in get_type_hints(kind):
            return f" It belongs under `[{section}]`."
    close = difflib.get_close_matches(name, known, n=1)
    return f" Did you mean `{close[0]}`?" if close else ""


def _value(value: Any, hint: Any, name: str) -> Any:
    """The value as its field's type; a list becomes a tuple and a whole number a float, nothing else is converted."""
    if dataclasses.is_dataclass(hint):
        if not isinstance(value, Mapping):
            raise ValueError(f"`[{name}]` should be a section. Found `{name} = {value!r}`.")
        return from_dict(value, cast(type, hint), name)
    if not _fits(value, hint):
        raise ValueError(f"`{name}` should be {_words(hint)}. Found `{name} = {json.dumps(value, default=str)}`.")
    if hint is float:
        try:
            return float(value)
        except OverflowError:
            raise ValueError(f"`{name}` should be a number that fits a float. Found a larger one.") from None
    return tuple(value) if get_origin(hint) is tuple else value


def _fits(value: Any, hint: Any) -> bool:
    """Whether the value can be one of the field's type (a truth value is no number)."""
    if get_origin(hint) is Literal:
        return value in get_args(hint)
    if get_origin(hint) is tuple:
        items = get_args(hint)
        if not isinstance(value, (list, tuple)):
            return False
        items = items[:1] * len(value) if items[-1] is Ellipsis else items
        return len(items) == len(value) and all(map(_fits, value, items))
    if hint is float:
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    # Half a character, as JSON can escape it, could neither be written nor printed.
    return type(value) is hint and not (hint is str and any("\ud800" <= letter <= "\udfff" for letter in value))


def _words(hint: Any) -> str:
    """A field's type in words."""
    if get_origin(hint) is Literal:
        return "one of " + ", ".join(f"`{choice}`" for choice in get_args(hint))
    if get_origin(hint) is tuple:
        items = get_args(hint)
        return "a list of texts" if items[-1] is Ellipsis else f"a list of {len(items)} whole numbers"
    return {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}[hint]


def to_toml(config: Config, *, every: bool = False) -> str:
    """The settings as a recipe: those that differ from the defaults, or `every` one."""
    start, lines = to_dict(Config()), []
    for section, settings in to_dict(config).items():
        kept = {name: value for name, value in settings.items() if every or value != start[section][name]}
        if kept:
            lines += ["", f"[{section}]", *(f"{name} = {_toml(value)}" for name, value in kept.items())]
    return "\n".join([*lines[1:], ""])


def _toml(value: Any) -> str:
    """One value as TOML: Python's and JSON's own forms, where they agree with it."""
    if isinstance(value, (bool, str)):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return "[" + ", ".join(map(_toml, value)) + "]" if isinstance(value, tuple) else repr(value)


def from_toml(text: str) -> Config:
    """A config from a recipe's text.

    Raises:
        ValueError: Text that is no TOML, or as `from_dict`.
    """
    try:
        settings = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # `TOMLDecodeError` is one; a number of too many digits is another
        raise ValueError(f"A recipe should be TOML. Found an error: {error}.") from None
    return from_dict(settings)


def alternatives(option: str) -> tuple[str, list[Any]]:
    """The name of a setting, and the values that it is to take in turn, as they are typed in one word.

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
    hint = get_type_hints(get_type_hints(Config)[homes[name]])[name]
    try:
        values = text.split(",") if hint is str or get_origin(hint) is Literal else tomllib.loads(f"_ = [{text}]")["_"]
    except (ValueError, RecursionError):
        values = []
    if not values:
        raise ValueError(f"`{name}` should be {_words(hint)}, or several with commas between them. Found `{text}`.")
    return name, [_value(value, hint, name) for value in values]


def to_json(config: Any) -> str:
    """Every setting as JSON, as it is kept beside a checkpoint."""
    return json.dumps(to_dict(config), indent=2) + "\n"


def from_json(text: str, kind: type[Section] = Config) -> Section:
    """A config, or one section of it (`kind`), from its JSON.

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
    """The settings in a `.toml` or `.json` file; its name is put before what is wrong in it.

    Raises:
        ValueError: As `from_toml` and `from_json`, and for a file that is no text.
        OSError: A file that is missing or cannot be read.
    """
    if path.stat().st_size > LARGEST:
        raise ValueError(f"`{path}` should hold settings. Found a file of {path.stat().st_size:,} bytes.")
    try:
        text = path.read_text(encoding="utf-8")
        return from_json(text) if path.suffix == ".json" else from_toml(text)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
