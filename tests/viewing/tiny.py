"""Small models and looks to draw."""

import torch
from torch import Tensor

from foveate.config import Model
from foveate.glimpse.location import boxes
from foveate.training.build import Attention, build
from foveate.viewing.record import Look

CLASSES = ("cat", "dog", "owl")


def tiny_model(image: tuple[int, int, int] = (1, 20, 30), seed: int = 0, **settings: object) -> Attention:
    """A model with random parameters, large enough that it looks around."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        narrow = {"what_width": 4, "where_width": 4, "join_width": 8, "hidden_size": 8, "glimpse_size": (4, 6)}
        narrow |= {"depth": 1, "locator_width": 0, "dropout": 0.0, "std": 0.22, "baseline": "value"}
        return build(
            Model(**{"image": image, "classes": CLASSES, "init_range": 0.5, "unit_pixels": 10, **narrow, **settings})
        )


def tiny_look(
    image: Tensor,
    locations: list[tuple[float, float]],
    windows: tuple[tuple[int, int], ...] = ((4, 4),),
    **facts: object,
) -> Look:
    """A look at known locations, its glimpses and probabilities made up."""
    time, depth, (high, wide) = len(locations), len(windows), windows[0]
    where = torch.tensor(locations)
    return Look(
        **{
            "image": image,
            "classes": CLASSES,
            "probabilities": torch.tensor([[0.2, 0.7, 0.1]]).expand(time, 3),
            "locations": where,
            "boxes": boxes(where, (image.shape[1], image.shape[2]), windows),
            "glimpses": torch.zeros(time, depth, len(image), high, wide),
            **facts,
        }
    )
