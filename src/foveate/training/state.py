"""The training state: model, averaged copy, losses and optimizer, from a config; the precision of its products."""

import copy
from dataclasses import dataclass
from typing import Any, Literal, cast

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from foveate.config import Config, Training
from foveate.policy.units import ReinforceNormal, units
from foveate.reward.loss import HybridLoss
from foveate.speed.compile import check_cache, reset_compiler
from foveate.training.build import Attention, build, build_loss
from foveate.training.distributed import ALONE, World
from foveate.training.schedule import ramp_decay

Precision = Literal["fp32", "bf16"]


def has_bf16_units(device: torch.device) -> bool:
    """Whether products in bf16 run on units of their own: AVX-512 BF16 or AMX, or a GPU from Ampere on."""
    if device.type == "cuda":
        with torch.cuda.device(device):
            return torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()


def choose_precision(wanted: str, device: torch.device, world: World = ALONE) -> Precision:
    """The precision to train in; `auto` is bf16 where every process has units for it, else fp32.

    Example:
        >>> choose_precision("bf16", torch.device("cpu"))
        'bf16'
    """
    if wanted in ("fp32", "bf16"):
        return "bf16" if wanted == "bf16" else "fp32"
    some_lack_them = world.all_reduce_max(not has_bf16_units(device))
    return "fp32" if some_lack_them else "bf16"


def describe_precision(precision: Precision, device: torch.device) -> str:
    """The line that says what `auto` has chosen."""
    machine = "GPU" if device.type == "cuda" else "processor"
    units = has_bf16_units(device)
    if units == (precision == "bf16"):
        return f"Precision: {precision}, since this {machine} has {'' if units else 'no '}bf16 units."
    return f"Precision: {precision}, as on the machine where the run began."


MOMENTUM = 0.9  # of `sgd`


@dataclass(frozen=True)
class TrainState:
    """Everything that a training step needs; `config` is resolved, with image size and classes."""

    config: Config
    model: Attention
    criterion: HybridLoss
    optimizer: torch.optim.Optimizer
    averaged: AveragedModel | None
    best: Attention
    """Copy of the result in the best epoch, which has the least validation error or is the last."""
    world: World = ALONE
    """The processes that train together."""
    compiled: bool = False
    """Whether `torch.compile` compiles the steps, as it can for the rectified network."""
    precision: Precision = "fp32"
    """Number format of the matrix products."""

    @property
    def result(self) -> Attention:
        """The model to evaluate and keep: the averaged one if there is one."""
        return self.model if self.averaged is None else cast(Attention, self.averaged.module)

    def state_dict(self) -> dict[str, object]:
        """All values that training changes; the optimizer's settings come from the config."""
        parts = {"model": self.model, "averaged": self.averaged, "best": self.best}
        states = {name: part.state_dict() for name, part in parts.items() if part is not None}
        return {**states, "optimizer": self.optimizer.state_dict()["state"]}

    def load_state_dict(self, state: dict[str, dict[str, object]]) -> None:
        """Restore what `state_dict` returned."""
        self.model.load_state_dict(state["model"])
        self.best.load_state_dict(state["best"])
        settings = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict({"state": state["optimizer"], "param_groups": settings})
        if self.averaged is not None:
            self.averaged.load_state_dict(state["averaged"])

    def keep_best(self) -> None:
        """Copy the current result into `best`."""
        self.best.load_state_dict(self.result.state_dict())
        for unit in units(self.best):
            if isinstance(unit, ReinforceNormal) and not self.config.model.learn_std:
                unit.fixed_std.fill_(self.config.model.std)  # the trained model's own may still be annealed


def create_train_state(
    config: Config, device: torch.device, world: World = ALONE, compiled: bool = False
) -> TrainState:
    """Create the state before the first step, with parameters drawn from torch's global generator."""
    training = config.training
    check_cache()
    if compiled:
        reset_compiler()
    model = build(config).to(device)
    averaged = _average(model, training.ema_decay) if training.ema_decay else None
    precision = choose_precision(training.precision, device, world)
    best = copy.deepcopy(model)
    criterion = build_loss(config.loss, config.model)
    if world.size > 1:
        criterion.batch_mean = world.batch_mean
    return TrainState(config, model, criterion, _optimizer(model, training), averaged, best, world, compiled, precision)


def _average(model: nn.Module, decay: float) -> AveragedModel:
    """Copy of a model for `update_parameters` to make the moving average of its weights; see `ramp_decay`."""
    averaged = AveragedModel(model)

    def update(average: Any, current: Any, _: object) -> None:
        step = int(averaged.n_averaged)  # stays on the CPU, so that reading it does not wait for a GPU
        get_ema_multi_avg_fn(ramp_decay(step, decay))(average, current, step)

    averaged.multi_avg_fn = update
    return averaged


def _optimizer(model: nn.Module, training: Training) -> torch.optim.Optimizer:
    """Create the optimizer; weight decay applies to matrices only."""
    matrices = [parameter for parameter in model.parameters() if parameter.ndim > 1]
    others = [parameter for parameter in model.parameters() if parameter.ndim <= 1]
    groups = [{"params": matrices, "weight_decay": training.weight_decay}, {"params": others, "weight_decay": 0.0}]
    if training.optimizer == "sgd":
        optimizer = torch.optim.SGD(groups, training.learning_rate, MOMENTUM, training.dampening, fused=True)
        # Moments start at 0, since a skipped first step leaves them undefined.
        optimizer.state.update({parameter: _at_rest(parameter) for parameter in model.parameters()})
        return optimizer
    return torch.optim.AdamW(groups, training.learning_rate, fused=True)


def _at_rest(parameter: nn.Parameter) -> dict[str, Tensor]:
    """Optimizer state of a parameter before the first step: zero momentum."""
    return {"momentum_buffer": torch.zeros_like(parameter, requires_grad=False)}
