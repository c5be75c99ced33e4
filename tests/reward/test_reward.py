"""Rewards and advantages equal plain loops."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from asserts import assert_equal
from foveate.reward.reward import batch_mean, binary_reward, class_reward, learned, leave_one_out


def numbers(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_bug_07_the_reward_is_scale_if_correct_and_zero_if_wrong():
    prediction = torch.tensor([[0.1, 0.9], [0.9, 0.1], [-5.0, -1.0]], requires_grad=True)
    target = torch.tensor([1, 1, 1])
    assert class_reward(prediction, target).tolist() == [1, 0, 1]
    assert class_reward(prediction, target, 2.5).tolist() == [2.5, 0, 2.5]
    assert not class_reward(prediction, target).requires_grad


@pytest.mark.parametrize("target", [torch.tensor([1, 0, 0, 1]), torch.tensor([True, False, False, True])])
def test_a_binary_prediction_is_positive_above_one_half(target):
    prediction = torch.tensor([0.6, 0.4, 0.5, 0.4], requires_grad=True)
    assert binary_reward(prediction, target).tolist() == [1, 1, 1, 0]
    assert binary_reward(prediction, target, 2.5).tolist() == [2.5, 2.5, 2.5, 0]
    assert not binary_reward(prediction, target).requires_grad


@given(rollouts=st.integers(2, 5), images=st.integers(1, 4), seed=st.integers(0, 99))
def test_leave_one_out_equals_a_plain_loop(rollouts, images, seed):
    reward = numbers(rollouts, images, seed=seed)
    expected = torch.empty_like(reward)
    for m in range(rollouts):
        for b in range(images):
            others = [reward[other, b] for other in range(rollouts) if other != m]
            expected[m, b] = reward[m, b] - sum(others) / len(others)
    torch.testing.assert_close(leave_one_out(reward), expected.flatten())


@given(rollouts=st.integers(1, 5), images=st.integers(1, 4), seed=st.integers(0, 99))
def test_batch_mean_takes_the_mean_of_all(rollouts, images, seed):
    reward = numbers(rollouts, images, seed=seed)
    expected = [r - sum(reward.flatten().tolist()) / reward.numel() for r in reward.flatten().tolist()]
    torch.testing.assert_close(batch_mean(reward), torch.tensor(expected, dtype=torch.float64))


@given(rollouts=st.integers(1, 3), images=st.integers(1, 3), time=st.integers(1, 3), seed=st.integers(0, 99))
def test_bug_05_the_learned_advantage_is_reward_minus_baseline_and_detached(rollouts, images, time, seed):
    """For each step and prediction; entry i belongs to image i mod B."""
    reward = numbers(rollouts, images, seed=seed)
    baselines = numbers(time, rollouts * images, seed=seed + 1).requires_grad_()
    advantage = learned(reward, baselines)
    assert not advantage.requires_grad
    for t in range(time):
        for i in range(rollouts * images):
            assert advantage[t, i] == reward[i // images, i % images] - baselines[t, i]


def test_leave_one_out_needs_another_rollout():
    with pytest.raises(ValueError, match="`num_rollouts` should be at least 2 for the leave-one-out"):
        leave_one_out(torch.zeros(1, 3))


def test_equal_rewards_have_no_advantage():
    assert_equal(leave_one_out(torch.ones(3, 2)), torch.zeros(6))
    assert_equal(batch_mean(torch.ones(3, 2)), torch.zeros(6))
