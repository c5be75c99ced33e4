"""Evaluation mode without switching a model, which another thread may be using."""

import copy
from itertools import chain
from typing import TypeVar

from torch import Tensor, nn

Network = TypeVar("Network", bound=nn.Module)


def eval_view(model: Network) -> Network:
    """The model in evaluation mode: itself if it is already, otherwise a copy that shares all of its tensors.

    >>> model = nn.Sequential(nn.Linear(2, 2), nn.Dropout())
    >>> view = eval_view(model)
    >>> view.training, model.training, view[0].weight is model[0].weight
    (False, True, True)
    """
    if not any(module.training for module in model.modules()):
        return model
    shared = {id(tensor): tensor for tensor in chain(model.parameters(), model.buffers())}
    for module in model.modules():  # and what is neither, such as a weight that is computed in each call
        shared |= {id(value): value for value in vars(module).values() if isinstance(value, Tensor)}
    return copy.deepcopy(model, shared).eval()
