"""Rollout: the record of one look at a batch of images."""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True)
class Rollout:
    """What was seen, where, and what it led to. Time first; index t is glimpse t + 1.

    With M rollouts of B images the batch is M * B, rollout by rollout: entry i looked at image i mod B.
    """

    logits: Float[Tensor, "answers batch classes"]
    """Scores of the classes after each glimpse (or only after the last); the answer is `logits[-1]`."""
    locations: Float[Tensor, "time batch place"]
    """Where each glimpse was taken, (x, y) in [-1, 1]."""
    log_probs: Float[Tensor, "time batch"]
    """log p(l_t | h_{t-1}) of the raw draw; 0 where the location was not drawn by the locator."""
    baselines: Float[Tensor, "time batch"]
    """Reward expected before each location was chosen."""
    hiddens: Float[Tensor, "time batch hidden"]
    """h_1 .. h_T, of all columns in a row."""
    votes: Float[Tensor, "columns batch classes"] | None = None
    """Scores of the classes by each of several columns after the last glimpse; the answer is by all together."""

    @property
    def answer(self) -> Float[Tensor, "batch classes"]:
        """Scores of the classes after the last glimpse."""
        return self.logits[-1]
