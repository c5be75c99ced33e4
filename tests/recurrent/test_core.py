"""Cores equal the cells of torch."""

import pytest
import torch
from torch import nn

from foveate import GRUCore, LSTMCore, RectifiedCore


def test_rectified_core_equals_an_rnn_cell_with_an_identity_input_weight():
    core, cell = RectifiedCore(5), nn.RNNCell(5, 5, nonlinearity="relu")
    with torch.no_grad():
        cell.weight_ih.copy_(torch.eye(5))
        cell.bias_ih.zero_()
        cell.weight_hh.copy_(core.recurrent.weight)
        cell.bias_hh.copy_(core.recurrent.bias)
    feature, hidden = torch.randn(4, 5), torch.randn(4, 5)
    torch.testing.assert_close(core(feature, (hidden,))[0], cell(feature, hidden))


def test_rectified_core_applies_the_given_activation():
    core = RectifiedCore(5, nn.Tanh)
    feature, hidden = torch.randn(4, 5), torch.randn(4, 5)
    torch.testing.assert_close(core(feature, (hidden,))[0], torch.tanh(feature + core.recurrent(hidden)))


def test_lstm_core_equals_the_lstm_layer():
    core, layer = LSTMCore(3, 5), nn.LSTM(3, 5)
    layer.load_state_dict({f"{name}_l0": value for name, value in core.cell.state_dict().items()})
    features, state, hiddens = torch.randn(6, 4, 3), core.start(4), []
    for feature in features:
        state = core(feature, state)
        hiddens.append(state[0])
    expected, (_, cell) = layer(features)
    torch.testing.assert_close(torch.stack(hiddens), expected)
    torch.testing.assert_close(state[1], cell[0])


def test_gru_core_equals_the_gru_layer():
    core, layer = GRUCore(3, 5), nn.GRU(3, 5)
    layer.load_state_dict({f"{name}_l0": value for name, value in core.cell.state_dict().items()})
    features, state, hiddens = torch.randn(6, 4, 3), core.start(4), []
    for feature in features:
        state = core(feature, state)
        hiddens.append(state[0])
    torch.testing.assert_close(torch.stack(hiddens), layer(features)[0])


@pytest.mark.parametrize(("core", "states"), [(RectifiedCore(5), 1), (LSTMCore(3, 5), 2), (GRUCore(3, 5), 1)])
def test_every_core_starts_from_zeros_of_its_type(core, states: int):
    state = core.double().start(4)
    assert [tensor.shape for tensor in state] == [(4, 5)] * states
    assert all(tensor.dtype == torch.float64 and not tensor.any() for tensor in state)


@pytest.mark.parametrize("core", [RectifiedCore, lambda size: LSTMCore(3, size), lambda size: GRUCore(3, size)])
def test_a_core_without_units_is_refused(core):
    with pytest.raises(ValueError, match=r"`hidden_size` should be at least 1\. Found `hidden_size = 0`\."):
        core(0)
