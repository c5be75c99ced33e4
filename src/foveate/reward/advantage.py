"""Advantages: how much better the reward was than expected. All are without gradient.

The rewards of M rollouts of B images come as (M, B); so do the advantages that need no learned baseline.
"""

from jaxtyping import Float
from torch import Tensor


def learned(
    reward: Float[Tensor, "rollouts images"], baselines: Float[Tensor, "time batch"]
) -> Float[Tensor, "time batch"]:
    """A_t = R - b_t: against the predicted reward. Source: Mnih et al. 2014, equation 3."""
    return reward.flatten() - baselines.detach()


def batch_mean(reward: Float[Tensor, "rollouts images"]) -> Float[Tensor, " batch"]:
    """A = R - mean of the batch. The mean holds the image's own reward, which shrinks the gradient by 1 - 1 / batch.

    >>> import torch
    >>> batch_mean(torch.tensor([[1.0, 0.0]]))
    tensor([ 0.5000, -0.5000])
    """
    return (reward - reward.mean()).flatten()


def leave_one_out(reward: Float[Tensor, "rollouts images"]) -> Float[Tensor, " batch"]:
    """A = R - mean of the other rollouts of the same image = M / (M - 1) * (R - mean of all M).

    >>> import torch
    >>> leave_one_out(torch.tensor([[1.0], [0.0], [0.0]]))
    tensor([ 1.0000, -0.5000, -0.5000])

    Source: Mnih and Rezende 2016, equation 8 (the leave-one-out baseline); Kool et al. 2019.
    """
    rollouts = len(reward)
    if rollouts < 2:
        raise ValueError("`num_rollouts` should be at least 2 for the leave-one-out baseline. Found 1.")
    return ((reward - reward.mean(0)) * (rollouts / (rollouts - 1))).flatten()
