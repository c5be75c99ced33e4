"""Paths as users type them: `~` at the beginning, and names that are too long or not UTF-8."""

import errno
import os
import re
from pathlib import Path

MAX_SHOWN = 60  # characters of a path that is too long


def expand_home(path: str | Path) -> Path:
    """Replace `~` or `~user` at the beginning of a path by that home folder.

    Raises:
        ValueError: if there is no such user, or the user has no home folder.

    Example:
        >>> expand_home("images/cats").as_posix()
        'images/cats'
    """
    try:
        return usable_path(Path(path).expanduser())
    except RuntimeError:
        raise ValueError(
            f"`{path}` should begin with a home folder that exists. Found none: write the whole path."
        ) from None


def usable_path(path: str | os.PathLike[str]) -> Path:
    """Return a path that may lead somewhere or nowhere.

    Raises:
        ValueError: if no file can have such a name.

    Example:
        >>> usable_path("images/cats").as_posix()
        'images/cats'
    """
    text = os.fspath(path)
    found = ""
    try:
        os.lstat(text)
    except ValueError:
        found = "a null character"
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            found = f"{len(text):,} characters, which is too long"
    if found:
        shown = legible(text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}...")
        raise ValueError(f"`{shown}` should be a path that a file can have. Found {found}.")
    return Path(path)


def legible(name: str) -> str:
    """Replace what UTF-8 lacks, as in the name of a file from an older system, and line breaks and other controls.

    Example:
        >>> legible("caf\\udce9.png")
        'caf\ufffd.png'
    """
    return re.sub("[\ud800-\udfff\\x00-\\x1f\\x7f]", "\ufffd", name)
