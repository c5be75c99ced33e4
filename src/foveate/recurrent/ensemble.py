"""Ensembles: several networks that read the same glimpses and average their predictions.

What others know of an ensemble is `members_of` a part of the model, `classify`, and the `member_logits` of a
rollout.
"""

import math
from collections.abc import Iterable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from foveate.glimpse.network import GlimpseNetwork
from foveate.recurrent.core import Core, State


def members_of(part: Any) -> list[Any]:
    """Members of the glimpse network, the core or the classifier of a model; the part itself if it is no ensemble."""
    return list(part.members) if isinstance(part, (GlimpseEnsemble, CoreEnsemble, EnsembleClassifier)) else [part]


class GlimpseEnsemble(nn.Module):
    """Several glimpse networks that read one glimpse, taken by the sensor of the first. Features are concatenated.

    Example:
        >>> from foveate import build
        >>> from foveate.config import Model
        >>> model = build(Model(image=(1, 28, 28), classes=("cat", "dog"), ensemble=2, hidden_size=24))
        >>> model.glimpse(torch.rand(5, 1, 28, 28), torch.zeros(5, 2)).shape
        torch.Size([5, 48])
    """

    members: Any  # nn.ModuleList

    def __init__(self, members: Iterable[GlimpseNetwork]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)
        self.sensor = self.members[0].sensor

    def forward(self, image: Any, location: Float[Tensor, "batch place"]) -> Float[Tensor, "batch features"]:
        """Features of each glimpse."""
        patch = self.sensor(image, location)
        return torch.cat([member.read(patch, location) for member in self.members], dim=-1)


class CoreEnsemble(nn.Module):
    """Several cores, each with its own part of the features. Hidden states are concatenated."""

    members: Any  # nn.ModuleList

    def __init__(self, members: Iterable[Core]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)

    def start(self, batch: int) -> State:
        """Initial states of all cores."""
        return _concat_states([member.start(batch) for member in self.members])

    def forward(self, feature: Float[Tensor, "batch features"], state: State) -> State:
        """Next state."""
        count = len(self.members)
        features = feature.chunk(count, -1)
        states = zip(*(part.chunk(count, -1) for part in state), strict=True)
        parts = zip(self.members, features, states, strict=True)
        return _concat_states([member(feature, state) for member, feature, state in parts])


def _concat_states(states: list[tuple[Tensor, ...]]) -> tuple[Tensor, ...]:
    """States of several cores as one state."""
    return tuple(torch.cat(parts, dim=-1) for parts in zip(*states, strict=True))


class EnsembleClassifier(nn.Module):
    """A classifier for each of M members, whose probabilities are averaged: p = 1/M sum_m p_m.

    Example:
        >>> classifier = EnsembleClassifier([nn.Linear(24, 3), nn.Linear(24, 3)])
        >>> classifier(torch.rand(5, 48)).shape
        torch.Size([5, 3])

    Source: Ciresan, Meier, Schmidhuber, *Multi-column Deep Neural Networks for Image Classification*, CVPR 2012.
    """

    def __init__(self, members: Iterable[nn.Module]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)

    def member_logits(
        self, hidden: Float[Tensor, "*steps batch hidden"]
    ) -> Float[Tensor, "members *steps batch classes"]:
        """Logits of each member."""
        parts = hidden.chunk(len(self.members), -1)
        return torch.stack([member(part) for member, part in zip(self.members, parts, strict=True)])

    def forward(self, hidden: Float[Tensor, "*steps batch hidden"]) -> Float[Tensor, "*steps batch classes"]:
        """log p."""
        return log_mean_softmax(self.member_logits(hidden))


def log_mean_softmax(
    member_logits: Float[Tensor, "members *steps batch classes"],
) -> Float[Tensor, "*steps batch classes"]:
    """Logarithm of the mean of the members' probabilities."""
    member_logits = member_logits.to(torch.promote_types(member_logits.dtype, torch.float32))  # not in bf16
    return member_logits.log_softmax(-1).logsumexp(0) - math.log(len(member_logits))


def classify(
    classifier: nn.Module, hiddens: Float[Tensor, "steps batch hidden"]
) -> tuple[Float[Tensor, "steps batch classes"], Float[Tensor, "members steps batch classes"] | None]:
    """Logits after each step, and the logits of each member (None without an ensemble)."""
    if not isinstance(classifier, EnsembleClassifier):
        return classifier(hiddens), None
    member_logits = classifier.member_logits(hiddens)
    return log_mean_softmax(member_logits), member_logits
