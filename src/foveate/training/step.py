"""One step of training: roll out, criterion, backward, clip, update."""

import torch
from torch import Generator, Tensor, nn

from foveate.data.batches import Batch
from foveate.reward.criterion import Losses
from foveate.training.finite import broken
from foveate.training.learner import Learner
from foveate.training.unrolled import supported, unrolled


def train_step(learner: Learner, batch: Batch, generator: Generator) -> tuple[Losses, Tensor, Tensor]:
    """One optimizer update on a batch: its losses, the norm of the gradient before it was cut, and `skipped`.

    That is 1 where the loss or the norm is not finite: then the optimizer changes nothing. Otherwise it is 0.
    """
    training, model = learner.config.training, learner.model
    losses = learn(learner, batch, generator)
    losses = learner.ranks.average(model, losses, len(batch.label))
    norm = nn.utils.get_total_norm([parameter.grad for parameter in model.parameters() if parameter.grad is not None])
    if training.gradient_cut:
        nn.utils.clip_grads_with_norm_(model.parameters(), training.gradient_cut, norm)
    # Fused optimizers leave everything as it is where this is 1, so that a GPU need not be asked.
    skipped = broken(losses.total, norm)
    learner.optimizer.found_inf = skipped  # pyright: ignore[reportAttributeAccessIssue]
    learner.optimizer.step()
    if training.max_norm:
        cut_weights(model, training.max_norm)
    if learner.averaged is not None:
        learner.averaged.update_parameters(model)
    return losses, norm, skipped


def learn(learner: Learner, batch: Batch, generator: Generator) -> Losses:
    """The losses of a batch, and their gradients: by the fast form where it knows the model, by the loop otherwise."""
    training, model = learner.config.training, learner.model
    dtype = torch.bfloat16 if training.precision == "bf16" else torch.float32
    if supported(model):
        losses, gradients = unrolled(
            model,
            learner.criterion,
            batch.image,
            batch.label,
            num_rollouts=training.num_rollouts,
            generator=generator,
            dtype=dtype,
            compiled=learner.compiled,
        )
        for name, parameter in model.named_parameters():
            parameter.grad = gradients.get(name) if parameter.requires_grad else None
        return losses
    with torch.autocast(batch.image.device.type, dtype, enabled=dtype != torch.float32):
        rollout = model(batch.image, num_rollouts=training.num_rollouts, every_answer=False, generator=generator)
    losses = learner.criterion(rollout, batch.label)
    learner.optimizer.zero_grad()
    losses.total.backward()
    return losses


@torch.no_grad()
def cut_weights(model: nn.Module, max_norm: float) -> None:
    """Scale the weights into every unit down to the norm `max_norm`, where they exceed it (Torch7 `maxParamNorm`)."""
    for parameter in model.parameters():
        if parameter.ndim > 1:
            parameter.copy_(parameter.renorm(2, 0, max_norm))
