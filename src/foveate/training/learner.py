"""What learns: the model, its averaged copy, the losses and the optimizer, made from a config."""

import copy
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from foveate.config import Config, Training
from foveate.reward.criterion import HybridLoss
from foveate.training.build import Attention, build, build_loss
from foveate.training.distributed import ALONE, Ranks


@dataclass(frozen=True)
class Learner:
    """The parts of a training step; `config` is the resolved one."""

    config: Config
    model: Attention
    criterion: HybridLoss
    optimizer: torch.optim.Optimizer
    averaged: AveragedModel | None
    best: Attention
    """A copy of the result as it was in the epoch that is kept: that of the least validation error, or the last."""
    ranks: Ranks = ALONE
    """The processes that learn together."""
    compiled: bool = False
    """Whether its steps are fused by `torch.compile`, as those of the rectified network can be."""

    @property
    def result(self) -> Attention:
        """The model to evaluate and keep: the averaged one where there is one."""
        return self.model if self.averaged is None else cast(Attention, self.averaged.module)

    def state_dict(self) -> dict[str, object]:
        """All that learning has changed; the optimizer's settings are those of the config, and of the next step."""
        parts = {"model": self.model, "averaged": self.averaged, "best": self.best}
        states = {name: part.state_dict() for name, part in parts.items() if part is not None}
        return {**states, "optimizer": self.optimizer.state_dict()["state"]}

    def load_state_dict(self, state: dict[str, dict[str, object]]) -> None:
        """Go on from there."""
        self.model.load_state_dict(state["model"])
        self.best.load_state_dict(state["best"])
        settings = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict({"state": state["optimizer"], "param_groups": settings})
        if self.averaged is not None:
            self.averaged.load_state_dict(state["averaged"])

    def keep_best(self) -> None:
        """The result as it is now is the best."""
        self.best.load_state_dict(self.result.state_dict())


def make_learner(config: Config, device: torch.device, ranks: Ranks = ALONE, compiled: bool = False) -> Learner:
    """A learner before its first step, with parameters from torch's global generator."""
    training = config.training
    if compiled:  # a function is compiled for eight shapes at most in a process, and then runs as it is written
        torch.compiler.reset()
    model = build(config).to(device)
    averaged = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(training.ema)) if training.ema else None
    best, criterion = copy.deepcopy(model), build_loss(config.loss, config.model)
    if ranks.size > 1:
        criterion.batch_mean = ranks.batch_mean
    return Learner(config, model, criterion, _optimizer(model, training), averaged, best, ranks, compiled)


def _optimizer(model: nn.Module, training: Training) -> torch.optim.Optimizer:
    """The optimizer; only matrices decay."""
    matrices = [parameter for parameter in model.parameters() if parameter.ndim > 1]
    others = [parameter for parameter in model.parameters() if parameter.ndim <= 1]
    groups = [{"params": matrices, "weight_decay": training.weight_decay}, {"params": others, "weight_decay": 0.0}]
    if training.optimizer == "sgd":
        optimizer = torch.optim.SGD(groups, training.learning_rate, training.momentum, fused=True)
        if training.momentum:  # from 0, which is the same: else a first step that is skipped leaves it undefined
            optimizer.state.update({parameter: _at_rest(parameter) for parameter in model.parameters()})
        return optimizer
    return torch.optim.AdamW(groups, training.learning_rate, fused=True)


def _at_rest(parameter: nn.Parameter) -> dict[str, Tensor]:
    """The momentum of a parameter before the first step."""
    return {"momentum_buffer": torch.zeros_like(parameter, requires_grad=False)}
