"""The learned locator: hidden state in, next location out.

The loop calls every locator in one way: `locator(hidden, generator, sample) -> (location, log_prob)`. See
`foveate.policy.fixed` for locators that learn nothing.
"""

import torch
from jaxtyping import Float
from torch import Generator, Tensor, nn

from foveate.policy.units import ReinforceUnit

Located = tuple[Float[Tensor, "batch 2"], Float[Tensor, " batch"]]


class Locator(nn.Module):
    """Location network l ~ p(. | f_l(h)): mean -> hardtanh -> unit -> hardtanh -> times reach.

    log_prob is the log-probability of the raw draw, before it is bounded. The location has no gradient.

    Convention:
        location is (x, y) in [-1, 1], x right, y down; the unit's 1 is `reach` (x, y) from the image's center.

    Args:
        hidden_size: units of the core; of all cores in an ensemble.
        unit: REINFORCE unit that draws, such as `ReinforceNormal(0.22)`.
        reach: location of the unit's 1, one number or (x, y); see `foveate.glimpse.location.reach`.
        width: units of a hidden layer; 0 for none.
        policy_gradient_into_core: let the policy loss train the core and the glimpse network (as Torch7 does).

    Example:
        >>> from foveate import ReinforceNormal
        >>> location, log_prob = Locator(256, ReinforceNormal(0.22), reach=0.9)(torch.zeros(5, 256))
        >>> location.shape, log_prob.shape
        (torch.Size([5, 2]), torch.Size([5]))

    Source: Mnih et al. 2014, section 4 (location network); the locator of the Torch7 script.
    """

    def __init__(
        self,
        hidden_size: int,
        unit: ReinforceUnit,
        reach: float | tuple[float, float] = 1.0,
        *,
        width: int = 0,
        policy_gradient_into_core: bool = True,
    ) -> None:
        super().__init__()
        hidden = [nn.Linear(hidden_size, width), nn.ReLU()] if width else []
        self.mean = nn.Sequential(*hidden, nn.Linear(width or hidden_size, 2), nn.Hardtanh())
        self.unit = unit
        self.bound = nn.Hardtanh()
        self.register_buffer("reach", torch.tensor(reach, dtype=torch.get_default_dtype()))
        self.policy_gradient_into_core = policy_gradient_into_core

    def forward(
        self, hidden: Float[Tensor, "batch hidden"], generator: Generator | None = None, sample: bool | None = None
    ) -> Located:
        """Next location and its log-probability.

        `sample` draws the location if true and takes the mean if false; None leaves it to the unit, which samples in
        training.
        """
        mean = self.aim(hidden)
        draw = self.unit(mean, generator, sample)
        return self.place(draw), self.unit.log_prob(mean, draw)

    def aim(self, hidden: Float[Tensor, "batch hidden"]) -> Float[Tensor, "batch 2"]:
        """Mean of the draw."""
        mean = self.mean(hidden if self.policy_gradient_into_core else hidden.detach())
        return mean.to(torch.promote_types(mean.dtype, torch.float32))  # bf16 is too coarse for a density

    def place(self, draw: Float[Tensor, "batch 2"]) -> Float[Tensor, "batch 2"]:
        """Location of a draw."""
        return self.bound(draw) * self.reach
