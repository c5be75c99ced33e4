"""Rewards of predictions, advantages made of them, and the checks of what every loss is given.

Neither has a gradient. Rewards of M rollouts of B images have the shape (M, B).
"""

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
    return (prediction.detach().argmax(-1) == target).to(_at_least_float32(prediction)) * reward_scale


def log_probability_reward(
    prediction: Float[Tensor, "batch classes"], target: Int64[Tensor, " batch"], reward_scale: float = 1.0
) -> Float[Tensor, " batch"]:
    """R = reward_scale * log p(target), which the classification loss maximizes; without gradient.

    >>> log_probability_reward(torch.tensor([[0.0, 0.0]]), torch.tensor([1]))
    tensor([-0.6931])

    Source: Ba, Mnih and Kavukcuoglu 2015, equations 9 and 10.
    """
    log_probability = prediction.detach().log_softmax(-1, dtype=_at_least_float32(prediction))
    return log_probability.gather(-1, target.unsqueeze(-1)).squeeze(-1) * reward_scale


def binary_reward(
    prediction: Float[Tensor, " batch"], target: Shaped[Tensor, " batch"], reward_scale: float = 1.0
) -> Float[Tensor, " batch"]:
    """R = reward_scale where (prediction > 0.5) is the target, else 0; without gradient.

    >>> binary_reward(torch.tensor([0.7, 0.2]), torch.tensor([1, 1]))
    tensor([1., 0.])

    Source: Torch7 `dpnn/BinaryClassReward.lua`.
    """
    return ((prediction.detach() > 0.5) == (target > 0.5)).to(_at_least_float32(prediction)) * reward_scale


def _at_least_float32(prediction: Tensor) -> torch.dtype:
    """The prediction's type, or float32 for halves, in which rewards are too coarse."""
    return torch.promote_types(prediction.dtype, torch.float32)


def learned(
    reward: Float[Tensor, "rollouts images"], baselines: Float[Tensor, "time batch"]
) -> Float[Tensor, "time batch"]:
    """A_t = R - b_t, where b_t is the predicted reward. Source: Mnih et al. 2014, equation 3."""
    return reward.flatten() - baselines.detach()


def batch_mean(reward: Float[Tensor, "rollouts images"]) -> Float[Tensor, " batch"]:
    """A = R - mean of the batch. The mean includes the image's own reward, which scales the gradient by 1 - 1 / batch.

    >>> batch_mean(torch.tensor([[1.0, 0.0]]))
    tensor([ 0.5000, -0.5000])
    """
    return (reward - reward.mean()).flatten()


def leave_one_out(reward: Float[Tensor, "rollouts images"]) -> Float[Tensor, " batch"]:
    """A = R - mean of the other rollouts of the same image = M / (M - 1) * (R - mean of all M).

    >>> leave_one_out(torch.tensor([[1.0], [0.0], [0.0]]))
    tensor([ 1.0000, -0.5000, -0.5000])

    Source: Mnih and Rezende 2016, equation 8 (the leave-one-out baseline); Kool et al. 2019.
    """
    rollouts = len(reward)
    if rollouts < 2:
        raise ValueError("`num_rollouts` should be at least 2 for the leave-one-out baseline. Found 1.")
    return ((reward - reward.mean(0)) * (rollouts / (rollouts - 1))).flatten()


def check_floats(name: str, value: object, device: torch.device | None = None) -> None:
    """Check that an argument is a tensor of floating point, and on `device` if that is given.

    Raises:
        ValueError: if it is anything else.
    """
    if not isinstance(value, Tensor):
        raise ValueError(f"`{name}` should be a tensor of floating point. Found a {type(value).__name__}.")
    if not value.is_floating_point():
        raise ValueError(f"`{name}` should be of floating point. Found {value.dtype}.")
    _check_device(name, value, device)


def _check_device(name: str, value: Tensor, device: torch.device | None) -> None:
    if device is not None and value.device != device:
        raise ValueError(f"`{name}` should be on the device of the predictions, {device}. Found {value.device}.")


def check_target(
    name: str, target: Shaped[Tensor, "..."], classes: int, device: torch.device | None = None
) -> Int64[Tensor, " batch"]:
    """The classes as int64. The argument `name` is the one that messages speak of.

    The range is checked on a CPU only: reading values would wait for a GPU.

    Raises:
        ValueError: if `target` is not one class in 0..classes - 1 for each sample, of an integer type or bool, or not
            on `device`.

    >>> check_target("target", torch.tensor([True, False]), 2)
    tensor([1, 0])
    """
    if not isinstance(target, Tensor):
        raise ValueError(f"`{name}` should be a tensor of classes. Found a {type(target).__name__}.")
    if target.is_floating_point() or target.is_complex():
        raise ValueError(f"`{name}` should hold classes, of an integer type. Found {target.dtype}.")
    if target.ndim != 1 or not target.shape[0]:
        raise ValueError(
            f"`{name}` should be one class for each sample, of shape (batch,). Found the shape {tuple(target.shape)}."
        )
    _check_device(name, target, device)
    target = target.long()
    has_values = type(target) is Tensor and target.device.type == "cpu"
    if not has_values or torch.compiler.is_compiling():
        return target
    lowest = int(target.min())
    highest = int(target.max())
    if lowest < 0 or highest >= classes:
        raise ValueError(f"`{name}` should be from 0 to {classes - 1}. Found {lowest} to {highest}.")
    return target
