"""One training step: rollout, loss, backward, clip, update; non-finite steps change nothing and are reported."""

import math

import torch
from jaxtyping import Float
from torch import Generator, Tensor, nn

from foveate.data.batches import Batch
from foveate.reward.loss import Losses
from foveate.speed.unrolled import supported, unrolled
from foveate.training.state import TrainState

EVERY = 100  # steps between two reads from a GPU, since each read waits for it


def train_step(state: TrainState, batch: Batch, generator: Generator) -> tuple[Losses, Tensor, Tensor]:
    """Update the parameters on a batch; return the losses, the gradient norm before clipping, and `skipped`.

    `skipped` is 1 if the loss or the norm is not finite, else 0. The optimizer changes nothing in a skipped step.
    """
    training, model = state.config.training, state.model
    losses = learn(state, batch, generator)
    if state.world.size > 1:
        losses = state.world.average(model, losses, len(batch.label))
    norm = nn.utils.get_total_norm([parameter.grad for parameter in model.parameters() if parameter.grad is not None])
    if training.max_grad_norm:
        nn.utils.clip_grads_with_norm_(model.parameters(), training.max_grad_norm, norm)
    # Fused optimizers change nothing if this is 1, so that the step need not wait for a GPU.
    skipped = nonfinite_flag(losses.total, norm)
    state.optimizer.found_inf = skipped  # pyright: ignore[reportAttributeAccessIssue]
    state.optimizer.step()
    if training.max_weight_norm:
        clip_weights(model, training.max_weight_norm)
    if state.averaged is not None:
        state.averaged.update_parameters(model)
    return losses, norm, skipped


def learn(state: TrainState, batch: Batch, generator: Generator) -> Losses:
    """Compute the losses of a batch and their gradients: by the loop, or by its fast form in a compiled run."""
    model, num_rollouts = state.model, state.config.training.num_rollouts
    dtype = torch.bfloat16 if state.precision == "bf16" else torch.float32
    if state.compiled and supported(model):
        return _learn_compiled(state, batch, generator, dtype)
    every_answer = state.criterion.answers == "every"
    with torch.autocast(batch.image.device.type, dtype, enabled=dtype != torch.float32):
        rollout = model(batch.image, num_rollouts=num_rollouts, every_answer=every_answer, generator=generator)
    losses = state.criterion(rollout, batch.label)
    state.optimizer.zero_grad()
    losses.total.backward()
    return losses


def _learn_compiled(state: TrainState, batch: Batch, generator: Generator, dtype: torch.dtype) -> Losses:
    """The same losses and gradients by the fast form, compiled."""
    training, model = state.config.training, state.model
    losses, gradients = unrolled(
        model,
        state.criterion,
        batch.image,
        batch.label,
        num_rollouts=training.num_rollouts,
        generator=generator,
        dtype=dtype,
        compiled=True,
        required=training.compile == "on",
    )
    for name, parameter in model.named_parameters():
        parameter.grad = gradients.get(name) if parameter.requires_grad else None
    return losses


@torch.no_grad()
def clip_weights(model: nn.Module, max_norm: float) -> None:
    """Scale the weights into each unit down to `max_norm` where they exceed it (Torch7's `maxParamNorm`)."""
    for parameter in model.parameters():
        if parameter.ndim > 1:
            parameter.copy_(parameter.renorm(2, 0, max_norm))


def nonfinite_flag(loss: Float[Tensor, ""], norm: Float[Tensor, ""]) -> Float[Tensor, ""]:
    """1 where the loss or the gradient norm is not finite, else 0; computed on the device, without a wait.

    Example:
        >>> one, infinite = torch.tensor(1.0), torch.tensor(float("inf"))
        >>> nonfinite_flag(one, one), nonfinite_flag(one, infinite), nonfinite_flag(-infinite, infinite)
        (tensor(0.), tensor(1.), tensor(1.))
    """
    return (loss.detach() * 0).add_(norm * 0).nan_to_num_(1.0)  # 0 * inf and 0 * nan are nan


class FiniteMonitor:
    """Loss and gradient norm of each step, read back every 100 steps on a GPU and after every step on a CPU."""

    def __init__(self, device: torch.device) -> None:
        self._recent = torch.zeros(1 if device.type == "cpu" else EVERY, 2, device=device)
        self._steps: list[int] = []

    def note(self, loss: Float[Tensor, ""], norm: Float[Tensor, ""], step: int) -> bool:
        """Record the loss and norm of a step; True when it is time to call `found`."""
        self._recent[len(self._steps)] = torch.stack([loss.detach(), norm])
        self._steps.append(step)
        return len(self._steps) == len(self._recent)

    def found(self) -> list[tuple[int, float, float]]:
        """Step, loss and norm of each step since the last call with a value that is not finite."""
        recent = zip(self._steps, self._recent[: len(self._steps)].tolist(), strict=True)
        self._steps = []
        return [(step, *values) for step, values in recent if not all(map(math.isfinite, values))]


def raise_nonfinite(step: int, loss: float, norm: float, *, skipping: bool) -> None:
    """Raise the error of a non-finite step; `skipping` says that all steps of the epoch were skipped."""
    hint = "a smaller `learning_rate`, or a `max_grad_norm` such as 1"
    if skipping:
        hint += ": every step of the epoch was skipped"
    else:
        hint = hint.replace(", or", ",") + ", or `skip_nonfinite`"
    raise ValueError(
        f"Loss and gradient should be finite. Found a loss of {loss:g} and a gradient norm of {norm:g} in step {step}. "
        f"The checkpoint before it is whole: `resume` with {hint}."
    )


def check_weights(model: torch.nn.Module, step: int) -> None:
    """Raise an error if a weight is not finite, as after an overflow with a finite loss and gradient."""
    if not all(bool(parameter.isfinite().all()) for parameter in model.parameters()):
        raise ValueError(
            f"Weights should be finite. Found some that are not after step {step}. The checkpoint before it is whole: "
            "`resume` with a smaller `learning_rate`."
        )
