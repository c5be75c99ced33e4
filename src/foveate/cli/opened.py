"""`open_run`: a run as the commands load it, with torch imported only then."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from foveate.training.load import LoadedRun


def open_run(run: Path, device: str = "auto") -> "LoadedRun":
    """Load a run, and use as many threads as it was trained with."""
    import torch

    from foveate.training.load import load_run

    loaded = load_run(run, device)
    torch.set_num_threads(loaded.config.training.threads)
    return loaded
