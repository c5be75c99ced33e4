"""CategoricalEntropy: the identity forward, an entropy bonus backward."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from asserts import assert_equal, gradient
from foveate import CategoricalEntropy


def probabilities(batch: int, classes: int, seed: int = 0) -> Tensor:
    return torch.rand(batch, classes, generator=torch.Generator().manual_seed(seed)).double().softmax(-1)


def entropy(p: Tensor) -> Tensor:
    """H of the mean over the batch, in nats."""
    mean = p.mean(0)
    return -(mean * mean.log()).sum()


def bonus(p: Tensor, **options: float) -> Tensor:
    """Term that the backward pass adds to the gradient."""
    p = p.clone().requires_grad_()
    above = torch.arange(p.numel()).view_as(p).double()
    (CategoricalEntropy(**options)(p) * above).sum().backward()
    return gradient(p) - above


@given(batch=st.integers(1, 6), classes=st.integers(2, 5), seed=st.integers(0, 99), scale=st.floats(0.1, 3))
def test_the_bonus_is_the_gradient_of_minus_scale_times_entropy(batch, classes, seed, scale):
    """Compared with autograd; the 1e-6 against log(0) changes it by about 1e-5."""
    p = probabilities(batch, classes, seed).requires_grad_()
    (expected,) = torch.autograd.grad(-scale * entropy(p), p)
    torch.testing.assert_close(bonus(p.detach(), scale=scale), expected, rtol=0, atol=1e-4)


@given(batch=st.integers(1, 6), classes=st.integers(2, 5), seed=st.integers(0, 99))
def test_forward_is_the_identity(batch, classes, seed):
    p = probabilities(batch, classes, seed)
    assert_equal(CategoricalEntropy(scale=5.0)(p), p)


def test_there_is_no_bonus_above_min_entropy():
    p = probabilities(4, 3)
    h = entropy(p).item()
    assert_equal(bonus(p, min_entropy=h + 0.01), bonus(p))
    assert bonus(p).abs().sum() > 0
    assert_equal(bonus(p, min_entropy=h - 0.01), torch.zeros_like(p))


def test_a_step_against_the_gradient_raises_the_entropy():
    p = torch.tensor([[0.9, 0.1], [0.7, 0.3]], dtype=torch.float64)
    step = bonus(p)
    assert entropy(p - 0.01 * (step - step.mean(1, keepdim=True))) > entropy(p)


def test_a_probability_of_zero_gives_a_finite_gradient():
    assert bonus(torch.tensor([[1.0, 0.0]], dtype=torch.float64)).isfinite().all()


def test_inputs_of_another_shape_are_refused():
    for shape in ((3,), (2, 2, 3)):
        with pytest.raises(ValueError, match=r"`probabilities` should be \(batch, classes\). Found \("):
            CategoricalEntropy()(torch.ones(shape))
