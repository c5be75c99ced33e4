"""Random generators of a run: one for each purpose and epoch, so that an epoch can be repeated alone."""

import numpy as np
import torch

PURPOSES = ("parameters", "scenes", "locations", "dropout", "evaluation")


def derive(seed: int, purpose: str, epoch: int = 0) -> int:
    """Seed for one purpose in one epoch, the same for the same run and unrelated to every other.

    >>> derive(0, "scenes", epoch=3) == derive(0, "scenes", epoch=3) != derive(0, "scenes", epoch=4)
    True
    """
    words = [seed % 2**64, PURPOSES.index(purpose), epoch]
    return int(np.random.SeedSequence(words).generate_state(1, np.uint64)[0] >> np.uint64(1))


def generator(seed: int, purpose: str, epoch: int = 0, device: torch.device | str = "cpu") -> torch.Generator:
    """Generator on `device` with the derived seed."""
    return torch.Generator(device).manual_seed(derive(seed, purpose, epoch))
