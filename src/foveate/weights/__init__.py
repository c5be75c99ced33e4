"""Trained models that come with the package, each a folder with its card; list them, find them by name."""

import difflib
import fnmatch
import os
from pathlib import Path

FOLDER = Path(__file__).parent


def list_models(pattern: str = "*") -> list[str]:
    """Names of the models that come with the package, of those that match a pattern.

    Example:
        >>> list_models("digits*")
        ['digits']
    """
    names = sorted(path.parent.name for path in FOLDER.glob("*/model.safetensors"))
    return fnmatch.filter(names, pattern)


def find(model: str | os.PathLike[str]) -> Path:
    """The folder of a model: the one at that path, or else the one that comes with the package under that name.

    Raises:
        FileNotFoundError: No folder at that path and no model of that name, with a suggestion.

    Example:
        >>> find("digits").name
        'digits'
    """
    path = Path(model)
    known = list_models()
    if path.is_dir() or str(path) not in known:
        return _check(path, known)
    return FOLDER / path


def _check(path: Path, known: list[str]) -> Path:
    """The path, if there is a folder."""
    if path.is_dir():
        return path
    close = difflib.get_close_matches(str(path), known, n=1)
    hint = f" Did you mean `{close[0]}`?" if close else ""
    raise FileNotFoundError(
        f"`{path}` should be the folder of a run, or the name of a model that comes with foveate "
        f"({', '.join(known)}). Found neither.{hint}"
    )
