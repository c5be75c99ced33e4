"""Losses and gradients of a training step without autograd through the loop: the fast form of compiled runs.

Uncompiled it is no faster than the loop; compiled it is, since `torch.compile` can fuse all of it. Gradients do not
depend on how a location was found, since the draw is detached. Therefore:

1. `forward_scanpath` runs the loop without recording.
2. Locator, baseline and classifier (`_Heads`) run once for all steps, and the criterion gives the losses and their
   gradients to the hidden states.
3. `backward_scanpath` takes these gradients back through the loop by hand.

All of it is one pure function of tensors. Tests hold it equal to loop, criterion and `backward`. It supports the
rectified core with the glimpse network that `build` makes; other models use the loop.
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
from foveate.recurrent.baselines import NoBaseline, ScalarBaseline
from foveate.recurrent.core import RectifiedCore
from foveate.recurrent.ensemble import classify, members_of
from foveate.recurrent.rollout import Rollout
from foveate.reward.loss import Losses
from foveate.speed.compile import compile_function
from foveate.speed.scanpath import backward_scanpath, forward_scanpath, layer_names

Criterion = Callable[[Rollout, Tensor], Losses]
NAMES = tuple(field.name for field in fields(Losses))


def supported(model: RecurrentAttention) -> bool:
    """Whether the model has the parts of the paper's network, in any width."""
    parts: Any = model
    glimpses = members_of(parts.glimpse)
    cores = members_of(parts.core)
    return (
        _is(parts.locator, Locator)
        and _is(parts.locator.unit, ReinforceNormal)
        and _is(getattr(parts.glimpse, "sensor", None), SpatialGlimpse)
        and len(glimpses) == len(cores)
        and (glimpses == [parts.glimpse]) == (cores == [parts.core])
        and all(map(_is_supported_member, glimpses, cores))
    )


def _is_supported_member(glimpse: Any, core: Any) -> bool:
    """Whether an ensemble member has the parts of the paper's network."""
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
    required: bool = True,
) -> tuple[Losses, dict[str, Tensor]]:
    """Losses of a rollout in training mode, and the gradients of the total by parameter name.

    They equal the losses and gradients of `criterion(model(image, num_rollouts=...), label)`, with matrix products in
    `dtype`. All answers are computed if `criterion.answers` is "every", else the last one.
    """
    num_glimpses = model.num_glimpses
    shape = (len(image) * num_rollouts, 2)
    start = _start(model, len(image), num_rollouts, generator)
    num_draws = num_glimpses if start is None else num_glimpses - 1
    draws = [torch.randn(shape, generator=generator, device=image.device) for _ in range(num_draws)]
    if start is not None:
        draws.insert(0, image.new_zeros(shape, dtype=torch.float32))
    noise = torch.stack(draws)
    scene = model.static_scene(image).image
    learn = compile_function(_learn, image.device.type, required) if compiled else _learn
    with torch.no_grad():
        losses, gradients = learn(model, _Heads(model), criterion, scene, label, noise, dtype, start)
    # The two biases of h_t have the same gradient. Each needs a tensor of its own, since clipping works in place; a
    # compiled function would return one tensor for both, so the copy is made here.
    for *_, out, core in layer_names(model):
        gradients[f"{core}.bias"] = gradients[f"{out}.bias"].clone()
    return Losses(*losses), gradients


def _start(model: RecurrentAttention, images: int, num_rollouts: int, generator: Generator | None) -> Tensor | None:
    """First location of each scanpath, or of each image if all of its scanpaths share it; None if it is learned."""
    if model.start == "learned":
        return None
    first = model.locators(None, model.num_glimpses)[0]
    batch = images if model.start == "center" else images * num_rollouts
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
    """Losses in the order of `NAMES`, and the gradients of all parameters."""
    scanpaths = forward_scanpath(model, scene, noise, dtype, start)

    hiddens = scanpaths.hiddens
    every_answer = getattr(criterion, "answers", "last") == "every"
    answering = hiddens[1:] if every_answer else hiddens[-1:]

    def loss(parameters: dict[str, Tensor], answering: Tensor, before: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
        logits, member_logits, log_probs, baselines = functional_call(
            heads, parameters, (before, answering, scanpaths.draws, dtype)
        )
        if start is not None:
            log_probs = F.pad(log_probs[1:], (0, 0, 1, 0))  # the first location was not drawn
        rollout = Rollout(logits, scanpaths.locations, log_probs, baselines, scanpaths.hiddens[1:], member_logits)
        losses = criterion(rollout, label)
        return losses.total, tuple(getattr(losses, name) for name in NAMES)

    parameters = {name: value.detach() for name, value in heads.named_parameters()}
    arguments = (0, 1, 2) if _reaches_core(model) else (0, 1)
    found, losses = grad(loss, arguments, has_aux=True)(parameters, answering, hiddens[:-1])
    gradients, grad_answering, *grad_states = found
    if every_answer:  # the answers after h_1 .. h_{T-1} add to what the locator and the baseline give these states
        early = F.pad(grad_answering[:-1], (0, 0, 0, 0, 1, 0))
        grad_states = [early + grad_states[0] if grad_states else early]
    parts = (hiddens, grad_answering[-1:], *grad_states)
    by_member = zip(*(part.chunk(len(scanpaths.members), -1) for part in parts), strict=True)
    for member, states in zip(scanpaths.members, by_member, strict=True):
        gradients |= backward_scanpath(member, *states)
    return losses, gradients


def _reaches_core(model: RecurrentAttention) -> bool:
    """Whether the policy or the baseline has gradients to the hidden states before the last."""
    baseline: Any = model.baseline
    ignores_states = isinstance(baseline, (NoBaseline, ScalarBaseline))
    if model.locator.policy_gradient_into_core:
        return True
    return getattr(baseline, "baseline_gradient_into_core", not ignores_states)


class _Heads(nn.Module):
    """Locator, classifier and baseline, with the parameter names that they have in the model."""

    def __init__(self, model: RecurrentAttention) -> None:
        super().__init__()
        self.locator = model.locator
        self.classifier = model.classifier
        self.baseline = model.baseline

    def forward(
        self, before: Tensor, answering: Tensor, draws: Tensor, dtype: torch.dtype
    ) -> tuple[Tensor | None, ...]:
        """Logits and member logits of the states that answer, log-probabilities and baselines of all steps."""
        parts: Any = self
        with torch.autocast(answering.device.type, dtype, enabled=dtype != torch.float32):
            mean = parts.locator.aim(before.flatten(0, 1))
            log_probs = parts.locator.unit.log_prob(mean, draws.flatten(0, 1))
            return *classify(parts.classifier, answering), log_probs.view(draws.shape[:2]), parts.baseline(before)


def _is(part: Any, kind: type[nn.Module]) -> bool:
    """Whether a part is of exactly this class, since a subclass may compute something else."""
    return type(part) is kind


def _kinds(part: nn.Module) -> list[type[nn.Module]]:
    """Classes of the modules in a sequence."""
    return [type(module) for module in part] if isinstance(part, nn.Sequential) else []
