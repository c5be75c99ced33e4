"""`foveate recipes`: list the recipes, or print one."""

from typing import Annotated

from cyclopts import Parameter

from foveate import recipes as library


def recipes(name: Annotated[str, Parameter(show_default=False)] = "", /) -> None:
    """List the recipes, or print one to copy and edit.

    foveate recipes
    foveate recipes mnist > mine.toml
    foveate train mine.toml

    Parameters
    ----------
    name
        Recipe to print.
    """
    if name:
        print(library.find(name).read_text(encoding="utf-8"), end="")
        return
    width = max(map(len, library.names()))
    for known in library.names():
        print(f"{known:{width}}  {library.summary(known)}")
