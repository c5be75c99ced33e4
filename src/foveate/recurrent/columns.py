"""Columns: several networks that read the same glimpses, each in its own way, and vote."""

import math
from collections.abc import Iterable
from typing import Any

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn

from foveate.glimpse.network import GlimpseNetwork, prepared
from foveate.glimpse.sensor import Prepared
from foveate.recurrent.core import Core, State


class GlimpseColumns(nn.Module):
    """One glimpse, read by several glimpse networks: their features in a row. The first one's sensor takes it.

    Example:
        >>> from foveate import build
        >>> from foveate.config import Model
        >>> model = build(Model(image=(1, 28, 28), classes=("cat", "dog"), columns=2, hidden_size=24))
        >>> model.glimpse(torch.rand(5, 1, 28, 28), torch.zeros(5, 2)).shape
        torch.Size([5, 48])
    """

    columns: Any  # a list of modules, for the checker of types

    def __init__(self, columns: Iterable[GlimpseNetwork]) -> None:
        super().__init__()
        self.columns = nn.ModuleList(columns)
        self.sensor = self.columns[0].sensor

    def prepare(self, image: Shaped[Tensor, "images channels height width"], num_glimpses: int) -> Prepared:
        """The images as the sensor likes them best for that many glimpses."""
        return prepared(self.sensor, image, num_glimpses)

    def forward(self, image: Prepared, location: Float[Tensor, "batch place"]) -> Float[Tensor, "batch features"]:
        """The features of each glimpse."""
        patch = self.sensor(image, location)
        return torch.cat([column.read(patch, location) for column in self.columns], dim=-1)


class CoreColumns(nn.Module):
    """Several cores, each of which reads its own part of the features; the hidden state is theirs in a row."""

    columns: Any  # as above

    def __init__(self, columns: Iterable[Core]) -> None:
        super().__init__()
        self.columns = nn.ModuleList(columns)

    def start(self, batch: int) -> State:
        """The cores' first states."""
        return _in_a_row([column.start(batch) for column in self.columns])

    def forward(self, feature: Float[Tensor, "batch features"], state: State) -> State:
        """The next state."""
        count = len(self.columns)
        features, states = feature.chunk(count, -1), list(zip(*(part.chunk(count, -1) for part in state), strict=True))
        return _in_a_row(
            [column(part, mine) for column, part, mine in zip(self.columns, features, states, strict=True)]
        )


def _in_a_row(states: list[tuple[Tensor, ...]]) -> tuple[Tensor, ...]:
    """One state of several."""
    return tuple(torch.cat(parts, dim=-1) for parts in zip(*states, strict=True))


class Voters(nn.Module):
    """A classifier for each column, whose probabilities of the classes are averaged: p = 1/C sum_c p_c.

    Example:
        >>> voters = Voters([nn.Linear(24, 3), nn.Linear(24, 3)])
        >>> voters(torch.rand(5, 48)).shape
        torch.Size([5, 3])

    Source: Ciresan, Meier, Schmidhuber, *Multi-column Deep Neural Networks for Image Classification*, CVPR 2012.
    """

    def __init__(self, columns: Iterable[nn.Module]) -> None:
        super().__init__()
        self.columns = nn.ModuleList(columns)

    def votes(self, hidden: Float[Tensor, "*steps batch hidden"]) -> Float[Tensor, "columns *steps batch classes"]:
        """The scores that each column gives."""
        parts = hidden.chunk(len(self.columns), -1)
        return torch.stack([column(part) for column, part in zip(self.columns, parts, strict=True)])

    def forward(self, hidden: Float[Tensor, "*steps batch hidden"]) -> Float[Tensor, "*steps batch classes"]:
        """log p."""
        return joint(self.votes(hidden))


def joint(votes: Float[Tensor, "columns *steps batch classes"]) -> Float[Tensor, "*steps batch classes"]:
    """The logarithm of the mean of the columns' probabilities."""
    votes = votes.to(torch.promote_types(votes.dtype, torch.float32))  # they may be bf16
    return votes.log_softmax(-1).logsumexp(0) - math.log(len(votes))


def poll(
    classifier: nn.Module, hiddens: Float[Tensor, "steps batch hidden"]
) -> tuple[Float[Tensor, "steps batch classes"], Float[Tensor, "columns batch classes"] | None]:
    """The scores after each step, and what each column says after the last one; None where there is only one."""
    if not isinstance(classifier, Voters):
        return classifier(hiddens), None
    votes = classifier.votes(hiddens)
    return joint(votes), votes[:, -1]
