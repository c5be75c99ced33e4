"""Rewards: how good an answer was."""

import torch
from jaxtyping import Float, Int64, Shaped
from torch import Tensor


def class_reward(
    prediction: Float[Tensor, "batch classes"], target: Int64[Tensor, " batch"], reward_scale: float = 1.0
) -> Float[Tensor, " batch"]:
    """R = reward_scale where argmax(prediction) is the target, else 0; without gradient.

    >>> class_reward(torch.tensor([[0.2, 0.8], [0.9, 0.1]]), torch.tensor([1, 1]))
    tensor([1., 0.])

    Source: Mnih et al. 2014, section 4; Torch7 `dpnn/VRClassReward.lua`.
    """
    return (prediction.detach().argmax(-1) == target).to(torch.float32) * reward_scale


def log_probability_reward(
    prediction: Float[Tensor, "batch classes"], target: Int64[Tensor, " batch"], reward_scale: float = 1.0
) -> Float[Tensor, " batch"]:
    """R = reward_scale * log p(target), the likelihood that the classification loss maximises; without gradient.

    >>> log_probability_reward(torch.tensor([[0.0, 0.0]]), torch.tensor([1]))
    tensor([-0.6931])

    Source: Ba, Mnih and Kavukcuoglu 2015, equations 9 and 10.
    """
    return prediction.detach().float().log_softmax(-1).gather(-1, target.unsqueeze(-1)).squeeze(-1) * reward_scale


def binary_reward(
    prediction: Float[Tensor, " batch"], target: Shaped[Tensor, " batch"], reward_scale: float = 1.0
) -> Float[Tensor, " batch"]:
    """R = reward_scale where (prediction > 0.5) is the target, else 0; without gradient.

    >>> binary_reward(torch.tensor([0.7, 0.2]), torch.tensor([1, 1]))
    tensor([1., 0.])

    Source: Torch7 `dpnn/BinaryClassReward.lua`.
    """
    return ((prediction.detach() > 0.5) == (target > 0.5)).to(torch.float32) * reward_scale
