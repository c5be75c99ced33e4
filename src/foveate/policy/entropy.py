"""CategoricalEntropy: an entropy bonus against the collapse of a categorical distribution."""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn


class CategoricalEntropy(nn.Module):
    """Identity on probabilities whose backward pass adds the gradient of -scale * H(p), p the mean over the batch.

    H(p) = -sum_i p_i log p_i. With `min_entropy` (in nats), it is only added while H(p) is below.

    Torch7 divides this gradient by the batch size once more, so that it fades in large batches; here `scale` has the
    same effect at any batch size.

    Raises:
        ValueError: if the input is not (batch, classes).

    Example:
        >>> p = torch.tensor([[0.9, 0.1]], requires_grad=True)
        >>> CategoricalEntropy(scale=0.1)(p).sum().backward()  # gradient 1 from the sum, the rest is the bonus
        >>> (p.grad - 1).sign()
        tensor([[ 1., -1.]])

    Source: Torch7 `dpnn/CategoricalEntropy.lua`.
    """

    def __init__(self, scale: float = 1.0, min_entropy: float | None = None) -> None:
        super().__init__()
        self.scale = scale
        self.min_entropy = min_entropy

    def forward(self, probabilities: Float[Tensor, "*batch classes"]) -> Float[Tensor, "*batch classes"]:
        """The probabilities, unchanged."""
        if probabilities.ndim != 2:
            raise ValueError(f"`probabilities` should be (batch, classes). Found {tuple(probabilities.shape)}.")
        return _EntropyBonus.apply(probabilities, self.scale, self.min_entropy)  # pyright: ignore[reportReturnType]


class _EntropyBonus(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, probabilities: Tensor, scale: float, min_entropy: float | None) -> Tensor:
        ctx.save_for_backward(probabilities)
        ctx.scale = scale
        ctx.min_entropy = min_entropy
        return probabilities.clone()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        (probabilities,) = ctx.saved_tensors
        mean = probabilities.mean(0)
        log_mean = (mean + 1e-6).log()  # no log(0), as in Torch7
        bonus = ctx.scale * (log_mean + mean / (mean + 1e-6)) / len(probabilities)  # -scale * dH / dp
        if ctx.min_entropy is not None:  # a tensor all the way: a Python `if` on its value would wait for a GPU
            bonus = bonus * (-(mean * log_mean).sum() < ctx.min_entropy)
        return gradients[0] + bonus, None, None
