"""REINFORCE units: stochastic modules whose parameters are trained by the score function of their draws.

A unit returns a plain, detached tensor, so that it can be nested anywhere, and ignores gradients to its output.
`log_prob(parameters, value)` of a draw has the gradient that REINFORCE needs,
d log p(value; parameters) / d parameters. `VRClassReward` finds the units of a module and trains them.

Source: Williams 1992, section 4 (REINFORCE); Torch7 `dpnn/Reinforce*.lua`.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any

import torch
from jaxtyping import Float
from torch import Generator, Tensor, nn

Pair = tuple[Tensor, Tensor]


class ReinforceUnit(nn.Module, ABC):
    """Distribution inside a network: samples in training (or always, if `stochastic`), otherwise returns its mode.

    `draws` holds the log-probabilities of the current forward pass if a criterion trains the unit; otherwise it is
    None.
    """

    def __init__(self, stochastic: bool = False) -> None:
        super().__init__()
        self.stochastic = stochastic
        self.draws: list[Float[Tensor, " batch"]] | None = None

    @abstractmethod
    def sample(self, parameters: Any, generator: Generator | None = None) -> Tensor:
        """Draw a value, without gradient."""

    @abstractmethod
    def mode(self, parameters: Any) -> Tensor:
        """Value that represents the distribution in evaluation."""

    @abstractmethod
    def log_prob(self, parameters: Any, value: Tensor) -> Float[Tensor, " batch"]:
        """log p(value; parameters), summed over all dimensions but the first."""

    def forward(
        self, parameters: Tensor | Pair, generator: Generator | None = None, sample: bool | None = None
    ) -> Tensor:
        """A sample from `generator` or the mode, detached; `sample` decides where it is not None."""
        if sample is None:
            sample = self.training or self.stochastic
        if not sample:
            return self.mode(parameters).detach()
        value = self.sample(parameters, generator).detach()
        if self.draws is not None and torch.is_grad_enabled():
            self.draws.append(self.log_prob(parameters, value))
        return value

    def __getstate__(self) -> dict[str, Any]:
        """State of a copy, without the draws, which belong to a forward pass of this unit."""
        return {**self.__dict__, "draws": None if self.draws is None else []}


class ReinforceNormal(ReinforceUnit):
    """Normal unit: x ~ N(u, s^2), with d log p / du = (x - u) / s^2 and d log p / ds = ((x - u)^2 - s^2) / s^3.

    Args:
        std: standard deviation s > 0, one number or one a dimension. None takes a pair (u, s) as input.
        learn_std: make log s a parameter, initialized from `std`.
        stochastic: sample in evaluation too.

    Raises:
        ValueError: if `std` is not positive, or None with `learn_std`.

    Example:
        >>> unit = ReinforceNormal(0.22).eval()
        >>> unit(torch.zeros(4, 2)).shape
        torch.Size([4, 2])

    Source: Williams 1992, section 6; Torch7 `dpnn/ReinforceNormal.lua`.
    """

    log_std: Tensor
    fixed_std: Tensor

    def __init__(self, std: float | Tensor | None, *, learn_std: bool = False, stochastic: bool = False) -> None:
        super().__init__(stochastic)
        if std is None:
            if learn_std:
                raise ValueError("`std` should be the initial value if `learn_std` is set. Found `std = None`.")
            return
        start = torch.as_tensor(std, dtype=torch.get_default_dtype()).detach().clone()
        if not start.is_meta and not bool((start > 0).all()):
            raise ValueError(f"`std` should be above 0. Found `std = {std}`.")
        if learn_std:
            self.log_std = nn.Parameter(start.log())
        else:
            self.register_buffer("fixed_std", start)

    @property
    def std(self) -> Tensor:
        """Standard deviation, if it is not an input."""
        return self.log_std.exp() if hasattr(self, "log_std") else self.fixed_std

    def _split(self, parameters: Tensor | Pair) -> Pair:
        return (parameters, self.std) if isinstance(parameters, Tensor) else parameters

    def sample(self, parameters: Any, generator: Generator | None = None) -> Tensor:
        """u + s * noise."""
        mean = self._split(parameters)[0]
        return self.shift(
            parameters, torch.randn(mean.shape, generator=generator, dtype=mean.dtype, device=mean.device)
        )

    def shift(self, parameters: Any, noise: Tensor) -> Tensor:
        """u + s * noise, for given standard normal noise."""
        mean, std = self._split(parameters)
        return (mean + std * noise).detach()

    def mode(self, parameters: Any) -> Tensor:
        """u."""
        return self._split(parameters)[0]

    def log_prob(self, parameters: Any, value: Tensor) -> Float[Tensor, " batch"]:
        """-(x - u)^2 / 2 s^2 - log s - log sqrt(2 pi), summed."""
        mean, std = self._split(parameters)
        score = ((value - mean) / std).square() / 2 + std.log() + math.log(2 * math.pi) / 2
        return -score.flatten(1).sum(1)


class ReinforceBernoulli(ReinforceUnit):
    """Bernoulli unit: x is 1 with probability p, else 0; d log p / dp = (x - p) / (p (1 - p)). In evaluation: p.

    Example:
        >>> ReinforceBernoulli(stochastic=True)(torch.tensor([[0.0, 1.0]]))
        tensor([[0., 1.]])

    Source: Williams 1992, section 4; Torch7 `dpnn/ReinforceBernoulli.lua`.
    """

    def sample(self, parameters: Any, generator: Generator | None = None) -> Tensor:
        """0 or 1, of the parameters' type."""
        return torch.bernoulli(parameters.detach(), generator=generator)

    def mode(self, parameters: Any) -> Tensor:
        """p, the mean."""
        return parameters

    def log_prob(self, parameters: Any, value: Tensor) -> Float[Tensor, " batch"]:
        """log p where x is 1, log(1 - p) where it is 0, summed."""
        return torch.where(value > 0.5, parameters, 1 - parameters).log().flatten(1).sum(1)


class ReinforceCategorical(ReinforceUnit):
    """Categorical unit: x is one-hot over the last dimension with probabilities p; d log p / dp = x / p.

    In evaluation it gives p.

    Example:
        >>> ReinforceCategorical(stochastic=True)(torch.tensor([[0.0, 1.0, 0.0]]))
        tensor([[0., 1., 0.]])

    Source: Torch7 `dpnn/ReinforceCategorical.lua`.
    """

    def sample(self, parameters: Any, generator: Generator | None = None) -> Tensor:
        """One-hot, of the parameters' type."""
        rows = parameters.detach().flatten(0, -2)
        choice = torch.multinomial(rows, 1, generator=generator)
        return torch.zeros_like(rows).scatter_(1, choice, 1).view_as(parameters)

    def mode(self, parameters: Any) -> Tensor:
        """p, the mean of the one-hot samples."""
        return parameters

    def log_prob(self, parameters: Any, value: Tensor) -> Float[Tensor, " batch"]:
        """log of the chosen probability, summed."""
        return (
            (parameters * value).sum(-1).log().flatten(1).sum(1)
            if value.ndim > 2
            else (parameters * value).sum(1).log()
        )


class ReinforceGamma(ReinforceUnit):
    """Gamma unit of shape k, scale t: d log p / dk = ln x - digamma(k) - ln t, d log p / dt = x / t^2 - k / t.

    In evaluation it gives k t.

    Args:
        scale: the fixed scale t > 0; None takes a pair (k, t) as input.
        stochastic: sample in evaluation too.

    Raises:
        ValueError: if `scale` is not positive.

    Example:
        >>> ReinforceGamma(scale=2.0).eval()(torch.full((1, 1), 3.0))
        tensor([[6.]])

    Source: Torch7 `dpnn/ReinforceGamma.lua`.
    """

    def __init__(self, scale: float | None = None, *, stochastic: bool = False) -> None:
        super().__init__(stochastic)
        if scale is not None and not scale > 0:
            raise ValueError(f"`scale` should be above 0. Found `scale = {scale}`.")
        self.scale = scale

    def _split(self, parameters: Tensor | Pair) -> Pair:
        if not isinstance(parameters, Tensor):
            return parameters
        if self.scale is None:
            raise ValueError("A `ReinforceGamma` without `scale` should get a pair (shape, scale). Found one tensor.")
        return parameters, torch.full_like(parameters, self.scale)

    def sample(self, parameters: Any, generator: Generator | None = None) -> Tensor:
        """Positive draw."""
        shape, scale = self._split(parameters)
        # torch.distributions.Gamma calls this function too, but takes no generator.
        drawn = torch._standard_gamma(shape.detach(), generator=generator)  # pyright: ignore[reportPrivateImportUsage]
        drawn = drawn * scale.detach()
        return drawn.clamp(min=torch.finfo(drawn.dtype).tiny)  # log p of an underflow to 0 is -inf

    def mode(self, parameters: Any) -> Tensor:
        """k t, the mean."""
        shape, scale = self._split(parameters)
        return shape * scale

    def log_prob(self, parameters: Any, value: Tensor) -> Float[Tensor, " batch"]:
        """(k - 1) ln x - x / t - k ln t - ln Gamma(k), summed."""
        shape, scale = self._split(parameters)
        score = (shape - 1) * value.log() - value / scale - shape * scale.log() - torch.lgamma(shape)
        return score.flatten(1).sum(1)


def units(module: nn.Module) -> Iterator[ReinforceUnit]:
    """All REINFORCE units inside `module`, at any depth."""
    return (part for part in module.modules() if isinstance(part, ReinforceUnit))
