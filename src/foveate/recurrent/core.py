"""Recurrent cores: the memory between glimpses.

A core has `start(batch)` and `core(feature, state)`. Both return a state, a tuple of tensors whose first one is the
hidden state h that locator and classifier read.
"""

from collections.abc import Callable

from jaxtyping import Float
from torch import Tensor, nn

State = tuple[Float[Tensor, "batch hidden"], ...]


class Core(nn.Module):
    """Base class of the cores: a state of `num_states` tensors with `hidden_size` units, initially 0."""

    num_states = 1

    def __init__(self, hidden_size: int) -> None:
        super().__init__()
        if hidden_size < 1:
            raise ValueError(f"`hidden_size` should be at least 1. Found `hidden_size = {hidden_size}`.")
        self.hidden_size = hidden_size

    def start(self, batch: int) -> State:
        """h_0 = 0."""
        like = next(self.parameters())
        return tuple(like.new_zeros(batch, self.hidden_size) for _ in range(self.num_states))


class RectifiedCore(Core):
    """Core of the paper: h_t = activation(g_t + W h_{t-1} + b); features have the size of the hidden state.

    Example:
        >>> import torch
        >>> core = RectifiedCore(256)
        >>> (hidden,) = core(torch.rand(5, 256), core.start(5))
        >>> hidden.shape
        torch.Size([5, 256])

    Source: Mnih et al. 2014, section 4 (core network); Torch7 `nn.Recurrent`.
    """

    def __init__(self, hidden_size: int, activation: Callable[[], nn.Module] = nn.ReLU) -> None:
        super().__init__(hidden_size)
        self.recurrent = nn.Linear(hidden_size, hidden_size)
        self.activation = activation()

    def forward(self, feature: Float[Tensor, "batch hidden"], state: State) -> State:
        """Next state."""
        return (self.activation(feature + self.recurrent(state[0])),)


class LSTMCore(Core):
    """Long short-term memory: h_t, c_t = LSTM(g_t, (h_{t-1}, c_{t-1})).

    Example:
        >>> import torch
        >>> core = LSTMCore(feature_size=24, hidden_size=32)
        >>> hidden, cell = core(torch.rand(5, 24), core.start(5))
        >>> hidden.shape
        torch.Size([5, 32])

    Source: Mnih et al. 2014, section 4.2 (the core of the dynamic environments); `torch.nn.LSTMCell`.
    """

    num_states = 2

    def __init__(self, feature_size: int, hidden_size: int) -> None:
        super().__init__(hidden_size)
        self.cell = nn.LSTMCell(feature_size, hidden_size)

    def forward(self, feature: Float[Tensor, "batch feature"], state: State) -> State:
        """Next state."""
        hidden, cell = state
        return self.cell(feature, (hidden, cell))


class GRUCore(Core):
    """Gated recurrent unit: h_t = GRU(g_t, h_{t-1}).

    Example:
        >>> import torch
        >>> core = GRUCore(feature_size=24, hidden_size=32)
        >>> (hidden,) = core(torch.rand(5, 24), core.start(5))
        >>> hidden.shape
        torch.Size([5, 32])

    Source: `torch.nn.GRUCell`.
    """

    def __init__(self, feature_size: int, hidden_size: int) -> None:
        super().__init__(hidden_size)
        self.cell = nn.GRUCell(feature_size, hidden_size)

    def forward(self, feature: Float[Tensor, "batch feature"], state: State) -> State:
        """Next state."""
        return (self.cell(feature, state[0]),)
