"""last.pt: everything that a run needs to go on, between two epochs.

No random state is in it: every epoch draws from generators of its own, derived from the seed and the epoch.
"""

import io
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from saccade.training.files import written_aside
from saccade.training.learner import Learner

NAME = "last.pt"


@dataclass
class Progress:
    """How far a run is, and the best it has found."""

    epoch: int = 0
    """Epochs done."""
    step: int = 0
    """Optimizer updates done."""
    seconds: float = 0.0
    """Time spent in training and validation."""
    best_error: float = float("inf")
    """Least validation error so far, a fraction."""
    best_epoch: int = 0
    """Epoch that reached it."""


def save_checkpoint(folder: Path, learner: Learner, progress: Progress) -> None:
    """Write the checkpoint aside, then put it in the place of the last."""
    state = io.BytesIO()  # first to memory: written to a full disk, torch.save hides the error beneath one of its own
    torch.save({"progress": asdict(progress), "learner": learner.state_dict()}, state)
    with written_aside(folder / NAME) as file:
        file.write(state.getbuffer())


def load_checkpoint(folder: Path, learner: Learner) -> Progress:
    """Bring the learner to where the run stopped.

    Raises:
        FileNotFoundError: if there is no run to go on with.
        ValueError: if the checkpoint is damaged or of another model.
    """
    path = folder / NAME
    if not path.is_file():
        raise FileNotFoundError(f"A run to resume should have a checkpoint. Found no `{path}`.")
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        learner.load_state_dict(state["learner"])
        return Progress(**state["progress"])
    except Exception as error:  # torch.load raises whatever its parts raise on bytes that are no checkpoint
        raise ValueError(
            f"`{path}` should be a checkpoint of the model in `config.json` beside it. "
            f"Found a damaged one, or one of another model ({type(error).__name__})."
        ) from None
