"""Lower bound of a training step's time: the matrix products of the model's large layers alone."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import nn

from foveate.recurrent.attention import RecurrentAttention

LARGE = 0.01  # share of the largest layer's weights, below which a layer is not counted


@dataclass(frozen=True)
class Product:
    """A large layer, whose matrix products every training step needs."""

    name: str
    """The layer's name in the model."""
    inputs: int
    """Columns of its input."""
    outputs: int
    """Columns of its output."""
    input_gradient: bool
    """Whether a learned layer comes before it, so that it needs the gradient of its input."""


def products(model: RecurrentAttention) -> tuple[Product, ...]:
    """The large layers that every glimpse passes through.

    >>> from foveate.config import Model
    >>> from foveate.training.build import build
    >>> model = build(Model(image=(1, 28, 28), classes=("a", "b"), locator_width=0))
    >>> [(p.name, p.inputs, p.outputs) for p in products(model)]
    [('glimpse.what.1', 64, 128), ('glimpse.join.0', 256, 256), ('glimpse.join.2', 256, 256),
     ('core.recurrent', 256, 256)]
    """
    found = list(_linear(model))
    largest = max(layer.weight.numel() for _, layer in found)
    return tuple(
        Product(name, layer.in_features, layer.out_features, ".what." not in name)
        for name, layer in found
        if layer.weight.numel() >= LARGE * largest
    )


def operations(model: RecurrentAttention) -> int:
    """Number of multiplications and additions in an image's products, forward and backward."""
    return sum(2 * product.inputs * product.outputs * (2 + product.input_gradient) for product in products(model)) * (
        model.num_glimpses
    )


def bare_products(model: RecurrentAttention, batch: int, dtype: torch.dtype) -> Callable[[], None]:
    """A function that computes the products of one step: output, weight gradient and input gradient of each glimpse.

    Memory is allocated beforehand and reused at every glimpse, so that only the products are timed.
    """
    device = next(model.parameters()).device
    work = []
    for product in products(model):
        shapes = [(batch, product.inputs), (product.outputs, product.inputs), (batch, product.outputs)]
        tensors = [torch.rand(shape, device=device).to(dtype) for shape in shapes]
        work.append((product, tensors, [torch.empty_like(value) for value in tensors]))

    def step() -> None:
        with torch.no_grad():
            for _ in range(model.num_glimpses):
                for product, (inputs, weight, output), (of_inputs, of_weight, of_output) in work:
                    torch.mm(inputs, weight.t(), out=of_output)
                    torch.mm(output.t(), inputs, out=of_weight)
                    if product.input_gradient:
                        torch.mm(output, weight, out=of_inputs)

    return step


def _linear(model: RecurrentAttention) -> Iterator[tuple[str, nn.Linear]]:
    """Linear layers of the glimpse network and the core."""
    for name, module in model.named_modules():
        if isinstance(module, nn.Linear) and name.startswith(("glimpse.", "core.")):
            yield name, module
