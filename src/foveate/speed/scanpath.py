"""Scanpaths of a training step without autograd: the forward pass, and the gradients of its layers by hand.

`foveate.speed.unrolled` joins both with the losses.
"""

from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from foveate.recurrent.attention import RecurrentAttention
from foveate.recurrent.ensemble import members_of

LAYERS = ("glimpse.{}what.1", "glimpse.{}where.0", "glimpse.{}join.0", "glimpse.{}join.2", "core.{}recurrent")
"""Names of a member's layers in the order of the forward pass; `{}` is the prefix of the member in an ensemble."""


class MemberPass:
    """Forward pass of one ensemble member: its weights, and the inputs of every layer at every step.

    Inputs are concatenated with a column of ones and padded (`concat_with_bias`), so that a layer with its bias is one
    matrix product in the forward pass and one in the backward pass.
    """

    def __init__(self, model: RecurrentAttention, names: list[str], batch: int, dtype: torch.dtype) -> None:
        self.names = names
        self.layers = [cast(nn.Linear, model.get_submodule(name)) for name in names]
        what, where, join, out, recurrent = self.layers
        bias = out.bias + recurrent.bias
        core = augmented_weight(dtype, bias, out.weight, recurrent.weight)
        first = augmented_weight(dtype, bias, out.weight)  # the core in the first step, where h_0 = 0
        self.weights = [augmented_weight(dtype, layer.bias, layer.weight) for layer in (what, where, join)]
        self.weights += [core, first]
        self.inputs: list[list[Tensor]] = []
        """Of each step: patch, location, seen (what and where), and state (joined and h_{t-1})."""
        self.hidden = core.new_zeros(batch, recurrent.out_features)
        """h_t."""

    def step(self, patch: Tensor, location: Tensor) -> None:
        """Take one glimpse: of every scanpath, or a first one that is the same for all scanpaths of an image."""
        what, where, join, core, first = self.weights
        seen = concat_with_bias((patch @ what.t()).relu(), (location @ where.t()).relu())
        joined = (seen @ join.t()).relu()
        state = concat_with_bias(joined, self.hidden) if self.inputs else concat_with_bias(joined)
        hidden = (state @ (core if self.inputs else first).t()).relu()
        self.hidden = _repeat(hidden, len(self.hidden))
        self.inputs.append([patch, location, seen, state])


@dataclass(frozen=True)
class Scanpaths:
    """The scanpaths of a batch, and what the backward pass needs."""

    members: list[MemberPass]
    hiddens: Tensor
    """h_0 .. h_T, the members' states concatenated."""
    locations: Tensor
    draws: Tensor
    """Raw draws of the locator; of no meaning in the first step where the start was given."""


def forward_scanpath(
    model: RecurrentAttention, image: Any, noise: Tensor, dtype: torch.dtype, start: Tensor | None = None
) -> Scanpaths:
    """The loop of `RecurrentAttention` with its layers as plain matrix products.

    `start` gives the first locations: one for each scanpath, or one for each image if its scanpaths share it. None
    leaves them to the locator.
    """
    parts: Any = model
    locator = parts.locator
    sensor = parts.glimpse.sensor
    members = [MemberPass(model, names, noise.shape[1], dtype) for names in layer_names(model)]
    hiddens = [_concat_hiddens(members)]
    locations = []
    draws = []
    for step in range(len(noise)):
        if start is not None and step == 0:
            location, draw = start, noise[step]  # the draw is not used
        else:
            with torch.autocast(noise.device.type, dtype, enabled=dtype != torch.float32):
                mean = locator.aim(hiddens[-1])
            draw = locator.unit.shift(mean, noise[step])
            location = locator.place(draw)
        patch = concat_with_bias(sensor(image, location).flatten(1).to(dtype))
        place = concat_with_bias(location.to(dtype))
        for member in members:
            member.step(patch, place)
        hiddens.append(_concat_hiddens(members))
        locations.append(_repeat(location, len(draw)))
        draws.append(draw)
    return Scanpaths(members, torch.stack(hiddens), torch.stack(locations), torch.stack(draws))


def _repeat(value: Tensor, batch: int) -> Tensor:
    """A value for each image repeated for all of its scanpaths."""
    return value if len(value) == batch else value.repeat(batch // len(value), 1)


def _concat_hiddens(members: list[MemberPass]) -> Tensor:
    """h_t of all members."""
    return torch.cat([member.hidden for member in members], dim=1) if len(members) > 1 else members[0].hidden


def backward_scanpath(
    member: MemberPass, hiddens: Tensor, grad_last: Tensor, grad_before: Tensor | None = None
) -> dict[str, Tensor]:
    """Gradients of a member's parameters by name, by backpropagation through time.

    `grad_last` is the gradient of the loss to h_T, `grad_before` to h_0 .. h_{T-1} (None if there is none). The core's
    own bias is left out: it is added to the bias of the layer before, so that both have the same gradient.
    """
    num_patch, num_place, num_seen, num_joined, num_hidden = (layer.in_features for layer in member.layers)
    num_what = member.layers[0].out_features
    num_state = num_joined + num_hidden
    join_weight = member.weights[2][:, :num_seen]
    sums = [torch.zeros_like(weight, dtype=torch.float32) for weight in member.weights]
    grad_hidden = grad_last[0]
    for step in reversed(range(len(member.inputs))):
        *inputs, seen, state = member.inputs[step]
        last = 3 if step else 4  # index of the core's weight
        if len(state) < len(grad_hidden):  # one glimpse for all scanpaths of an image
            grad_hidden = grad_hidden.unflatten(0, (-1, len(state))).sum(0)
        grad_hidden = _relu_backward(grad_hidden, hiddens[step + 1][: len(state)])
        grad_state = grad_hidden @ member.weights[last][:, : num_state if step else num_joined]
        grad_joined = _relu_backward(grad_state[:, :num_joined], state[:, :num_joined])
        grad_seen = _relu_backward(grad_joined @ join_weight, seen[:, :num_seen])
        outers = (grad_seen[:, :num_what], grad_seen[:, num_what:], grad_joined, grad_hidden)
        for layer, outer, inner in zip((0, 1, 2, last), outers, (*inputs, seen, state), strict=True):
            product = outer.t() @ inner
            sums[layer] = sums[layer] + product.float()  # not `+=`: the compiler of PyTorch 2.8 fails on it
        if step:
            grad_hidden = grad_state[:, num_joined:]
            grad_hidden = grad_hidden if grad_before is None else grad_before[step] + grad_hidden
    what, where, join, core, first = sums
    out = core[:, :num_joined] + first[:, :num_joined]
    bias = core[:, num_state] + first[:, num_joined]
    parts = [what[:, :num_patch], what[:, num_patch]]
    parts += [where[:, :num_place], where[:, num_place]]
    parts += [join[:, :num_seen], join[:, num_seen]]
    parts += [out, bias, core[:, num_joined:num_state]]
    names = [f"{layer}.{kind}" for layer in member.names for kind in ("weight", "bias")][:-1]
    return {name: part.clone(memory_format=torch.contiguous_format) for name, part in zip(names, parts, strict=True)}


def layer_names(model: RecurrentAttention) -> list[list[str]]:
    """Names of each member's layers, in the order of `LAYERS`."""
    members = members_of(model.core)
    prefixes = [""] if members == [model.core] else [f"members.{i}." for i in range(len(members))]
    names = []
    for prefix in prefixes:
        names.append([name.format(prefix) for name in LAYERS])
    return names


def _relu_backward(gradient: Tensor, output: Tensor) -> Tensor:
    """Gradient to the input of a ReLU: the gradient where `output` is above 0, else 0."""
    return torch.where(output > 0, gradient, 0)


def augmented_weight(dtype: torch.dtype, bias: Tensor, *weights: Tensor) -> Tensor:
    """Weights and bias in one matrix, the bias as a column after the weights, padded with zero columns.

    Widths that are a multiple of 32 make the products faster on a CPU.
    """
    matrix = torch.cat([*weights, bias.unsqueeze(1)], dim=1)
    return F.pad(matrix, (0, -matrix.shape[1] % 32)).to(dtype)


def concat_with_bias(*values: Tensor) -> Tensor:
    """Inputs of an `augmented_weight`: the values, a column of ones for the bias, and zero columns."""
    width = sum(value.shape[1] for value in values)
    ones = F.pad(values[0].new_ones(len(values[0]), 1), (0, -(width + 1) % 32))
    return torch.cat([*values, ones], dim=1)
