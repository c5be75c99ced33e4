"""Reward criteria: REINFORCE losses for any module with REINFORCE units, as VRClassReward.

What counts is the gradient of a loss. The policy loss has the gradient of REINFORCE,
-(advantage) * d log p(sample; parameters) / d parameters, averaged over the batch; its *value* means nothing.
"""

from abc import ABC, abstractmethod

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn
from torch.nn import functional as F

from foveate.policy.units import units
from foveate.reward.reward import binary_reward, check_floats, check_target, class_reward


class _RewardCriterion(nn.Module, ABC):
    """Base class of the reward criteria: records the draws of the units and computes the loss."""

    prediction_dims: int

    def __init__(self, module: nn.Module, reward_scale: float = 1.0) -> None:
        super().__init__()
        if not any(units(module)):
            raise ValueError("`module` should hold a REINFORCE unit. Found none, so there is nothing to train.")
        self.module = (module,)  # in a tuple, so that its parameters do not become the criterion's
        self.reward_scale = reward_scale
        module.register_forward_pre_hook(_record_draws)

    @abstractmethod
    def reward(self, prediction: Tensor, target: Tensor) -> Float[Tensor, " batch"]:
        """Reward of each prediction."""

    def forward(
        self, prediction: Tensor, baseline: Float[Tensor, "*shape"], target: Shaped[Tensor, "..."]
    ) -> Float[Tensor, ""]:
        """-mean R, with the gradients of REINFORCE to the units and of mean (b - R)^2 to the baseline only.

        Raises:
            ValueError: if `target` is not one class for each prediction, or `baseline` not one for each or for all, or
                types or devices do not fit.
            RuntimeError: if `module` has drawn nothing since the last call.
        """
        check_floats("prediction", prediction)
        check_floats("baseline", baseline, prediction.device)
        if prediction.ndim != self.prediction_dims:
            raise ValueError(
                f"`prediction` should have {self.prediction_dims} dimension(s), the first one for the samples. "
                f"Found the shape {tuple(prediction.shape)}."
            )
        classes = prediction.shape[1] if prediction.ndim == 2 else 2
        target = check_target("target", target, classes, prediction.device)
        if len(prediction) != len(target):
            raise ValueError(
                f"`prediction` should be one for each of the {len(target)} targets. Found {len(prediction)}."
            )
        if baseline.shape not in ((), (1,), (1, 1), (len(target),), (len(target), 1)):
            raise ValueError(
                f"`baseline` should be one number, or one for each of the {len(target)} targets: of shape (), "
                f"({len(target)},) or ({len(target)}, 1). Found the shape {tuple(baseline.shape)}."
            )
        reward = self.reward(prediction, target)
        baseline = baseline.flatten().expand_as(reward)
        advantage = (reward - baseline).detach()
        policy_loss = -sum((advantage * log_prob).mean() for log_prob in self._take_log_probs(len(reward)))
        surrogate = policy_loss + F.mse_loss(baseline, reward.to(baseline))  # PyTorch 2.8 mixes no types here
        return surrogate - surrogate.detach() - reward.mean()

    def _take_log_probs(self, batch: int) -> list[Float[Tensor, " batch"]]:
        """Log-probabilities of the draws of the module's last forward pass, removed from its units."""
        log_probs: list[Tensor] = []
        for unit in units(self.module[0]):
            log_probs += unit.draws or []
            unit.draws = None if unit.draws is None else []
        if not log_probs:
            raise RuntimeError(
                "`module` should have run forward, in training mode and with gradients, before the criterion. "
                "Found no draws of its units."
            )
        sizes = {len(log_prob) for log_prob in log_probs}
        if sizes != {batch}:
            raise ValueError(f"Every unit should draw for a batch of {batch}. Found {sorted(sizes)}.")
        return log_probs


def _record_draws(module: nn.Module, inputs: tuple[object, ...]) -> None:
    """Start an empty list of draws in every unit, before a forward pass with gradients."""
    if torch.is_grad_enabled():
        for unit in units(module):
            unit.draws = []


class VRClassReward(_RewardCriterion):
    """Variance-reduced classification reward: trains every REINFORCE unit nested in `module`, and the baseline.

    R = reward_scale where the prediction is correct, else 0. The loss is -mean R; its gradient is
    -(R - b) * d log p / d parameters / batch for every draw of every unit, the gradient of mean (b - R)^2 for the
    baseline, and nothing for the prediction, which another loss should train.

    Call `module` as a whole (not its parts), then the criterion. Draws are recorded by a forward pass with gradients,
    and kept until the criterion or the next pass.

    Raises:
        ValueError: if `module` has no REINFORCE unit, or draws, predictions or targets do not match.
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
    """`VRClassReward` for one probability per sample: correct where (prediction > 0.5) is the target.

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
