"""Look first, learn after: the fast form of what a training step learns, for the network of the paper.

The loop of `RecurrentAttention` in training spends much of its time on bookkeeping: autograd records thirty small
operations a glimpse and runs them backwards one by one. But nothing that is learned depends on *how* a location was
found: the draw is detached. So here the scanpath is walked once without recording (`walk`); locator, baseline and
classifier are scored once for all steps together (`_Heads`), the criterion judges them, and its gradients of the
states are taken the whole walk back by hand (`retrace`).

All of it is one pure function of tensors, so that `torch.compile` can make one call of it and fuse what lies
between the matrix products. It computes what loop, criterion and `backward` compute; tests hold the two against each
other. It knows the rectified core with the glimpse network that `build` makes, and leaves anything else to the loop.
"""

from collections.abc import Callable
from dataclasses import fields
from typing import Any

import torch
from jaxtyping import Int64, Shaped
from torch import Generator, Tensor, nn
from torch.func import functional_call, grad
from torch.nn import functional as F

from foveate.glimpse.network import GlimpseNetwork
from foveate.glimpse.sensor import SpatialGlimpse
from foveate.policy.locator import Locator
from foveate.policy.units import ReinforceNormal
from foveate.recurrent.attention import RecurrentAttention
from foveate.recurrent.columns import CoreColumns, GlimpseColumns, poll
from foveate.recurrent.core import RectifiedCore
from foveate.recurrent.heads import NoBaseline, ScalarBaseline
from foveate.recurrent.rollout import Rollout
from foveate.reward.criterion import Losses
from foveate.training.fusion import fused
from foveate.training.walk import layers, retrace, walk

Criterion = Callable[[Rollout, Tensor], Losses]
NAMES = tuple(field.name for field in fields(Losses))


def supported(model: RecurrentAttention) -> bool:
    """Whether `unrolled` knows the model: its parts are the ones of the paper, in the widths that they may have."""
    parts: Any = model
    several = _is(parts.glimpse, GlimpseColumns) and _is(parts.core, CoreColumns)
    glimpses, cores = (part.columns if several else [part] for part in (parts.glimpse, parts.core))
    return (
        _is(parts.locator, Locator)
        and _is(parts.locator.unit, ReinforceNormal)
        and _is(getattr(parts.glimpse, "sensor", None), SpatialGlimpse)
        and len(glimpses) == len(cores)
        and all(map(_known, glimpses, cores))
    )


def _known(glimpse: Any, core: Any) -> bool:
    """Whether a column's parts are the ones of the paper."""
    return (
        _is(core, RectifiedCore)
        and _is(core.activation, nn.ReLU)
        and _is(glimpse, GlimpseNetwork)
        and _kinds(glimpse.what) == [nn.Flatten, nn.Linear, nn.ReLU]
        and _kinds(glimpse.where) == [nn.Linear, nn.ReLU]
        and _kinds(glimpse.join) == [nn.Linear, nn.ReLU, nn.Linear]
    )


def unrolled(
    model: RecurrentAttention,
    criterion: Criterion,
    image: Shaped[Tensor, "images channels height width"],
    label: Int64[Tensor, " images"],
    *,
    num_rollouts: int = 1,
    generator: Generator | None = None,
    dtype: torch.dtype = torch.float32,
    compiled: bool = False,
) -> tuple[Losses, dict[str, Tensor]]:
    """The losses of a rollout in training, with the products in `dtype`, and the gradients of the total by name.

    They are those of `criterion(model(image, num_rollouts=..., every_answer=False), label)`.
    """
    shape, glimpses = (len(image) * num_rollouts, 2), model.num_glimpses
    start = _start(model, len(image), num_rollouts, generator)
    drawn = glimpses if start is None else glimpses - 1
    noise = [torch.randn(shape, generator=generator, device=image.device) for _ in range(drawn)]
    noise = torch.stack(noise if start is None else [image.new_zeros(shape, dtype=torch.float32), *noise])
    scene = model.still(image, glimpses * num_rollouts).image
    learn = fused(_learn, image.device.type) if compiled else _learn
    with torch.no_grad():
        losses, gradients = learn(model, _Heads(model), criterion, scene, label, noise, dtype, start)
    # The two biases of h_t have one gradient. A copy made inside would be left out where it is compiled, and who cuts
    # gradients, in place, would cut this one twice.
    for *_, out, core in layers(model):
        gradients[f"{core}.bias"] = gradients[f"{out}.bias"].clone()
    return Losses(*losses), gradients


def _start(model: RecurrentAttention, images: int, num_rollouts: int, generator: Generator | None) -> Tensor | None:
    """Where the scanpaths start, or one place an image where all of its start there; None where that is learned."""
    if model.start == "learned":
        return None
    first = next(model.locators(None, model.num_glimpses))
    batch = images if model.start == "centre" else images * num_rollouts
    return first(next(model.parameters()).new_zeros(batch, 1), generator)[0]


def _learn(
    model: RecurrentAttention,
    heads: "_Heads",
    criterion: Criterion,
    scene: Any,
    label: Int64[Tensor, " images"],
    noise: Tensor,
    dtype: torch.dtype,
    start: Tensor | None,
) -> tuple[tuple[Tensor, ...], dict[str, Tensor]]:
    """The losses, and the gradients of all that learns."""
    walked = walk(model, scene, noise, dtype, start)

    def loss(parameters: dict[str, Tensor], last: Tensor, before: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
        logits, votes, log_probs, baselines = functional_call(heads, parameters, (before, last, walked.draws, dtype))
        if start is not None:
            log_probs = F.pad(log_probs[1:], (0, 0, 1, 0))  # the first place was not drawn
        losses = criterion(Rollout(logits, walked.locations, log_probs, baselines, walked.hiddens[1:], votes), label)
        return losses.total, tuple(getattr(losses, name) for name in NAMES)

    parameters = {name: value.detach() for name, value in heads.named_parameters()}
    sources = (0, 1, 2) if _into_core(model) else (0, 1)
    slopes, losses = grad(loss, sources, has_aux=True)(parameters, walked.hiddens[-1:], walked.hiddens[:-1])
    gradients, *of_states = slopes
    of_columns = zip(*(part.chunk(len(walked.columns), -1) for part in (walked.hiddens, *of_states)), strict=True)
    for column, hiddens in zip(walked.columns, of_columns, strict=True):
        gradients |= retrace(column, *hiddens)
    return losses, gradients


def _into_core(model: RecurrentAttention) -> bool:
    """Whether policy or baseline send gradients into the states."""
    baseline: Any = model.baseline
    silent = isinstance(baseline, (NoBaseline, ScalarBaseline))
    return bool(model.locator.policy_gradient_into_core) or getattr(baseline, "baseline_gradient_into_core", not silent)


class _Heads(nn.Module):
    """The parts that read the states, by the names that they have in the model."""

    def __init__(self, model: RecurrentAttention) -> None:
        super().__init__()
        self.locator, self.classifier, self.baseline = model.locator, model.classifier, model.baseline

    def forward(self, before: Tensor, last: Tensor, draws: Tensor, dtype: torch.dtype) -> tuple[Tensor | None, ...]:
        """Logits and votes of the last step, log-probabilities and baselines of all."""
        parts: Any = self
        with torch.autocast(last.device.type, dtype, enabled=dtype != torch.float32):
            mean = parts.locator.aim(before.flatten(0, 1))
            log_probs = parts.locator.unit.log_prob(mean, draws.flatten(0, 1))
            return *poll(parts.classifier, last), log_probs.view(draws.shape[:2]), parts.baseline(before)


def _is(part: Any, kind: type[nn.Module]) -> bool:
    """Whether a part is of just this class: a subclass may do something else."""
    return type(part) is kind


def _kinds(part: nn.Module) -> list[type[nn.Module]]:
    """The classes of a sequence's modules."""
    return [type(module) for module in part] if isinstance(part, nn.Sequential) else []
