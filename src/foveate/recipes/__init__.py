"""One TOML file per published row or quick start: list, find and read them; copy one and edit it."""

import difflib
from pathlib import Path

from foveate import settings
from foveate.config import Config

FOLDER = Path(__file__).parent


def names() -> list[str]:
    """Names of the recipes that come with the package."""
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


def find(recipe: str) -> Path:
    """The file of a recipe: one of `names()`, or the path of a `.toml` file.

    Raises:
        ValueError: No recipe of that name, with a suggestion.
        FileNotFoundError: No file at that path.
    """
    if not recipe.endswith(".toml"):
        if recipe in names():
            return FOLDER / f"{recipe}.toml"
        raise ValueError(f"`RECIPE` should be one of {', '.join(names())}, or a .toml file. {_found(recipe)}")
    if not Path(recipe).is_file():
        raise FileNotFoundError(f"`RECIPE` should be a file that exists. Found none at `{recipe}`.")
    return Path(recipe)


def _found(recipe: str) -> str:
    """What was given instead of a recipe, and what was probably meant."""
    if Path(recipe).is_dir():
        return f"Found a folder: to train on its images, `foveate train digits --source {recipe}`."
    close = difflib.get_close_matches(recipe, names(), n=1)
    return f"Found `{recipe}`." + (f" Did you mean `{close[0]}`?" if close else "")


def read(recipe: str) -> Config:
    """The settings of a recipe, the defaults beneath them.

    Raises:
        ValueError: As `find`, and for an unknown key or a value of another type.

    Example:
        >>> read("mnist").model.num_glimpses
        7
    """
    config = settings.read(find(recipe))
    if config.model.image != (0, 0, 0) or config.model.classes:
        raise ValueError(f"{recipe}: `image` and `classes` should be left to the data. Found them under `[model]`.")
    return config


def summary(name: str) -> str:
    """The first line of a recipe's comment."""
    return find(name).read_text(encoding="utf-8").splitlines()[0].lstrip("# ")
