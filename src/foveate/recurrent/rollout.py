"""Rollout: the record of a forward pass over a batch of images."""

from dataclasses import dataclass

from jaxtyping import Float, Int64
from torch import Tensor
from torch.utils import _pytree as pytree


@dataclass(frozen=True)
class Rollout:
    """Locations, states and predictions of a forward pass. Time first; index t is glimpse t + 1.

    With M rollouts of B images the batch is M * B, rollout by rollout: entry i looked at image i mod B.
    """

    logits: Float[Tensor, "answers batch classes"]
    """Logits of the classes after each glimpse, or only after the last; `logits[-1]` is the prediction."""
    locations: Float[Tensor, "time batch place"]
    """Location (x, y) in [-1, 1] of each glimpse."""
    log_probs: Float[Tensor, "time batch"]
    """log p(l_t | h_{t-1}) of the raw draw; 0 where the location was not drawn by the locator."""
    baselines: Float[Tensor, "time batch"]
    """Expected reward before each location was chosen."""
    hiddens: Float[Tensor, "time batch hidden"]
    """h_1 .. h_T; in an ensemble the states of all members concatenated."""
    member_logits: Float[Tensor, "members answers batch classes"] | None = None
    """Logits of each member of an ensemble; None in a rollout that stops when sure."""
    num_glimpses: Int64[Tensor, " batch"] | None = None
    """Glimpses that each took before it was sure; None if all took all. Afterwards logits and hiddens stay, locations
    are NaN and log_probs are 0."""

    @property
    def final_logits(self) -> Float[Tensor, "batch classes"]:
        """Logits of the classes after the last glimpse."""
        return self.logits[-1]


# A tree of tensors to `torch.export`, `torch.func` and `tree_map`. The public `torch.export.register_dataclass` is the
# same, but imports the compiler.
pytree.register_dataclass(Rollout, serialized_type_name="foveate.Rollout")
