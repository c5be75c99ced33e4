"""Look first, learn after: the fast form of what a training step learns, for the network of the paper.

The loop of `RecurrentAttention` in training spends much of its time on bookkeeping: autograd records thirty small
operations a glimpse and runs them backwards one by one. But nothing that is learned depends on *how* a location was
found: the draw is detached. So here the scanpath is walked once without recording (`_walk`); locator, baseline and
classifier are scored once for all steps together (`_Heads`), the criterion judges them, and its gradients of the
states are taken the whole walk back by hand (`_retrace`).

All of it is one pure function of tensors, so that `torch.compile` can make one call of it and fuse what lies
between the matrix products. It computes what loop, criterion and `backward` compute; tests hold the two against each
other. It knows the rectified core with the glimpse network that `build` makes, and leaves anything else to the loop.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

import torch
from jaxtyping import Int64, Shaped
from torch import Generator, Tensor, nn
from torch.func import functional_call, grad

from saccade.glimpse.network import GlimpseNetwork
from saccade.glimpse.sensor import SpatialGlimpse
from saccade.policy.locator import Locator
from saccade.policy.units import ReinforceNormal
from saccade.recurrent.attention import RecurrentAttention
from saccade.recurrent.core import RectifiedCore
from saccade.recurrent.heads import NoBaseline, ScalarBaseline
from saccade.recurrent.rollout import Rollout
from saccade.reward.criterion import Losses
from saccade.training.fusion import fused
from saccade.training.padded import affine, beside, rectify, through

Criterion = Callable[[Rollout, Tensor], Losses]
Tensors = list[Tensor]
NAMES = tuple(field.name for field in fields(Losses))
LAYERS = ("glimpse.what.1", "glimpse.where.0", "glimpse.join.0", "glimpse.join.2", "core.recurrent")
"""In the order in which a glimpse passes through them."""


def supported(model: RecurrentAttention) -> bool:
    """Whether `unrolled` knows the model: its parts are the ones of the paper, in the widths that they may have."""
    glimpse, locator = (getattr(model, name) for name in ("glimpse", "locator"))
    return (
        model.start == "learned"
        and _is(model.core, RectifiedCore)
        and _is(model.core.activation, nn.ReLU)
        and _is(locator, Locator)
        and _is(locator.unit, ReinforceNormal)
        and _is(glimpse, GlimpseNetwork)
        and _is(glimpse.sensor, SpatialGlimpse)
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
    noise = torch.stack([torch.randn(shape, generator=generator, device=image.device) for _ in range(glimpses)])
    scene = model.still(image, glimpses * num_rollouts).image
    learn = fused(_learn, image.device.type) if compiled else _learn
    with torch.no_grad():
        losses, gradients = learn(model, _Heads(model), criterion, scene, label, noise, dtype)
    # The two biases of h_t have one gradient. A copy made inside would be left out where it is compiled, and who cuts
    # gradients, in place, would cut this one twice.
    gradients["core.recurrent.bias"] = gradients["glimpse.join.2.bias"].clone()
    return Losses(*losses), gradients


def _learn(
    model: RecurrentAttention,
    heads: "_Heads",
    criterion: Criterion,
    scene: Any,
    label: Int64[Tensor, " images"],
    noise: Tensor,
    dtype: torch.dtype,
) -> tuple[tuple[Tensor, ...], dict[str, Tensor]]:
    """The losses, and the gradients of all that learns."""
    walk = _walk(model, scene, noise, dtype)

    def loss(parameters: dict[str, Tensor], last: Tensor, before: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
        logits, log_probs, baselines = functional_call(heads, parameters, (before, last, walk.draws, dtype))
        losses = criterion(Rollout(logits, walk.locations, log_probs, baselines, walk.hiddens[1:]), label)
        return losses.total, tuple(getattr(losses, name) for name in NAMES)

    parameters = {name: value.detach() for name, value in heads.named_parameters()}
    sources = (0, 1, 2) if _into_core(model) else (0, 1)
    slopes, losses = grad(loss, sources, has_aux=True)(parameters, walk.hiddens[-1:], walk.hiddens[:-1])
    of_heads, of_last, *of_before = slopes
    return losses, of_heads | _retrace(model, of_before[0] if of_before else None, of_last, walk)


def _into_core(model: RecurrentAttention) -> bool:
    """Whether policy or baseline send gradients into the states."""
    baseline: Any = model.baseline
    silent = isinstance(baseline, (NoBaseline, ScalarBaseline))
    return bool(model.locator.policy_gradient_into_core) or getattr(baseline, "baseline_gradient_into_core", not silent)


@dataclass(frozen=True)
class _Walk:
    """What every layer took in at every step, and what came of it.

    A layer's input is what lies side by side, a column of ones for the bias, and zeros up to a round number of columns:
    so a layer is one product forwards, and its weights and its bias are one product backwards.
    """

    weights: Tensors
    """What, where, join, core, and the core of the first step: weights and bias as one matrix each."""
    inputs: list[Tensors]
    """Of each step: patch, place, seen, and state, which is joined and h_{t-1}; h_0 is 0, and left out."""
    hiddens: Tensor
    """h_0 .. h_T."""
    locations: Tensor
    draws: Tensor


def _walk(model: RecurrentAttention, scene: Any, noise: Tensor, dtype: torch.dtype) -> _Walk:
    """The loop, with its layers as bare products."""
    parts: Any = model
    locator, sensor = parts.locator, parts.glimpse.sensor
    what, where, join, out, recurrent = _layers(model)
    bias = out.bias + recurrent.bias
    core, first = affine(dtype, bias, out.weight, recurrent.weight), affine(dtype, bias, out.weight)
    weights = [*(affine(dtype, layer.bias, layer.weight) for layer in (what, where, join)), core, first]
    hidden = core.new_zeros(noise.shape[1], recurrent.out_features)
    hiddens, inputs, locations, draws = [hidden], [], [], []
    for step in range(len(noise)):
        with torch.autocast(noise.device.type, dtype, enabled=dtype != torch.float32):
            mean = locator.aim(hidden)
        draw = locator.unit.shift(mean, noise[step])
        location = locator.place(draw)
        patch = beside(sensor(scene, location).flatten(1).to(dtype))
        place = beside(location.to(dtype))
        seen = beside(rectify(patch @ weights[0].t()), rectify(place @ weights[1].t()))
        joined = rectify(seen @ weights[2].t())
        state = beside(joined, hidden) if step else beside(joined)
        hidden = rectify(state @ (core if step else first).t())
        hiddens.append(hidden)
        inputs.append([patch, place, seen, state])
        locations.append(location)
        draws.append(draw)
    return _Walk(weights, inputs, torch.stack(hiddens), torch.stack(locations), torch.stack(draws))


def _retrace(model: RecurrentAttention, of_before: Tensor | None, of_last: Tensor, walk: _Walk) -> dict[str, Tensor]:
    """The gradients of the layers, from those of h_0 .. h_{T-1}, if there are any, and h_T: backwards.

    The core's own bias is left out: its gradient is that of the layer before, whose output it is added to.
    """
    num_patch, num_place, num_seen, num_joined, num_hidden = (layer.in_features for layer in _layers(model))
    num_what, num_state = _layers(model)[0].out_features, num_joined + num_hidden
    into_join = walk.weights[2][:, :num_seen]
    sums = [torch.zeros_like(weight, dtype=torch.float32) for weight in walk.weights]
    of_hidden = of_last[0]
    for step in reversed(range(len(walk.inputs))):
        *inputs, seen, state = walk.inputs[step]
        last = 3 if step else 4  # of the layers
        of_hidden = through(of_hidden, walk.hiddens[step + 1])
        of_state = of_hidden @ walk.weights[last][:, : num_state if step else num_joined]
        of_joined = through(of_state[:, :num_joined], state[:, :num_joined])
        of_seen = through(of_joined @ into_join, seen[:, :num_seen])
        outers = (of_seen[:, :num_what], of_seen[:, num_what:], of_joined, of_hidden)
        for layer, outer, inner in zip((0, 1, 2, last), outers, (*inputs, seen, state), strict=True):
            product = outer.t() @ inner
            sums[layer] = sums[layer] + product.float()  # in so many words, for the compiler of PyTorch 2.8
        if step:
            of_hidden = of_state[:, num_joined:]
            of_hidden = of_hidden if of_before is None else of_before[step] + of_hidden
    what, where, join, core, first = sums
    out, bias = core[:, :num_joined] + first[:, :num_joined], core[:, num_state] + first[:, num_joined]
    plain = [(what, num_patch), (where, num_place), (join, num_seen)]
    parts = [part for total, width in plain for part in (total[:, :width], total[:, width])]
    parts += [out, bias, core[:, num_joined:num_state]]
    names = [f"{layer}.{kind}" for layer in LAYERS for kind in ("weight", "bias")][:-1]
    return {name: part.clone(memory_format=torch.contiguous_format) for name, part in zip(names, parts, strict=True)}


class _Heads(nn.Module):
    """The parts that read the states, by the names that they have in the model."""

    def __init__(self, model: RecurrentAttention) -> None:
        super().__init__()
        self.locator, self.classifier, self.baseline = model.locator, model.classifier, model.baseline

    def forward(self, before: Tensor, last: Tensor, draws: Tensor, dtype: torch.dtype) -> tuple[Tensor, ...]:
        """Logits of the last step, log-probabilities and baselines of all."""
        parts: Any = self
        with torch.autocast(last.device.type, dtype, enabled=dtype != torch.float32):
            mean = parts.locator.aim(before.flatten(0, 1))
            log_probs = parts.locator.unit.log_prob(mean, draws.flatten(0, 1))
            return parts.classifier(last), log_probs.view(draws.shape[:2]), parts.baseline(before)


def _layers(model: RecurrentAttention) -> list[Any]:
    """The layers of the walk."""
    return [model.get_submodule(name) for name in LAYERS]


def _is(part: Any, kind: type[nn.Module]) -> bool:
    """Whether a part is of just this class: a subclass may do something else."""
    return type(part) is kind


def _kinds(part: nn.Module) -> list[type[nn.Module]]:
    """The classes of a sequence's modules."""
    return [type(module) for module in part] if isinstance(part, nn.Sequential) else []
