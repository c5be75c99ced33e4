"""`foveate watch`: learning curves of one or more runs in the terminal, while they train."""

import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from foveate.viewing.dashboard import Watched

EVERY = 1.0  # seconds between two updates


def watch(
    run: Path,
    /,
    *others: Path,
    once: bool = False,
) -> None:
    """Show learning curves: errors by epoch, other metrics, and warnings.

    foveate watch runs/digits
    foveate watch runs/digits runs/mnist    # side by side
    foveate watch runs/digits --once        # the current state, without waiting

    It updates until every run is done, or Ctrl-C; if the output is not a terminal, it prints once.

    Parameters
    ----------
    run
        Run folder; the run may be training.
    others
        More run folders.
    once
        Print the current state and exit.
    """
    from rich.console import Console
    from rich.live import Live

    from foveate.viewing.dashboard import dashboard

    folders = (run, *others)
    console = Console(highlight=False)
    runs = [read(folder) for folder in folders]
    if once or not console.is_terminal:
        console.print(dashboard(runs, console.width))
        return
    try:
        with Live(dashboard(runs, console.width), console=console, auto_refresh=False) as live:
            while not all(each.done for each in runs):
                time.sleep(EVERY)
                runs = [read(folder) for folder in folders]
                live.update(dashboard(runs, console.width), refresh=True)
    except KeyboardInterrupt:
        pass  # the last state stays on the screen


def read(folder: Path) -> "Watched":
    """The current state of a run.

    Raises:
        FileNotFoundError: No run in the folder.
    """
    from foveate import settings
    from foveate.storage import journal
    from foveate.viewing.dashboard import Watched

    path, metrics, last = (folder / name for name in ("config.json", "metrics.jsonl", "last.pt"))
    if not path.is_file():
        raise FileNotFoundError(f"`RUN` should be the folder of a run. Found no `{path}`.")
    config = settings.read(path)
    result = folder / f"{config.training.evaluate_on}.json"
    changed = max(each.stat().st_mtime for each in (path, metrics, result, last) if each.exists())
    silent = max(0.0, time.time() - changed)
    return Watched(str(folder), config, journal.read(metrics), result.is_file(), silent)
