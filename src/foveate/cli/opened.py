"""A run that is opened again: its settings, its best model, and its images."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from foveate import settings
from foveate.config import Config
from foveate.weights import FOLDER, find

if TYPE_CHECKING:
    from foveate.data.records import Images
    from foveate.training.build import Attention


@dataclass(frozen=True)
class Opened:
    """What the commands need of a run."""

    folder: Path
    """Where it is."""
    config: Config
    model: "Attention"

    @property
    def desk(self) -> Path:
        """Where what is made of it goes: into the run folder; of a model that comes with the package, where one is."""
        return Path() if self.folder.parent == FOLDER else self.folder

    def images(self, split: str) -> "Images":
        """The fixed scenes of the `test` or `validation` split that the run was made with.

        Raises:
            ValueError: The data is not there any more, or is of another shape or other classes.
        """
        from foveate.training.scenes import load_scenes, resolve

        scenes = load_scenes(self.config.data, next(self.model.parameters()).device)
        resolve(replace(self.config, model=self.model.config), scenes)
        return getattr(scenes, split)


def open_run(run: Path, device: str = "auto") -> Opened:
    """Open the run in a folder, or the one of that name whose model comes with the package.

    Raises:
        FileNotFoundError: No such run, or none that has finished an epoch.
        ValueError: Settings or weights that are damaged or do not fit each other.
    """
    folder = find(run)
    path = folder / "config.json"
    if not path.is_file():
        raise FileNotFoundError(f"`RUN` should be the folder of a run. Found no `{path}`.")
    config = settings.read(path)
    import torch

    from foveate.training.check import choose_device
    from foveate.training.pretrained import from_pretrained

    torch.set_num_threads(config.training.threads)
    return Opened(folder, config, from_pretrained(folder, choose_device(device)))
