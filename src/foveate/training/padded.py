"""A layer with its bias as one product of padded matrices, and its ReLU, on the bits where that is faster."""

import torch
from torch import Tensor
from torch.nn import functional as F


def affine(dtype: torch.dtype, bias: Tensor, *weights: Tensor) -> Tensor:
    """Weights side by side, the bias as one more column, and zeros up to a multiple of 32 columns."""
    matrix = torch.cat([*weights, bias.unsqueeze(1)], dim=1)
    return F.pad(matrix, (0, -matrix.shape[1] % 32)).to(dtype)


def beside(*values: Tensor) -> Tensor:
    """Values side by side, a column of ones, and zeros up to a multiple of 32 columns."""
    width = sum(value.shape[1] for value in values)
    ones = F.pad(values[0].new_ones(len(values[0]), 1), (0, -(width + 1) % 32))
    return torch.cat([*values, ones], dim=1)


def _whole(value: Tensor) -> Tensor:
    """The bits as whole numbers, on which comparing with 0 is fast and means the same, but for -0."""
    return value.view(torch.int16 if value.element_size() == 2 else torch.int32)


def rectify(value: Tensor) -> Tensor:
    """max(value, 0)."""
    if torch.compiler.is_compiling():
        return value.relu()
    return _whole(value).clamp_min_(0).view(value.dtype)


def through(gradient: Tensor, output: Tensor) -> Tensor:
    """The gradient before a ReLU, given its output: itself where the output is above 0, else 0."""
    if torch.compiler.is_compiling():
        return torch.where(output > 0, gradient, 0)
    return torch.ops.aten.threshold_backward(_whole(gradient), _whole(output), 0).view(gradient.dtype)
