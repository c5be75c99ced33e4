"""`foveate web`: a page to draw on and to watch a model look."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

DEFAULTS = ("mnist", "digits")  # the first that comes with the package


def web(
    run: Annotated[Path | None, Parameter(show_default=False)] = None,
    /,
    *,
    host: str = "127.0.0.1",
    port: Annotated[int | None, Parameter(show_default=False, validator=Number(gte=0, lte=65535))] = None,
    allowed_host: tuple[str, ...] = (),
) -> None:
    """Open a page on this machine where you draw a digit, or drop a picture, and watch a model look at it.

    foveate web                         # with a model that comes with foveate
    foveate web runs/digits             # with one of yours
    foveate web mnist --port 8080
    foveate web --allowed-host example.org   # behind a tunnel or proxy that has this name

    Parameters
    ----------
    run
        Folder of a run that `foveate train` made, or the name of a model that comes with foveate; `mnist` if absent.
        The page offers the others that come with foveate, too.
    host
        Address to listen at: this machine alone by default, 0.0.0.0 for whoever can reach it.
    port
        Port to listen at; the first free one from 8000 if absent.
    allowed_host
        Host name by which browsers may reach the page besides this machine's own, for use behind a tunnel or a proxy;
        may be given several times, and may begin with `*.`.
    """
    from foveate import weights

    try:
        import fastapi as fastapi
        import uvicorn as uvicorn
    except ImportError as error:
        raise ValueError(
            f"The page needs the extra `web`: pip install 'foveate[web]'. Found no {error.name}."
        ) from None
    from foveate.cli.opened import open_run
    from foveate.data.home import legible
    from foveate.training.stopping import STOP, read_stop
    from foveate.web.models import ServedModel
    from foveate.web.serve import serve

    first = run or Path(next(name for name in DEFAULTS if name in weights.list_models()))
    others = [weights.FOLDER / name for name in weights.list_models() if Path(name) != first]
    served: list[ServedModel] = []
    for path in dict.fromkeys([first, *others]):
        opened = open_run(path, "cpu")
        name = legible(path.resolve().name)
        if name in [each.name for each in served]:
            name = f"{name} of foveate"
        stop = read_stop(opened.model_folder).stop if (opened.model_folder / STOP).is_file() else ServedModel.stop
        served.append(ServedModel(name, opened.model, opened.config.data, stop))
    serve(served, host, port, _print_address, allowed_host)


def _print_address(address: str) -> None:
    """Say where the page is."""
    print(f"Draw and watch at {address}  (Ctrl-C stops it)", flush=True)
