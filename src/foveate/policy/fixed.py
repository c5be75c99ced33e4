"""Fixed policies: locators that learn nothing, to start a scanpath with and to compare a learned policy with.

Each has the interface of `foveate.policy.locator.Locator`. The log-probability is 0, so that nothing learns from it.
"""

import math
from collections.abc import Iterator
from typing import Any

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from foveate.policy.locator import Located

FIXED_POLICIES = ("random", "center", "raster")


class FixedLocator:
    """A locator with one location for all images, or one for each.

    Convention:
        location is (x, y) in [-1, 1], x right, y down.

    >>> location, log_prob = FixedLocator(torch.zeros(2))(torch.zeros(3, 256))
    >>> location.shape, log_prob
    (torch.Size([3, 2]), tensor([0., 0., 0.]))
    """

    def __init__(self, location: Float[Tensor, "*batch 2"]) -> None:
        self.location = location

    def __call__(
        self, hidden: Float[Tensor, "batch hidden"], generator: Generator | None = None, sample: bool | None = None
    ) -> Located:
        """The location, repeated for several rollouts."""
        batch = hidden.shape[0]
        location = self.location.to(hidden.device, torch.promote_types(hidden.dtype, torch.float32))
        if location.ndim == 1:
            return location.expand(batch, 2), torch.zeros(batch, device=hidden.device)
        return location.repeat(batch // location.shape[0], 1), torch.zeros(batch, device=hidden.device)


class UniformLocator:
    """A locator that draws uniformly within `reach`."""

    def __init__(self, reach: float | Float[Tensor, "*two"] = 1.0) -> None:
        self.reach = reach

    def __call__(
        self, hidden: Float[Tensor, "batch hidden"], generator: Generator | None = None, sample: bool | None = None
    ) -> Located:
        """A location for each image."""
        batch = hidden.shape[0]
        draw = torch.rand((batch, 2), generator=generator, dtype=torch.float32, device=hidden.device) * 2 - 1
        return draw * torch.as_tensor(self.reach, device=draw.device), torch.zeros(batch, device=hidden.device)


class RasterLocator:
    """A locator that reads the image like a page: row by row from the top left, again from the start after the last.

    `num_glimpses` locations are spread over the rectangle within `reach`, in about as many rows as columns.

    >>> location, _ = RasterLocator(5).at(4)(torch.zeros(1, 256))
    >>> location
    tensor([[1., 1.]])
    """

    def __init__(self, num_glimpses: int, reach: float | Float[Tensor, "*two"] = 1.0) -> None:
        self.locations = list(raster(num_glimpses))
        self.reach = reach

    def at(self, step: int) -> FixedLocator:
        """The locator of a step, counted from 0."""
        reach = torch.as_tensor(self.reach)
        location = torch.tensor(self.locations[step % len(self.locations)], dtype=torch.float32, device=reach.device)
        return FixedLocator(location * reach)


def fixed_policy(name: str, num_glimpses: int, reach: float | Float[Tensor, "*two"] = 1.0) -> Any:
    """The locator of a fixed policy: "random", "center" or "raster"."""
    if name == "random":
        return UniformLocator(reach)
    if name == "center":
        return FixedLocator(torch.zeros(2))
    return RasterLocator(num_glimpses, reach)


def raster(count: int) -> Iterator[tuple[float, float]]:
    """`count` locations (x, y) in [-1, 1], row by row from the top left; rows differ by at most one location.

    >>> list(raster(5))
    [(-1.0, -1.0), (0.0, -1.0), (1.0, -1.0), (-1.0, 1.0), (1.0, 1.0)]
    """
    rows = max(1, round(math.sqrt(count)))
    for row in range(rows):
        columns = count // rows + (row < count % rows)
        for column in range(columns):
            yield _spread(column, columns), _spread(row, rows)


def _spread(index: int, count: int) -> float:
    """Coordinate of one of `count` points spread evenly over [-1, 1]; 0 for a single point."""
    return 2 * index / (count - 1) - 1 if count > 1 else 0.0
