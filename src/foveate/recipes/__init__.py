"""Recipes: a TOML file per published result or quick start."""

import difflib
from dataclasses import replace
from pathlib import Path

from foveate import settings
from foveate.config import Config

FOLDER = Path(__file__).parent


def names() -> list[str]:
    """Names of the recipes of the package."""
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


def find(recipe: str) -> Path:
    """Find the file of a recipe: one of `names()`, the path of a `.toml` file, or `photos` for a folder of images.

    Raises:
        ValueError: No recipe of that name, with a suggestion.
        FileNotFoundError: No file at that path.
    """
    if not recipe.endswith(".toml"):
        if recipe in names():
            return FOLDER / f"{recipe}.toml"
        if is_folder_of_images(recipe):
            return FOLDER / "photos.toml"
        raise ValueError(
            f"`RECIPE` should be one of {', '.join(names())}, a .toml file, or a folder of images. {_found(recipe)}"
        )
    if not Path(recipe).is_file():
        raise FileNotFoundError(f"`RECIPE` should be a file that exists. Found none at `{recipe}`.")
    return Path(recipe)


def is_folder_of_images(recipe: str) -> bool:
    """Whether a recipe is the path of a folder to train on, and not of a run."""
    return recipe not in names() and Path(recipe).is_dir() and not (Path(recipe) / "config.json").exists()


def _found(recipe: str) -> str:
    """What was found instead of a recipe, and a suggestion."""
    if Path(recipe).is_dir():
        return f"Found a run in `{recipe}`: `foveate train --folder {recipe} --resume` goes on with it."
    close = difflib.get_close_matches(recipe, names(), n=1)
    return f"Found `{recipe}`." + (f" Did you mean `{close[0]}`?" if close else "")


def read(recipe: str) -> Config:
    """Read the settings of a recipe; missing ones have their defaults.

    Raises:
        ValueError: As `find`, and for an unknown key or a value of another type.

    Example:
        >>> read("mnist").model.num_glimpses
        7
    """
    config = settings.read(find(recipe))
    if config.model.image != (0, 0, 0) or config.model.classes:
        raise ValueError(f"{recipe}: `image` and `classes` should be left to the data. Found them under `[model]`.")
    if is_folder_of_images(recipe):
        return replace(config, data=replace(config.data, source=recipe))
    return config


def summary(name: str) -> str:
    """First line of the comment of a recipe."""
    return find(name).read_text(encoding="utf-8").splitlines()[0].lstrip("# ")
