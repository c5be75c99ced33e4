"""Glimpse network: combines what is seen and where it is seen into one feature."""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn


class GlimpseNetwork(nn.Module):
    """The glimpse network g = f_g(x, l): join(what(rho(x, l)), where(l)).

    The sensor gives a glimpse (batch, depth * channels, h, w), `what` turns it into a vector, `where` turns the
    location into a vector, and `join` turns their concatenation into the feature. Any modules of matching sizes can be
    used.

    Example:
        >>> from foveate import SpatialGlimpse
        >>> what = nn.Sequential(nn.Flatten(), nn.Linear(64, 16), nn.ReLU())
        >>> where = nn.Sequential(nn.Linear(2, 16), nn.ReLU())
        >>> network = GlimpseNetwork(SpatialGlimpse(8, depth=1), what, where, join=nn.Linear(32, 24))
        >>> network(torch.rand(5, 1, 28, 28), torch.zeros(5, 2)).shape
        torch.Size([5, 24])

    Source: Mnih et al. 2014, section 3.1 B and section 4 (the glimpse network).
    """

    def __init__(self, sensor: nn.Module, what: nn.Module, where: nn.Module, join: nn.Module) -> None:
        super().__init__()
        self.sensor = sensor
        self.what = what
        self.where = where
        self.join = join

    def forward(self, image: Any, location: Float[Tensor, "batch place"]) -> Float[Tensor, "batch feature"]:
        """Feature of each glimpse."""
        return self.read(self.sensor(image, location), location)

    def read(self, patch: Tensor, location: Float[Tensor, "batch place"]) -> Float[Tensor, "batch feature"]:
        """Feature of a patch that the sensor has read at `location`."""
        patch = as_parameters(self, patch)
        location = as_parameters(self, location)
        return self.join(torch.cat([self.what(patch), self.where(location)], dim=-1))


def as_parameters(module: nn.Module, value: Tensor) -> Tensor:
    """Cast a value to the type of a module's parameters, such as float16 after `module.half()`.

    >>> as_parameters(nn.Linear(1, 1).double(), torch.zeros(1)).dtype
    torch.float64
    """
    parameter = next((each for each in module.parameters() if each.is_floating_point()), None)
    return value if parameter is None else value.to(parameter.dtype)
