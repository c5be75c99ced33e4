"""The walk of a training step: a scanpath taken without recording, and the gradients of its layers taken back by hand.

See `unrolled`, whose other half judges the walk.
"""

from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn

from foveate.recurrent.attention import RecurrentAttention
from foveate.training.padded import affine, beside, rectify, through

Tensors = list[Tensor]
LAYERS = ("glimpse.{}what.1", "glimpse.{}where.0", "glimpse.{}join.0", "glimpse.{}join.2", "core.{}recurrent")
"""In the order in which a glimpse passes through them; `{}` is the column's prefix, where there are several."""


class Column:
    """A network on its walk: what every layer took in at every step, and what came of it.

    A layer's input is what lies side by side, a column of ones for the bias, and zeros up to a round number of columns:
    so a layer is one product forwards, and its weights and its bias are one product backwards.
    """

    def __init__(self, model: RecurrentAttention, names: list[str], batch: int, dtype: torch.dtype) -> None:
        self.names, self.layers = names, [cast(nn.Linear, model.get_submodule(name)) for name in names]
        what, where, join, out, recurrent = self.layers
        bias = out.bias + recurrent.bias
        core, first = affine(dtype, bias, out.weight, recurrent.weight), affine(dtype, bias, out.weight)
        # What, where, join, core, and the core of the first step: weights and bias as one matrix each.
        self.weights = [*(affine(dtype, layer.bias, layer.weight) for layer in (what, where, join)), core, first]
        self.inputs: list[Tensors] = []  # of each step: patch, place, seen, and state, which is joined and h_{t-1}
        self.hidden = core.new_zeros(batch, recurrent.out_features)  # h_t; h_0 is 0, and no input

    def look(self, patch: Tensor, place: Tensor) -> None:
        """Take in a glimpse: of every scanpath, or a first one that all scanpaths of an image have in common."""
        what, where, join, core, first = self.weights
        seen = beside(rectify(patch @ what.t()), rectify(place @ where.t()))
        joined = rectify(seen @ join.t())
        state = beside(joined, self.hidden) if self.inputs else beside(joined)
        hidden = rectify(state @ (core if self.inputs else first).t())
        self.hidden = _for_all(hidden, len(self.hidden))
        self.inputs.append([patch, place, seen, state])


@dataclass(frozen=True)
class Walk:
    """Where it was looked, and what came of it."""

    columns: list[Column]
    hiddens: Tensor
    """h_0 .. h_T, of all columns in a row."""
    locations: Tensor
    draws: Tensor


def walk(model: RecurrentAttention, scene: Any, noise: Tensor, dtype: torch.dtype, start: Tensor | None = None) -> Walk:
    """The loop, with its layers as bare products, from where the locator starts or from given places.

    As many of these as there are images will do, if all scanpaths of an image start at the same place.
    """
    parts: Any = model
    locator, sensor = parts.locator, parts.glimpse.sensor
    columns = [Column(model, names, noise.shape[1], dtype) for names in layers(model)]
    hiddens, locations, draws = [_in_a_row(columns)], [], []
    for step in range(len(noise)):
        if start is not None and step == 0:
            location, draw = start, noise[step]  # which nobody has drawn, and nothing asks for
        else:
            with torch.autocast(noise.device.type, dtype, enabled=dtype != torch.float32):
                mean = locator.aim(hiddens[-1])
            draw = locator.unit.shift(mean, noise[step])
            location = locator.place(draw)
        patch, place = beside(sensor(scene, location).flatten(1).to(dtype)), beside(location.to(dtype))
        for column in columns:
            column.look(patch, place)
        hiddens.append(_in_a_row(columns))
        locations.append(_for_all(location, len(draw)))
        draws.append(draw)
    return Walk(columns, torch.stack(hiddens), torch.stack(locations), torch.stack(draws))


def _for_all(value: Tensor, batch: int) -> Tensor:
    """What all scanpaths of an image have in common, for each of them."""
    return value if len(value) == batch else value.repeat(batch // len(value), 1)


def _in_a_row(columns: list[Column]) -> Tensor:
    """h_t of all columns."""
    return torch.cat([column.hidden for column in columns], dim=1) if len(columns) > 1 else columns[0].hidden


def retrace(column: Column, hiddens: Tensor, of_last: Tensor, of_before: Tensor | None = None) -> dict[str, Tensor]:
    """The gradients of a column's layers, from those of its h_T, and h_0 .. h_{T-1} if there are any: backwards.

    The core's own bias is left out: its gradient is that of the layer before, whose output it is added to.
    """
    num_patch, num_place, num_seen, num_joined, num_hidden = (layer.in_features for layer in column.layers)
    num_what, num_state = column.layers[0].out_features, num_joined + num_hidden
    into_join = column.weights[2][:, :num_seen]
    sums = [torch.zeros_like(weight, dtype=torch.float32) for weight in column.weights]
    of_hidden = of_last[0]
    for step in reversed(range(len(column.inputs))):
        *inputs, seen, state = column.inputs[step]
        last = 3 if step else 4  # of the layers
        if len(state) < len(of_hidden):  # a glimpse in common
            of_hidden = of_hidden.unflatten(0, (-1, len(state))).sum(0)
        of_hidden = through(of_hidden, hiddens[step + 1][: len(state)])
        of_state = of_hidden @ column.weights[last][:, : num_state if step else num_joined]
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
    names = [f"{layer}.{kind}" for layer in column.names for kind in ("weight", "bias")][:-1]
    return {name: part.clone(memory_format=torch.contiguous_format) for name, part in zip(names, parts, strict=True)}


def layers(model: RecurrentAttention) -> list[list[str]]:
    """The names of each column's layers."""
    columns: Any = getattr(model.core, "columns", ())
    prefixes = [f"columns.{i}." for i in range(len(columns))] or [""]
    return [[name.format(prefix) for name in LAYERS] for prefix in prefixes]
