"""Values of the options of `foveate train`: flags first, then the recipe, then the defaults."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cyclopts import Token

from foveate import recipes, settings
from foveate.config import Config

if TYPE_CHECKING:
    from cyclopts import App, ArgumentCollection

DEFAULT_RECIPE = "digits"


def run_folder(recipe: str, folder: Path | None) -> Path:
    """The run folder: the one given, or `runs/` and the recipe's name."""
    return folder or Path("runs") / Path(recipe).stem


def fill_in(app: "App", commands: tuple[str, ...], arguments: "ArgumentCollection") -> None:
    """Fill options that were not typed from the recipe, or from the saved config of a resumed run."""
    recipe, run, resume = (_given(arguments, name) for name in ("RECIPE", "--folder", "--resume"))
    recipe = recipe or DEFAULT_RECIPE
    config = _resumed(run_folder(recipe, run)) if resume else recipes.read(recipe)
    values = {name: value for section in settings.to_dict(config).values() for name, value in section.items()}
    for argument in arguments:
        if argument.keys and argument.parse and not argument.has_tokens:
            value = values[argument.keys[-1]]
            if value is not None:  # left to the data, as it is by default
                argument.append(_token(value, recipe))


def _token(value: Any, source: str) -> Token:
    """A value as if it were typed; cyclopts 4, the last for Python 3.10, cannot tell whether a value is a `Literal`."""
    return Token(value=value, source=source) if isinstance(value, str) else Token(implicit_value=value, source=source)


def _given(arguments: "ArgumentCollection", name: str) -> Any:
    """The value of an option if it is on the command line, else None."""
    argument = arguments[name]
    return argument.convert() if argument.has_tokens else None


def _resumed(folder: Path) -> Config:
    """The settings of the run in a folder."""
    path = folder / "config.json"
    if not path.is_file():
        raise FileNotFoundError(f"`--resume` should find a run. Found no `{path}`.")
    return settings.read(path)


def square_sizes(arguments: list[str]) -> list[str]:
    """Return the command line with sizes of one number written as two: `--image-size 64` means 64 x 64.

    Example:
        >>> square_sizes(["train", "--image-size", "64", "--seed", "1"])
        ['train', '--image-size', '64', '64', '--seed', '1']
    """
    options = {f"--{name.replace('_', '-')}" for name in ("image_size", "glimpse_size")}
    squared: list[str] = []
    for i, argument in enumerate(arguments):
        option, _, value = argument.partition("=")
        if option in options and value.isdigit():
            squared += [option, value, value]
            continue
        squared.append(argument)
        alone = not any(after.isdigit() for after in arguments[i + 1 : i + 2])
        if alone and argument.isdigit() and arguments[i - 1] in options:
            squared.append(argument)
    return squared


def expand_homes(arguments: list[str]) -> list[str]:
    """Return the command line with home folders in place of every `~`, also in `--out=~/x`, which no shell expands.

    Raises:
        ValueError: if there is no such user.
    """
    expanded: list[str] = []
    for argument in arguments:
        found = re.fullmatch(r"(-[^=]+=)?(~.*)", argument)
        if found:
            from foveate.data.home import expand_home  # imports torch

            argument = f"{found[1] or ''}{expand_home(found[2])}"
        expanded.append(argument)
    return expanded
