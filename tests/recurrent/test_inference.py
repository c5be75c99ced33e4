"""An evaluation view is in evaluation mode and leaves the mode of the model alone."""

import threading

import pytest
import torch
from torch import nn

from foveate import build, look
from foveate.recurrent.inference import eval_view
from training.tiny import tiny_model


def test_a_model_in_evaluation_mode_is_its_own_view():
    model = build(tiny_model()).eval()
    assert eval_view(model) is model


def test_a_view_shares_every_tensor_and_follows_training():
    model = build(tiny_model(ensemble=2, dropout=0.5))
    model.classifier.eval()
    before = [module.training for module in model.modules()]
    view = eval_view(model)
    assert not any(module.training for module in view.modules())
    assert [module.training for module in model.modules()] == before
    mine, theirs = ([*each.parameters(), *each.buffers()] for each in (model, view))
    assert len(mine) == len(theirs)
    assert all(one is other for one, other in zip(mine, theirs, strict=True))
    assert view.glimpse.sensor is view.glimpse.members[0].sensor


@pytest.mark.filterwarnings("ignore:.*weight_norm. is deprecated:FutureWarning")
def test_modules_with_computed_tensors_have_a_view():
    """Such as an old-style weight norm, whose weight is the result of a computation."""
    layer = nn.utils.weight_norm(nn.Linear(2, 2))
    layer(torch.zeros(1, 2))
    assert not layer.weight.is_leaf
    x = torch.rand(3, 2)
    torch.testing.assert_close(eval_view(nn.Sequential(layer, nn.Dropout()))(x), layer(x))


def test_looks_of_two_threads_do_not_change_each_other():
    model, image = build(tiny_model(dropout=0.5)), torch.rand(1, 8, 8)
    expected = look(model, image, policy="mean")
    stop = threading.Event()

    def sample() -> None:
        while not stop.is_set():
            look(model, image, policy="sampled")

    thread = threading.Thread(target=sample)
    thread.start()
    try:
        for _ in range(40):
            seen = look(model, image, policy="mean")
            assert torch.equal(seen.locations, expected.locations)
            assert torch.equal(seen.probabilities, expected.probabilities)
    finally:
        stop.set()
        thread.join()
    assert model.training
