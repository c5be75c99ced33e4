"""`foveate watch`: the learning curves of one run or several, in the terminal, while they train."""

import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from foveate.viewing.dashboard import Watched

EVERY = 1.0  # seconds between two looks at the folders


def watch(
    run: Path,
    /,
    *others: Path,
    once: bool = False,
) -> None:
    """Show how runs learn: their errors by epoch, their other numbers, and in words what has gone wrong.

    foveate watch runs/digits
    foveate watch runs/digits runs/mnist    # side by side
    foveate watch runs/digits --once        # as it stands, without waiting

    It follows until every run is done, or Ctrl-C; where the output is no terminal it shows them once.

    Parameters
    ----------
    run
        Folder of a run, which may be training.
    others
        More runs.
    once
        Show how they stand, and end.
    """
    from rich.console import Console
    from rich.live import Live

    from foveate.viewing.dashboard import dashboard

    folders, console = (run, *others), Console(highlight=False)
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
        pass  # what was last shown stays


def read(folder: Path) -> "Watched":
    """A run as it stands.

    Raises:
        FileNotFoundError: No run in the folder.
    """
    from foveate import settings
    from foveate.training import journal
    from foveate.viewing.dashboard import Watched

    path, metrics, last = (folder / name for name in ("config.json", "metrics.jsonl", "last.pt"))
    if not path.is_file():
        raise FileNotFoundError(f"`RUN` should be the folder of a run. Found no `{path}`.")
    config = settings.read(path)
    result = folder / f"{config.training.evaluate_on}.json"
    changed = max(each.stat().st_mtime for each in (path, metrics, result, last) if each.exists())
    silent = max(0.0, time.time() - changed)
    return Watched(str(folder), config, journal.read(metrics), result.is_file(), silent)
