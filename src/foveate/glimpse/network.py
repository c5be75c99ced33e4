"""GlimpseNetwork: what is seen and where it is seen, joined into one feature."""

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn

from foveate.glimpse.sensor import Prepared


class GlimpseNetwork(nn.Module):
    """The glimpse network g = f_g(x, l): join(what(rho(x, l)), where(l)).

    Any modules will do, as long as they fit: the sensor gives a glimpse (batch, depth * channels, h, w), `what` turns
    it into a vector, `where` turns the location into a vector, and `join` turns both, side by side, into the feature.

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
        self.sensor, self.what, self.where, self.join = sensor, what, where, join

    def prepare(self, image: Shaped[Tensor, "images channels height width"], num_glimpses: int) -> Prepared:
        """The images as the sensor likes them best for that many glimpses."""
        return prepared(self.sensor, image, num_glimpses)

    def forward(self, image: Prepared, location: Float[Tensor, "batch place"]) -> Float[Tensor, "batch feature"]:
        """The feature of each glimpse."""
        return self.read(self.sensor(image, location), location)

    def read(self, patch: Tensor, location: Float[Tensor, "batch place"]) -> Float[Tensor, "batch feature"]:
        """The feature of what the sensor gave there."""
        return self.join(torch.cat([self.what(patch), self.where(location)], dim=-1))


def prepared(sensor: nn.Module, image: Shaped[Tensor, "images channels height width"], num_glimpses: int) -> Prepared:
    """The images as a sensor likes them best for that many glimpses, if it has a wish."""
    prepare = getattr(sensor, "prepare", None)
    return prepare(image, num_glimpses) if prepare else image
