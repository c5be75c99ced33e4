"""Paths that begin with `~`."""

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
