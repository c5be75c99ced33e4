"""Look first, learn after: the fast form of a training rollout for the network of the paper.

The loop of `RecurrentAttention` in training spends much of its time on bookkeeping: autograd records thirty small
operations a glimpse and runs them backwards one by one. But nothing that is learned depends on *how* a location was
found: the draw is detached. So here the scanpath is walked once without recording, every layer's output written to its
place; then one autograd function, `_Unrolled`, stands for the whole walk and gives the gradients of all its parameters,
and locator, baseline and classifier are scored once for all steps together.

It computes what the loop computes; tests hold the two against each other. It knows the rectified core with the glimpse
network that `build` makes, and leaves anything else to the loop.
"""

from functools import partial
from typing import Any

import torch
from jaxtyping import Shaped
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from saccade.glimpse.network import GlimpseNetwork
from saccade.glimpse.sensor import SpatialGlimpse
from saccade.policy.locator import Locator
from saccade.recurrent.attention import RecurrentAttention, Scene
from saccade.recurrent.core import RectifiedCore
from saccade.recurrent.rollout import Rollout


def supported(model: RecurrentAttention) -> bool:
    """Whether `unrolled` knows the model: its parts are the ones of the paper, in the widths that they may have."""
    glimpse: Any = model.glimpse
    return (
        model.start == "learned"
        and _is(model.core, RectifiedCore)
        and _is(model.core.activation, nn.ReLU)
        and _is(model.locator, Locator)
        and _is(glimpse, GlimpseNetwork)
        and _is(glimpse.sensor, SpatialGlimpse)
        and _kinds(glimpse.what) == [nn.Flatten, nn.Linear, nn.ReLU]
        and _kinds(glimpse.where) == [nn.Linear, nn.ReLU]
        and _kinds(glimpse.join) == [nn.Linear, nn.ReLU, nn.Linear]
    )


def unrolled(
    model: RecurrentAttention,
    image: Shaped[Tensor, "images channels height width"],
    *,
    num_rollouts: int = 1,
    generator: Generator | None = None,
    dtype: torch.dtype = torch.float32,
) -> Rollout:
    """What `model(image, num_rollouts=..., every_answer=False)` gives, with the products in `dtype`."""
    locator: Any = model.locator
    walk = _Walk(model, len(image) * num_rollouts, dtype)
    scene = model.still(image, model.num_glimpses * num_rollouts)
    product = partial(torch.autocast, image.device.type, dtype, enabled=dtype != torch.float32)
    with torch.no_grad(), product():
        for step in range(model.num_glimpses):
            walk.step(step, scene, generator)
    hiddens = _Unrolled.apply(walk, *(parameter for layer in walk.layers for parameter in (layer.weight, layer.bias)))
    with product():
        before = F.pad(hiddens[:-1], (0, 0, 0, 0, 1, 0))
        mean = locator.aim(before.flatten(0, 1))
        log_probs = locator.unit.log_prob(mean, walk.draws.flatten(0, 1))
        return Rollout(
            logits=model.classifier(hiddens[-1:]),
            locations=walk.locations,
            log_probs=log_probs.view(walk.locations.shape[:2]),
            baselines=model.baseline(before),
            hiddens=hiddens,
        )


class _Walk:
    """What every layer takes in and gives out at every step.

    A layer's input is one tensor of what lies side by side, a column of ones for the bias, and zeros up to a round
    number of columns: so a layer is one product forwards, and its weights and its bias are one product backwards.
    """

    def __init__(self, model: RecurrentAttention, batch: int, dtype: torch.dtype) -> None:
        what, where, join, out, recurrent = self.layers = _layers(model)
        with torch.no_grad():
            core_bias = out.bias + recurrent.bias
            self.weights = [
                _affine(dtype, what.bias, what.weight),
                _affine(dtype, where.bias, where.weight),
                _affine(dtype, join.bias, join.weight),
                _affine(dtype, core_bias, out.weight, recurrent.weight),
            ]
        parts: Any = model
        self.locator, self.sensor = parts.locator, parts.glimpse.sensor
        self.split = (what.out_features, out.in_features)
        time, like = model.num_glimpses, self.weights[0]

        def room(weight: Tensor, width: int) -> Tensor:
            inputs = like.new_empty(time, batch, weight.shape[1])
            inputs[..., width:] = 0
            inputs[..., width] = 1
            return inputs

        widths = [what.in_features, where.in_features, join.in_features, out.in_features + recurrent.in_features]
        self.inputs = [room(weight, width) for weight, width in zip(self.weights, widths, strict=True)]
        self.widths, self.hidden = widths, like.new_empty(time, batch, recurrent.out_features)
        self.locations, self.draws = (torch.empty(time, batch, 2, device=like.device) for _ in range(2))
        self.inputs[3][0, :, self.split[1] : widths[3]] = 0  # h_0

    def step(self, step: int, scene: Scene, generator: Generator | None) -> None:
        """One turn of the loop."""
        locator, sensor, (split_seen, split_core) = self.locator, self.sensor, self.split
        patch, place, seen, state = (inputs[step] for inputs in self.inputs)
        before = state[:, split_core : self.widths[3]]
        draw = locator.unit(locator.mean(before).float(), generator)
        location = locator.place(draw)
        self.draws[step], self.locations[step], place[:, :2] = draw, location, location
        patch[:, : self.widths[0]] = sensor(scene(before), location).flatten(1)
        _rectify(patch @ self.weights[0].t(), seen[:, :split_seen])
        _rectify(place @ self.weights[1].t(), seen[:, split_seen : self.widths[2]])
        _rectify(seen @ self.weights[2].t(), state[:, :split_core])
        hidden = _rectify(state @ self.weights[3].t(), self.hidden[step])
        if step + 1 < len(self.hidden):
            self.inputs[3][step + 1, :, split_core : self.widths[3]] = hidden

    def gradients(self, sums: list[Tensor]) -> list[Tensor]:
        """The gradients of the layers' weights and biases, in order, from those of the joined matrices."""
        what, where, join, core = (
            (total[:, :width], total[:, width]) for total, width in zip(sums, self.widths, strict=True)
        )
        out, recurrent = core[0].split([self.split[1], self.widths[3] - self.split[1]], dim=1)
        return [*what, *where, *join, out, core[1], recurrent, core[1].clone()]


class _Unrolled(torch.autograd.Function):
    """h_1 .. h_T as a function of the parameters: the values are those of the walk, the gradient runs it backwards."""

    @staticmethod
    def forward(ctx: Any, walk: _Walk, *parameters: Tensor) -> Tensor:
        ctx.walk = walk
        return walk.hidden.detach()  # not the very tensor: it would hold the walk, which holds it

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        walk, (gradient,) = ctx.walk, gradients
        weights, (split_seen, split_core) = walk.weights, walk.split
        sums = [torch.zeros_like(weight, dtype=torch.float32) for weight in weights]
        into_hidden = gradient[-1]
        for step in reversed(range(len(walk.hidden))):
            patch, place, seen, state = (inputs[step] for inputs in walk.inputs)
            hidden = _through(into_hidden, walk.hidden[step])
            into_state = hidden @ weights[3][:, : walk.widths[3]]
            join = _through(into_state[:, :split_core], state[:, :split_core])
            into_seen = join @ weights[2][:, : walk.widths[2]]
            into_seen = _through(into_seen, seen[:, : walk.widths[2]])
            what, where = into_seen[:, :split_seen], into_seen[:, split_seen:]
            for total, outer, inner in zip(sums, (what, where, join, hidden), (patch, place, seen, state), strict=True):
                total.add_(outer.t() @ inner)
            if step:
                into_hidden = gradient[step - 1] + into_state[:, split_core:]
        return (None, *walk.gradients(sums))


def _layers(model: RecurrentAttention) -> list[nn.Linear]:
    """The layers in the order in which a glimpse passes through them."""
    glimpse: Any = model.glimpse
    return [glimpse.what[1], glimpse.where[0], glimpse.join[0], glimpse.join[2], model.core.recurrent]


def _affine(dtype: torch.dtype, bias: Tensor, *weights: Tensor) -> Tensor:
    """Weights side by side, the bias as one more column, and zeros up to a multiple of 32 columns."""
    matrix = torch.cat([*weights, bias.unsqueeze(1)], dim=1)
    return F.pad(matrix, (0, -matrix.shape[1] % 32)).to(dtype)


def _whole(value: Tensor) -> Tensor:
    """The bits as whole numbers, on which comparing with 0 is fast and means the same, but for -0."""
    return value.view(torch.int16 if value.element_size() == 2 else torch.int32)


def _rectify(value: Tensor, place: Tensor) -> Tensor:
    """max(value, 0), written to its place."""
    torch.clamp_min(_whole(value), 0, out=_whole(place))
    return place


def _through(gradient: Tensor, output: Tensor) -> Tensor:
    """The gradient before a ReLU, given its output: itself where the output is above 0, else 0."""
    passed = torch.ops.aten.threshold_backward(_whole(gradient), _whole(output), 0)
    return passed.view(gradient.dtype)


def _is(part: Any, kind: type[nn.Module]) -> bool:
    """Whether a part is of just this class: a subclass may do something else."""
    return type(part) is kind


def _kinds(part: nn.Module) -> list[type[nn.Module]]:
    """The classes of a sequence's modules."""
    return [type(module) for module in part] if isinstance(part, nn.Sequential) else []
