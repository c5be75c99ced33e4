"""Baselines: the expected reward before a location is chosen.

A baseline computes b_t for every step from h_0 .. h_{T-1}, the states *before* the locations l_1 .. l_T are drawn. It
must not see the glimpse at l_t: a baseline that depends on the action makes the policy gradient biased.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn


class NoBaseline(nn.Module):
    """b_t = 0."""

    def forward(self, hiddens: Float[Tensor, "time batch hidden"]) -> Float[Tensor, "time batch"]:
        """Zeros."""
        return hiddens.new_zeros(hiddens.shape[:2])


class ScalarBaseline(nn.Module):
    """b_t = b: one learned number, as in the Torch7 script.

    Example:
        >>> ScalarBaseline()(torch.zeros(7, 5, 256)).shape
        torch.Size([7, 5])
    """

    def __init__(self) -> None:
        super().__init__()
        self.value = nn.Parameter(torch.zeros(()))

    def forward(self, hiddens: Float[Tensor, "time batch hidden"]) -> Float[Tensor, "time batch"]:
        """b for every step of every image."""
        return self.value.expand(hiddens.shape[:2])


class ValueBaseline(nn.Module):
    """b_t = w . h_{t-1} + b: a learned value of the hidden state.

    Args:
        hidden_size: units of the core.
        baseline_gradient_into_core: let the baseline loss train the core and the glimpse network.

    Example:
        >>> ValueBaseline(256)(torch.zeros(7, 5, 256)).shape
        torch.Size([7, 5])

    Source: Mnih et al. 2014, section 3.2 (baseline).
    """

    def __init__(self, hidden_size: int, *, baseline_gradient_into_core: bool = False) -> None:
        super().__init__()
        self.value = nn.Linear(hidden_size, 1)
        self.baseline_gradient_into_core = baseline_gradient_into_core

    def forward(self, hiddens: Float[Tensor, "time batch hidden"]) -> Float[Tensor, "time batch"]:
        """Value of each state."""
        return self.value(hiddens if self.baseline_gradient_into_core else hiddens.detach()).squeeze(-1)
