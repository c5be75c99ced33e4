"""HybridLoss: the losses of a rollout of a RecurrentAttention."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int64, Shaped
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils import _pytree as pytree

from foveate.recurrent.rollout import Rollout
from foveate.reward.reward import (
    batch_mean,
    check_floats,
    check_target,
    class_reward,
    learned,
    leave_one_out,
    log_probability_reward,
)

BASELINES = ("learned", "batch-mean", "leave-one-out", "none")
ANSWERS = ("last", "every")
REWARDS = {"accuracy": class_reward, "log-probability": log_probability_reward}
Reward = Callable[[Rollout, Int64[Tensor, " batch"]], Float[Tensor, " batch"]]


@dataclass(frozen=True)
class Losses:
    """Losses of one batch. Differentiate `total`."""

    total: Float[Tensor, ""]
    """classification_loss + policy_weight * policy_loss + baseline_weight * baseline_loss."""
    classification_loss: Float[Tensor, ""]
    """Cross-entropy of the answers, summed over the members of an ensemble: each learns as if alone."""
    policy_loss: Float[Tensor, ""]
    """-mean over the batch of sum_t A_t log p(l_t)."""
    baseline_loss: Float[Tensor, ""]
    """Mean squared error of the baselines; 0 if none is learned."""
    reward: Float[Tensor, ""]
    """Mean reward."""
    error: Float[Tensor, ""]
    """Fraction of wrong predictions."""


pytree.register_dataclass(Losses, serialized_type_name="foveate.Losses")  # see `Rollout`


class HybridLoss(nn.Module):
    """Hybrid loss: cross-entropy for the classification, REINFORCE for the locations, squared error for the baselines.

    The gradient of policy_loss is -1/B sum_b sum_t (R_b - b_t) d log p(l_t) (equation 3 of the paper).

    Args:
        baseline: "learned" subtracts the baselines of the rollout and trains them; "batch-mean" subtracts the mean
            reward of the batch, "leave-one-out" the mean of the other rollouts of an image, "none" nothing.
        reward: "accuracy" is 1 for a correct prediction and 0 for a wrong one; "log-probability" is the log-probability
            of the true class, which also ranks correct predictions. A function of your own is given the rollout and the
            label of each answer, and returns one number for each. `forward` takes such numbers too.
        reward_scale: factor of the reward.
        policy_weight: weight of the loss of the policy; the loss of the classification has the weight 1.
        baseline_weight: weight of the loss of the baselines.
        label_smoothing: fraction of the target that is spread over all classes.
        answers: "last" learns from the answer after the last glimpse, "every" from the answer after each: the mean of
            their cross-entropies, weighted over time.
        early_weight: weight of each answer before the last, relative to the last.

    Raises:
        ValueError: if `baseline`, `reward` or `answers` is unknown, or the labels or answers do not match the rollout.

    Example:
        >>> import foveate
        >>> model = foveate.build(foveate.config.Model(image=(1, 28, 28), classes=tuple("0123456789")))
        >>> losses = HybridLoss()(model(torch.rand(5, 1, 28, 28)), torch.randint(10, (5,)))
        >>> losses.total.backward()

    Source: Mnih et al. 2014, section 3.2, equations 2 and 3 and the hybrid supervised loss.
    """

    def __init__(
        self,
        *,
        baseline: str = "learned",
        reward: str | Reward = "accuracy",
        reward_scale: float = 1.0,
        policy_weight: float = 1.0,
        baseline_weight: float = 1.0,
        label_smoothing: float = 0.0,
        answers: str = "last",
        early_weight: float = 1.0,
    ) -> None:
        super().__init__()
        if baseline not in BASELINES:
            raise ValueError(f"`baseline` should be one of {', '.join(map(repr, BASELINES))}. Found {baseline!r}.")
        if not callable(reward) and reward not in REWARDS:
            raise ValueError(f"`reward` should be one of {', '.join(map(repr, REWARDS))}. Found {reward!r}.")
        if answers not in ANSWERS:
            raise ValueError(f"`answers` should be one of {', '.join(map(repr, ANSWERS))}. Found {answers!r}.")
        self.baseline, self.label_smoothing = baseline, label_smoothing
        self.answers, self.early_weight = answers, early_weight
        self.reward, self.reward_scale = reward, reward_scale
        self.policy_weight, self.baseline_weight = policy_weight, baseline_weight
        self.batch_mean = batch_mean  # replaced where several processes share a batch

    def forward(self, rollout: Rollout, label: Shaped[Tensor, "..."], reward: Tensor | None = None) -> Losses:
        """Losses of a rollout over B images with B labels; M * B predictions mean M rollouts of each image.

        `reward` has a number for each of the M * B answers, in place of the loss's own reward.
        """
        if not isinstance(rollout, Rollout):
            raise ValueError(f"`rollout` should be what a model returned. Found a {type(rollout).__name__}.")
        for name in ("logits", "log_probs", "baselines"):
            check_floats(f"rollout.{name}", getattr(rollout, name))
        logits = rollout.final_logits
        label = check_target("label", label, logits.shape[1], logits.device)
        if len(logits) % len(label):
            raise ValueError(f"The rollout of {len(logits)} answers should fit the {len(label)} labels.")
        num_rollouts = len(logits) // len(label)
        target = label.repeat(num_rollouts)
        classification_loss = self._classification_loss(rollout, target)
        reward = self._reward(rollout, target) if reward is None else self._checked(reward, target, "be")
        advantage = self._advantage(reward.view(num_rollouts, -1), rollout.baselines)
        policy_loss = -(advantage * rollout.log_probs).sum(0).mean()
        baseline_loss = self._baseline_loss(rollout.baselines, reward)
        total = classification_loss + self.policy_weight * policy_loss + self.baseline_weight * baseline_loss
        error = 1 - class_reward(logits, target).mean()
        return Losses(total, classification_loss, policy_loss, baseline_loss, reward.mean(), error)

    def _reward(self, rollout: Rollout, target: Int64[Tensor, " batch"]) -> Float[Tensor, " batch"]:
        """Reward of each answer, without gradient."""
        if isinstance(self.reward, str):
            return REWARDS[self.reward](rollout.final_logits, target, self.reward_scale)
        return self._checked(self.reward(rollout, target), target, "return")

    def _checked(self, reward: Any, target: Tensor, verb: str) -> Float[Tensor, " batch"]:
        """Rewards given from outside, without gradient and scaled."""
        if not isinstance(reward, Tensor) or reward.shape != target.shape or not reward.is_floating_point():
            found = f"{reward.dtype} of shape {tuple(reward.shape)}" if isinstance(reward, Tensor) else repr(reward)
            raise ValueError(f"`reward` should {verb} one float for each of {len(target)} answers. Found {found}.")
        return reward.detach() * self.reward_scale

    def _classification_loss(self, rollout: Rollout, target: Tensor) -> Float[Tensor, ""]:
        """Cross-entropy of the answers, summed over the members of an ensemble."""
        logits = rollout.logits[None] if rollout.member_logits is None else rollout.member_logits
        logits = logits.to(torch.promote_types(logits.dtype, torch.float32))  # not in bf16
        losses = [self._cross_entropy(logits[:, -1], target)]
        if self.answers == "every":
            if len(rollout.logits) != len(rollout.locations):
                raise ValueError(
                    f"The rollout should hold an answer after each of {len(rollout.locations)} glimpses. "
                    f"Found {len(rollout.logits)}: choose `every_answer=True`."
                )
            losses += [self.early_weight * self._cross_entropy(step, target) for step in logits[:, :-1].unbind(1)]
        whole = 1 + self.early_weight * (len(losses) - 1)
        return torch.stack(losses).sum() / whole if len(losses) > 1 else losses[0]

    def _cross_entropy(self, logits: Float[Tensor, "members batch classes"], target: Tensor) -> Float[Tensor, ""]:
        """Cross-entropy of one answer, summed over the members."""
        members = len(logits)
        loss = F.cross_entropy(logits.flatten(0, 1), target.repeat(members), label_smoothing=self.label_smoothing)
        return members * loss

    def _advantage(self, reward: Tensor, baselines: Tensor) -> Float[Tensor, "*time batch"]:
        if self.baseline == "learned":
            return learned(reward, baselines)
        means = {"none": torch.flatten, "batch-mean": self.batch_mean, "leave-one-out": leave_one_out}
        return means[self.baseline](reward)

    def _baseline_loss(self, baselines: Tensor, reward: Tensor) -> Float[Tensor, ""]:
        if self.baseline != "learned":
            return reward.new_zeros(())
        return F.mse_loss(baselines, reward.to(baselines.dtype).expand_as(baselines))
