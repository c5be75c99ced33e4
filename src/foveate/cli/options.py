"""Where the values of `foveate train` come from: the flags, beneath them the recipe, beneath it the defaults."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from cyclopts import Token

from foveate import recipes, settings
from foveate.config import Config

if TYPE_CHECKING:
    from cyclopts import App, ArgumentCollection

DEFAULT_RECIPE = "digits"


def run_folder(recipe: str, run: Path | None) -> Path:
    """The folder of a run: the one given, or `runs/` and the recipe's name."""
    return run or Path("runs") / Path(recipe).stem


def fill_in(app: "App", commands: tuple[str, ...], arguments: "ArgumentCollection") -> None:
    """Give every option that was not typed the recipe's value, or the run's own when it is resumed."""
    recipe, run, resume = (_given(arguments, name) for name in ("RECIPE", "--run", "--resume"))
    recipe = recipe or DEFAULT_RECIPE
    config = _resumed(run_folder(recipe, run)) if resume else recipes.read(recipe)
    values = {name: value for section in settings.to_dict(config).values() for name, value in section.items()}
    for argument in arguments:
        if argument.keys and argument.parse and not argument.has_tokens:
            argument.append(Token(source=recipe, implicit_value=values[argument.keys[-1]]))


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
