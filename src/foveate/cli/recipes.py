"""`foveate recipes`: what can be trained by name."""

from typing import Annotated

from cyclopts import Parameter

from foveate import recipes as library


def recipes(name: Annotated[str, Parameter(show_default=False)] = "", /) -> None:
    """List the recipes, or show one to copy and edit.

    foveate recipes
    foveate recipes mnist > mine.toml
    foveate train mine.toml

    Parameters
    ----------
    name
        The recipe to show.
    """
    if name:
        print(library.find(name).read_text(encoding="utf-8"), end="")
        return
    width = max(map(len, library.names()))
    for known in library.names():
        print(f"{known:{width}}  {library.summary(known)}")
