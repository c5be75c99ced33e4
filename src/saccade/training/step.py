"""One step of training: roll out, criterion, backward, clip, update."""

import math

import torch
from torch import Generator, Tensor, nn

from saccade.data.batches import Batch
from saccade.recurrent.fused import fused
from saccade.recurrent.rollout import Rollout
from saccade.recurrent.unrolled import supported, unrolled
from saccade.reward.criterion import Losses
from saccade.training.finite import broken
from saccade.training.learner import Learner


def train_step(learner: Learner, batch: Batch, generator: Generator) -> tuple[Losses, Tensor, Tensor]:
    """One optimizer update on a batch: its losses, the norm of the gradient before it was cut, and `skipped`.

    That is 1 where the loss or the norm is not finite: then the optimizer changes nothing. Otherwise it is 0.
    """
    training, model = learner.config.training, learner.model
    rollout = roll_out(learner, batch.image, generator)
    criterion = fused(learner.criterion, batch.image.device.type) if learner.compiled else learner.criterion
    losses = criterion(rollout, batch.label)
    learner.optimizer.zero_grad()
    losses.total.backward()
    losses = learner.ranks.average(model, losses, len(batch.label))
    norm = nn.utils.clip_grad_norm_(model.parameters(), training.gradient_cut or math.inf)
    # Fused optimizers leave everything as it is where this is 1, so that a GPU need not be asked.
    skipped = broken(losses.total, norm)
    learner.optimizer.found_inf = skipped  # pyright: ignore[reportAttributeAccessIssue]
    learner.optimizer.step()
    if training.max_norm:
        cut_weights(model, training.max_norm)
    if learner.averaged is not None:
        learner.averaged.update_parameters(model)
    return losses, norm, skipped


def roll_out(learner: Learner, image: Tensor, generator: Generator) -> Rollout:
    """Look at a batch: by the fast form where it knows the model, by the loop otherwise."""
    training, model = learner.config.training, learner.model
    dtype = torch.bfloat16 if training.precision == "bf16" else torch.float32
    if supported(model):
        return unrolled(
            model,
            image,
            num_rollouts=training.num_rollouts,
            generator=generator,
            dtype=dtype,
            compiled=learner.compiled,
        )
    with torch.autocast(image.device.type, dtype, enabled=dtype != torch.float32):
        return model(image, num_rollouts=training.num_rollouts, every_answer=False, generator=generator)


@torch.no_grad()
def cut_weights(model: nn.Module, max_norm: float) -> None:
    """Scale the weights into every unit down to the norm `max_norm`, where they exceed it (Torch7 `maxParamNorm`)."""
    for parameter in model.parameters():
        if parameter.ndim > 1:
            parameter.copy_(parameter.renorm(2, 0, max_norm))
