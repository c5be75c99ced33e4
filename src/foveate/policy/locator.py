"""Where to look next: the learned locator, and the plain ones that stand in for it.

Everything here has the one interface that the loop knows: `locator(hidden, generator) -> (location, log_prob)`.
"""

import math
from collections.abc import Iterator

import torch
from jaxtyping import Float
from torch import Generator, Tensor, nn

from foveate.policy.units import ReinforceUnit

Located = tuple[Float[Tensor, "batch 2"], Float[Tensor, " batch"]]


class Locator(nn.Module):
    """The location network l ~ p(. | f_l(h)): mean -> bounded -> unit -> bounded -> times reach.

    log_prob is that of the raw draw, before it is bounded; the location itself carries no gradient.

    Convention:
        location is (x, y) in [-1, 1], x right, y down; the unit's 1 is `reach` (x, y) from the image's centre.

    Args:
        hidden_size: units of the core, or of all cores where there are several columns.
        unit: the REINFORCE unit that draws, such as `ReinforceNormal(0.22)`.
        reach: location that the unit's 1 stands for, one number or (x, y); see `foveate.glimpse.location.reach`.
        width: units of a hidden layer of the locator's own; 0 has none.
        policy_gradient_into_core: let the policy loss train what made `hidden` (Torch7 does, most ports do not).

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
        self.register_buffer("reach", torch.tensor(reach, dtype=torch.get_default_dtype()), persistent=False)
        self.policy_gradient_into_core = policy_gradient_into_core

    def forward(self, hidden: Float[Tensor, "batch hidden"], generator: Generator | None = None) -> Located:
        """Where to look, given the hidden state, and the log-probability of having chosen so."""
        mean = self.aim(hidden)
        draw = self.unit(mean, generator)
        return self.place(draw), self.unit.log_prob(mean, draw)

    def aim(self, hidden: Float[Tensor, "batch hidden"]) -> Float[Tensor, "batch 2"]:
        """The mean of the draw."""
        mean = self.mean(hidden if self.policy_gradient_into_core else hidden.detach())
        return mean.to(torch.promote_types(mean.dtype, torch.float32))  # bf16 has too few digits for a density

    def place(self, draw: Float[Tensor, "batch 2"]) -> Float[Tensor, "batch 2"]:
        """The location that a draw stands for."""
        return self.bound(draw) * self.reach


class Given:
    """A locator that looks where it is told: one location for all, or one each; log-probability 0, so nothing learns.

    >>> location, log_prob = Given(torch.zeros(2))(torch.zeros(3, 256))
    >>> location.shape, log_prob
    (torch.Size([3, 2]), tensor([0., 0., 0.]))
    """

    def __init__(self, location: Float[Tensor, "*batch 2"]) -> None:
        self.location = location

    def __call__(self, hidden: Float[Tensor, "batch hidden"], generator: Generator | None = None) -> Located:
        """The given location, repeated for several rollouts."""
        batch = len(hidden)
        location = self.location.to(hidden.device, torch.promote_types(hidden.dtype, torch.float32))
        location = location.expand(batch, 2) if location.ndim == 1 else location.repeat(batch // len(location), 1)
        return location, torch.zeros(batch, device=hidden.device)


class Uniform:
    """A locator that looks anywhere within reach, whatever it has seen; log-probability 0, so nothing learns."""

    def __init__(self, reach: float | Float[Tensor, "*two"] = 1.0) -> None:
        self.reach = reach

    def __call__(self, hidden: Float[Tensor, "batch hidden"], generator: Generator | None = None) -> Located:
        """A location drawn uniformly."""
        batch = len(hidden)
        draw = torch.rand((batch, 2), generator=generator, device=hidden.device) * 2 - 1
        return draw * self.reach, torch.zeros(batch, device=hidden.device)


class Raster:
    """A locator that reads the image as a page, row by row, whatever it sees; log-probability 0, so nothing learns.

    `num_glimpses` places are spread over the rectangle within `reach`, in as many rows as a row has places, nearly.

    >>> Raster(5)(torch.zeros(1, 256))[0].tolist()
    [[-1.0, -1.0]]
    """

    def __init__(self, num_glimpses: int, reach: float | Float[Tensor, "*two"] = 1.0) -> None:
        self.places, self.reach, self.step = list(raster(num_glimpses)), reach, 0

    def __call__(self, hidden: Float[Tensor, "batch hidden"], generator: Generator | None = None) -> Located:
        """The next place, the first one after the last."""
        place = torch.tensor(self.places[self.step % len(self.places)], device=hidden.device) * self.reach
        self.step += 1
        return place.expand(len(hidden), 2), torch.zeros(len(hidden), device=hidden.device)


def raster(count: int) -> Iterator[tuple[float, float]]:
    """So many places (x, y) in [-1, 1], row by row from the top left; rows differ by one place at most.

    >>> list(raster(5))
    [(-1.0, -1.0), (0.0, -1.0), (1.0, -1.0), (-1.0, 1.0), (1.0, 1.0)]
    """
    rows = max(1, round(math.sqrt(count)))
    for row in range(rows):
        columns = count // rows + (row < count % rows)
        for column in range(columns):
            yield _spread(column, columns), _spread(row, rows)


def _spread(index: int, count: int) -> float:
    """The place of one of `count` points spread evenly over [-1, 1]; a single one lies in the middle."""
    return 2 * index / (count - 1) - 1 if count > 1 else 0.0
