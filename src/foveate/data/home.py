"""Paths as users type them: `~` at the beginning, and names that are not UTF-8."""

import re
from pathlib import Path


def expand_home(path: str | Path) -> Path:
    """Replace `~` or `~user` at the beginning of a path by that home folder.

    Raises:
        ValueError: if there is no such user, or the user has no home folder.

    Example:
        >>> expand_home("images/cats").as_posix()
        'images/cats'
    """
    try:
        return Path(path).expanduser()
    except RuntimeError:
        raise ValueError(
            f"`{path}` should begin with a home folder that exists. Found none: write the whole path."
        ) from None


def legible(name: str) -> str:
    """Replace what UTF-8 lacks, as in the name of a file from an older system, and line breaks and other controls.

    Example:
        >>> legible("caf\\udce9.png")
        'caf\ufffd.png'
    """
    return re.sub("[\ud800-\udfff\\x00-\\x1f\\x7f]", "\ufffd", name)
