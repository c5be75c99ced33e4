"""The losses: VRClassReward for any module with REINFORCE units, HybridLoss for the rollout of a RecurrentAttention.

A loss is a promise about gradients. The policy loss has the *value* of no interest and the gradient of REINFORCE:
-(advantage) * d log p(sample; parameters) / d parameters, averaged over the batch.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64, Shaped
from torch import Tensor, nn
from torch.nn import functional as F

from foveate.policy.units import units
from foveate.recurrent.rollout import Rollout
from foveate.reward.advantage import batch_mean, learned, leave_one_out
from foveate.reward.reward import binary_reward, class_reward, log_probability_reward

BASELINES = ("learned", "batch-mean", "leave-one-out", "none")
REWARDS = {"right": class_reward, "log-probability": log_probability_reward}


class _RewardCriterion(nn.Module, ABC):
    """What both reward criteria share: listening to the units, and the loss."""

    prediction_dims: int

    def __init__(self, module: nn.Module, reward_scale: float = 1.0) -> None:
        super().__init__()
        if not any(units(module)):
            raise ValueError("`module` should hold a REINFORCE unit. Found none, so there is nothing to train.")
        # In a tuple the module stays the user's own: its parameters do not become the criterion's.
        self.module, self.reward_scale = (module,), reward_scale
        module.register_forward_pre_hook(_listen)

    @abstractmethod
    def reward(self, prediction: Tensor, target: Tensor) -> Float[Tensor, " batch"]:
        """How good each answer was."""

    def forward(
        self, prediction: Tensor, baseline: Float[Tensor, "*batch"], target: Shaped[Tensor, " batch"]
    ) -> Float[Tensor, ""]:
        """-mean R, with the gradients of REINFORCE to the units and of (b - R)^2 to the baseline, and no other.

        Raises:
            ValueError: if there is not one prediction for each target, and one baseline for each or for all.
            RuntimeError: if `module` has drawn nothing since the last call.
        """
        if prediction.ndim != self.prediction_dims or len(prediction) != len(target):
            raise ValueError(
                f"`prediction` should have {self.prediction_dims} dimension(s), the first one long as the "
                f"{len(target)} targets. Found the shape {tuple(prediction.shape)}."
            )
        if baseline.numel() not in (1, len(target)) or baseline.ndim > 1:
            raise ValueError(
                f"`baseline` should be one number, or one for each of the {len(target)} targets. "
                f"Found the shape {tuple(baseline.shape)}."
            )
        reward = self.reward(prediction, target)
        baseline = baseline.expand_as(reward)
        advantage = (reward - baseline).detach()
        policy_loss = -sum((advantage * log_prob).mean() for log_prob in self._drawn(len(reward)))
        surrogate = policy_loss + F.mse_loss(baseline, reward.to(baseline))  # PyTorch 2.8 mixes no types here
        return surrogate - surrogate.detach() - reward.mean()

    def _drawn(self, batch: int) -> list[Float[Tensor, " batch"]]:
        """The log-probabilities of the module's last forward pass, which are forgotten here."""
        drawn: list[Tensor] = []
        for unit in units(self.module[0]):
            drawn += unit.draws or []
            unit.draws = None if unit.draws is None else []
        if not drawn:
            raise RuntimeError(
                "`module` should have run forward, in training mode and with gradients, before the criterion. "
                "Found no draws of its units."
            )
        if any(len(log_prob) != batch for log_prob in drawn):
            raise ValueError(f"Every unit should draw for a batch of {batch}. Found {sorted({len(d) for d in drawn})}.")
        return drawn


def _listen(module: nn.Module, inputs: tuple[object, ...]) -> None:
    """At the start of a training pass: forget the draws of the one before, so that nothing grows."""
    if torch.is_grad_enabled():
        for unit in units(module):
            unit.draws = []


class VRClassReward(_RewardCriterion):
    """Variance-reduced classification reward: trains every REINFORCE unit nested in `module`, and the baseline.

    R = reward_scale where the prediction is right, else 0. The loss is -mean R; its gradient is
    -(R - b) * d log p / d parameters / batch for every draw of every unit, that of mean (b - R)^2 for the baseline, and
    nothing for the prediction, which a classification loss of your own trains.

    Call `module` as a whole (not its parts), then the criterion: draws are kept from the start of one pass of `module`
    to the criterion or the next pass, and never under `no_grad`.

    Raises:
        ValueError: if `module` holds no REINFORCE unit, or its draws or predictions are not one for each target.
        RuntimeError: if the module has not run before the criterion.

    Example:
        >>> from foveate import ReinforceBernoulli
        >>> learner = nn.Sequential(nn.Linear(4, 8), nn.Sigmoid(), ReinforceBernoulli(), nn.Linear(8, 2))
        >>> criterion, baseline = VRClassReward(learner), nn.Parameter(torch.zeros(()))
        >>> prediction, target = learner(torch.rand(16, 4)), torch.randint(2, (16,))
        >>> loss = F.cross_entropy(prediction, target) + criterion(prediction, baseline, target)
        >>> loss.backward()

    Source: Williams 1992; Torch7 `dpnn/VRClassReward.lua`.
    """

    prediction_dims = 2

    def reward(self, prediction: Tensor, target: Tensor) -> Float[Tensor, " batch"]:
        """reward_scale where argmax(prediction) is the target."""
        return class_reward(prediction, target, self.reward_scale)


class BinaryClassReward(_RewardCriterion):
    """`VRClassReward` for one probability a sample: right where (prediction > 0.5) is the target.

    Example:
        >>> from foveate import ReinforceBernoulli
        >>> learner = nn.Sequential(nn.Linear(4, 8), nn.Sigmoid(), ReinforceBernoulli(), nn.Linear(8, 1), nn.Sigmoid())
        >>> criterion = BinaryClassReward(learner)
        >>> prediction, target = learner(torch.rand(16, 4)).squeeze(1), torch.randint(2, (16,))
        >>> criterion(prediction, torch.tensor(0.5), target).backward()

    Source: Torch7 `dpnn/BinaryClassReward.lua`.
    """

    prediction_dims = 1

    def reward(self, prediction: Tensor, target: Tensor) -> Float[Tensor, " batch"]:
        """reward_scale where (prediction > 0.5) is the target."""
        return binary_reward(prediction, target, self.reward_scale)


@dataclass(frozen=True)
class Losses:
    """The named losses of one batch; `total` is the one to differentiate."""

    total: Float[Tensor, ""]
    """classification_loss + policy_weight * policy_loss + baseline_weight * baseline_loss."""
    classification_loss: Float[Tensor, ""]
    """Cross-entropy of the last answer; of several columns, the sum of theirs: each learns as it would alone."""
    policy_loss: Float[Tensor, ""]
    """-mean over the batch of sum_t A_t log p(l_t)."""
    baseline_loss: Float[Tensor, ""]
    """Mean squared error of the baselines; 0 where none is learned."""
    reward: Float[Tensor, ""]
    """Mean reward."""
    error: Float[Tensor, ""]
    """Share of wrong answers."""


class HybridLoss(nn.Module):
    """The hybrid loss: cross-entropy trains the classification, REINFORCE the locations, a squared error the baselines.

    policy_loss has the gradient of -J: -1/B sum_b sum_t (R_b - b_t) d log p(l_t) (equation 3 of the paper).

    Args:
        baseline: "learned" subtracts the rollout's own baselines and fits them; "batch-mean" and "leave-one-out" (over
            several rollouts of the same image) need none; "none" subtracts nothing.
        reward: "right" is 1 for a right answer and 0 for a wrong one; "log-probability" is that of the right class,
            which tells good from better among right answers too.
        reward_scale: what the reward is multiplied with.
        policy_weight, baseline_weight: weights of these losses beside the classification loss's 1.
        label_smoothing: share of the target spread over all classes.

    Raises:
        ValueError: if `baseline` or `reward` is unknown, or the labels do not fit the rollout.

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
        reward: str = "right",
        reward_scale: float = 1.0,
        policy_weight: float = 1.0,
        baseline_weight: float = 1.0,
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__()
        if baseline not in BASELINES:
            raise ValueError(f"`baseline` should be one of {', '.join(map(repr, BASELINES))}. Found {baseline!r}.")
        if reward not in REWARDS:
            raise ValueError(f"`reward` should be one of {', '.join(map(repr, REWARDS))}. Found {reward!r}.")
        self.baseline, self.label_smoothing = baseline, label_smoothing
        self.reward, self.reward_scale = REWARDS[reward], reward_scale
        self.policy_weight, self.baseline_weight = policy_weight, baseline_weight
        self.batch_mean = batch_mean  # of the whole batch: where processes share one, another takes its place

    def forward(self, rollout: Rollout, label: Int64[Tensor, " images"]) -> Losses:
        """The losses of a rollout of these images (M times as many answers as labels means M rollouts)."""
        if not len(label) or len(rollout.answer) % len(label):
            raise ValueError(f"The rollout of {len(rollout.answer)} answers should fit the {len(label)} labels.")
        _check_label(label, rollout.answer.shape[1])
        rollouts = len(rollout.answer) // len(label)
        target = label.repeat(rollouts)
        votes = rollout.answer[None] if rollout.votes is None else rollout.votes
        scores = votes.flatten(0, 1).to(torch.promote_types(votes.dtype, torch.float32))  # logits may be bf16
        targets = target.repeat(len(votes))
        classification_loss = len(votes) * F.cross_entropy(scores, targets, label_smoothing=self.label_smoothing)
        reward = self.reward(rollout.answer, target, self.reward_scale)
        advantage = self._advantage(reward.view(rollouts, -1), rollout.baselines)
        policy_loss = -(advantage * rollout.log_probs).sum(0).mean()
        baseline_loss = self._baseline_loss(rollout.baselines, reward)
        total = classification_loss + self.policy_weight * policy_loss + self.baseline_weight * baseline_loss
        error = 1 - class_reward(rollout.answer, target).mean()
        return Losses(total, classification_loss, policy_loss, baseline_loss, reward.mean(), error)

    def _advantage(self, reward: Tensor, baselines: Tensor) -> Float[Tensor, "*time batch"]:
        if self.baseline == "learned":
            return learned(reward, baselines)
        means = {"none": torch.flatten, "batch-mean": self.batch_mean, "leave-one-out": leave_one_out}
        return means[self.baseline](reward)

    def _baseline_loss(self, baselines: Tensor, reward: Tensor) -> Float[Tensor, ""]:
        if self.baseline != "learned":
            return reward.new_zeros(())
        return F.mse_loss(baselines, reward.to(baselines.dtype).expand_as(baselines))


def _check_label(label: Int64[Tensor, " images"], classes: int) -> None:
    """Refuse labels beyond the classes, where nobody has to wait for that, and nothing is being compiled."""
    if label.device.type != "cpu" or torch.compiler.is_compiling():
        return
    if not 0 <= int(label.min()) <= int(label.max()) < classes:
        found = f"{int(label.min())} to {int(label.max())}"
        raise ValueError(f"`label` should be from 0 to {classes - 1}, as the model has classes. Found {found}.")
