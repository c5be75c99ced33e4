"""HybridLoss: gradients to logits, log-probabilities and baselines, by formula and by enumeration."""

import dataclasses
import itertools
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from asserts import assert_equal, gradient
from foveate import HybridLoss, Rollout, build
from foveate.config import Model

REWARDS = ("accuracy", "log-probability")
BASELINES = ("learned", "batch-mean", "leave-one-out")


def numbers(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)).requires_grad_()


def made(time: int, batch: int, classes: int = 3, seed: int = 0) -> Rollout:
    """A rollout of leaf tensors, which keep their gradients."""
    return Rollout(
        logits=numbers(time, batch, classes, seed=seed),
        locations=torch.zeros(time, batch, 2),
        log_probs=numbers(time, batch, seed=seed + 1),
        baselines=numbers(time, batch, seed=seed + 2),
        hiddens=torch.zeros(time, batch, 4),
    )


def label(images: int, seed: int = 0) -> Tensor:
    return torch.randint(3, (images,), generator=torch.Generator().manual_seed(seed))


def slow_reward(reward: str, answer: Tensor, target: Tensor) -> list[float]:
    """Reward of each prediction, as a plain loop."""
    earned = []
    for row, wanted in zip(answer.tolist(), target.tolist(), strict=True):
        p = math.exp(row[wanted]) / sum(map(math.exp, row))
        right = row.index(max(row)) == wanted
        earned.append({"accuracy": float(right), "log-probability": math.log(p)}[reward])
    return earned


def slow_advantage(baseline: str, reward: list[float], baselines: list[list[float]], images: int) -> list[list[float]]:
    """A_t of every prediction, as a plain loop: entry i is rollout i // images of image i mod images."""
    n, table = len(reward), []
    for b_t in baselines:
        row = []
        for i in range(n):
            others = [reward[j] for j in range(n) if j != i and j % images == i % images]
            expected = {
                "learned": b_t[i],
                "batch-mean": sum(reward) / n,
                "leave-one-out": sum(others) / (len(others) or 1),
            }
            row.append(reward[i] - expected[baseline])
        table.append(row)
    return table


@given(
    baseline=st.sampled_from(BASELINES),
    reward=st.sampled_from(REWARDS),
    time=st.integers(1, 3),
    images=st.integers(1, 4),
    rollouts=st.integers(2, 3),
    scale=st.sampled_from([1.0, 2.5]),
    weight=st.sampled_from([1.0, 0.3]),
    seed=st.integers(0, 99),
)
def test_bug_07_the_gradient_of_log_probs_is_minus_advantage_over_batch(
    baseline, reward, time, images, rollouts, scale, weight, seed
):
    rollout, target = made(time, images * rollouts, seed=seed), label(images, seed)
    loss = HybridLoss(baseline=baseline, reward=reward, reward_scale=scale, policy_weight=weight)
    losses = loss(rollout, target)
    losses.total.backward()
    earned = [scale * one for one in slow_reward(reward, rollout.final_logits, target.repeat(rollouts))]
    advantage = slow_advantage(baseline, earned, rollout.baselines.tolist(), images)
    torch.testing.assert_close(losses.reward, torch.tensor(earned).mean())
    expected = -weight * torch.tensor(advantage) / (images * rollouts)
    torch.testing.assert_close(gradient(rollout.log_probs), expected)


@given(time=st.integers(1, 3), images=st.integers(1, 4), rollouts=st.integers(1, 3), seed=st.integers(0, 99))
def test_bug_05_only_the_squared_error_trains_the_baselines(time, images, rollouts, seed):
    rollout, target = made(time, images * rollouts, seed=seed), label(images, seed)
    losses = HybridLoss(reward_scale=2.0, baseline_weight=0.3)(rollout, target)
    losses.total.backward()
    reward = 2.0 * (rollout.final_logits.argmax(-1) == target.repeat(rollouts))
    expected = 0.3 * 2 * (rollout.baselines - reward) / rollout.baselines.numel()
    torch.testing.assert_close(gradient(rollout.baselines), expected.detach())
    torch.testing.assert_close(losses.baseline_loss, (rollout.baselines - reward).square().mean())


@pytest.mark.parametrize("baseline", BASELINES[1:])
def test_mean_baselines_do_not_train_the_learned_baselines(baseline):
    rollout = made(2, 6)
    losses = HybridLoss(baseline=baseline)(rollout, label(3))
    losses.total.backward()
    assert losses.baseline_loss == 0
    assert rollout.baselines.grad is None


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("rollouts", [1, 3])
@pytest.mark.parametrize("reward", REWARDS)
def test_only_the_cross_entropy_of_the_final_logits_trains_them(smoothing, rollouts, reward):
    rollout, target = made(4, 5 * rollouts), label(5)
    losses = HybridLoss(label_smoothing=smoothing, reward=reward)(rollout, target)
    losses.total.backward()
    last = rollout.logits[-1].detach().clone().requires_grad_()
    expected = functional.cross_entropy(last, target.repeat(rollouts), label_smoothing=smoothing)
    expected.backward()
    torch.testing.assert_close(losses.classification_loss, expected)
    torch.testing.assert_close(gradient(rollout.logits)[-1], gradient(last))
    assert_equal(gradient(rollout.logits)[:-1], torch.zeros(3, 5 * rollouts, 3))


@pytest.mark.parametrize("rollouts", [1, 3])
@pytest.mark.parametrize("columns", [1, 2, 4])
def test_members_have_their_own_cross_entropy_and_a_common_reward(columns, rollouts):
    """The classification loss is the sum over the members; all else depends on the common prediction."""
    rollout, target = made(4, 5 * rollouts), label(5)
    voted = dataclasses.replace(rollout, member_logits=numbers(columns, 4, 5 * rollouts, 3, seed=7))
    losses, without = HybridLoss()(voted, target), HybridLoss()(rollout, target)
    assert voted.member_logits is not None
    own = [functional.cross_entropy(vote.detach(), target.repeat(rollouts)) for vote in voted.member_logits[:, -1]]
    torch.testing.assert_close(losses.classification_loss, torch.stack(own).sum())
    losses.total.backward()
    chances = voted.member_logits[:, -1].detach().softmax(-1)
    wanted = functional.one_hot(target.repeat(rollouts), 3)
    torch.testing.assert_close(gradient(voted.member_logits)[:, -1], (chances - wanted) / (5 * rollouts))
    assert not gradient(voted.member_logits)[:, :-1].any()
    assert rollout.logits.grad is None
    for name in ("policy_loss", "baseline_loss", "reward", "error"):
        assert_equal(getattr(losses, name), getattr(without, name))


def test_bug_18_label_smoothing_is_applied():
    values = [HybridLoss(label_smoothing=s)(made(2, 5), label(5)).classification_loss.item() for s in (0.0, 0.1)]
    assert values[0] != values[1]


def test_the_total_is_the_weighted_sum_and_the_reward_is_the_mean():
    rollout, target = made(3, 8), label(4)
    losses = HybridLoss(policy_weight=0.5, baseline_weight=0.25, reward_scale=2.0)(rollout, target)
    torch.testing.assert_close(
        losses.total, losses.classification_loss + 0.5 * losses.policy_loss + 0.25 * losses.baseline_loss
    )
    right = rollout.final_logits.argmax(-1) == target.repeat(2)
    assert losses.reward == 2.0 * right.float().mean()
    assert losses.error == 1 - right.float().mean()
    reward = 2.0 * right
    policy_loss = -((reward - rollout.baselines) * rollout.log_probs).sum(0).mean()
    torch.testing.assert_close(losses.policy_loss, policy_loss)
    assert not losses.reward.requires_grad


def expected_gradient(baseline: str, images: int, rollouts: int, p: float) -> tuple[float, float]:
    """Mean gradient of HybridLoss to p over all outcomes, and the exact d E[-R] / dp, by enumeration.

    Each answer is drawn: 1, which is right, with probability p, else 0.
    """
    n, mean = images * rollouts, 0.0
    for outcome in itertools.product([0, 1], repeat=n):
        answer, parameter = torch.tensor(outcome), torch.tensor(p, dtype=torch.float64, requires_grad=True)
        log_probs = torch.where(answer == 1, parameter.log(), (1 - parameter).log())
        rollout = Rollout(
            logits=functional.one_hot(answer, 2).double().unsqueeze(0),
            locations=torch.zeros(1, n, 2),
            log_probs=log_probs.unsqueeze(0),
            baselines=torch.full((1, n), 0.3, dtype=torch.float64),
            hiddens=torch.zeros(1, n, 1),
        )
        HybridLoss(baseline=baseline)(rollout, torch.ones(images, dtype=torch.int64)).policy_loss.backward()
        mean += log_probs.detach().sum().exp().item() * gradient(parameter).item()
    return mean, -1.0


@pytest.mark.parametrize(("images", "rollouts"), [(1, 2), (2, 2), (1, 4), (2, 3)])
@pytest.mark.parametrize("p", [0.2, 0.7])
@pytest.mark.parametrize("baseline", BASELINES)
def test_the_policy_gradient_is_unbiased_by_enumeration(baseline, p, images, rollouts):
    """Over all 2^n outcomes. The batch mean includes the own reward, which scales the gradient by exactly 1 - 1 / n."""
    actual, expected = expected_gradient(baseline, images, rollouts, p)
    shrink = 1 - 1 / (images * rollouts) if baseline == "batch-mean" else 1
    assert actual == pytest.approx(expected * shrink, abs=1e-6)


def test_the_number_of_rollouts_is_inferred_rollout_by_rollout():
    """Predictions 0 and 2 of image 0 are correct and wrong; predictions 1 and 3 of image 1 are both correct."""
    rollout, target = made(1, 4), torch.tensor([0, 1])
    answers = functional.one_hot(torch.tensor([0, 1, 2, 1]), 3).float().unsqueeze(0)
    rollout = Rollout(answers, rollout.locations, rollout.log_probs, rollout.baselines, rollout.hiddens)
    HybridLoss(baseline="leave-one-out")(rollout, target).policy_loss.backward()
    assert gradient(rollout.log_probs).tolist() == [[-0.25, 0, 0.25, 0]]


def test_logits_may_have_half_precision():
    rollout = made(2, 4)
    half = Rollout(
        rollout.logits.bfloat16(), rollout.locations, rollout.log_probs, rollout.baselines.bfloat16(), rollout.hiddens
    )
    HybridLoss()(half, label(4)).total.backward()
    assert rollout.baselines.grad is not None


@pytest.mark.parametrize("batch", [3, 5])
def test_a_number_of_labels_that_does_not_divide_the_batch_is_refused(batch):
    with pytest.raises(ValueError, match=f"The rollout of {batch} answers should fit the 4 labels."):
        HybridLoss()(made(2, batch), label(4))


def test_an_unknown_baseline_is_refused():
    with pytest.raises(
        ValueError, match=r"should be one of 'learned', 'batch-mean', 'leave-one-out', 'none'. Found 'mean'."
    ):
        HybridLoss(baseline="mean")


def test_an_unknown_reward_is_refused():
    with pytest.raises(ValueError, match=r"should be one of 'accuracy', 'log-probability'. Found 'log'."):
        HybridLoss(reward="log")


def test_leave_one_out_of_one_rollout_is_refused():
    with pytest.raises(ValueError, match="`num_rollouts` should be at least 2"):
        HybridLoss(baseline="leave-one-out")(made(2, 4), label(4))


def test_without_a_baseline_the_advantage_is_the_reward():
    rollout, label = made(3, 6), torch.tensor([0, 1, 2, 0, 1, 2])
    losses = HybridLoss(baseline="none")(rollout, label)
    right = (rollout.final_logits.argmax(-1) == label).float()
    assert losses.baseline_loss == 0
    torch.testing.assert_close(losses.policy_loss, -(right * rollout.log_probs.sum(0)).mean())
    assert 0 < right.sum() < 6


@pytest.mark.parametrize("wrong", [-1, 10])
def test_a_label_outside_the_classes_is_refused(wrong: int):
    model = build(Model(image=(1, 8, 8), classes=tuple("0123456789")))
    with pytest.raises(ValueError, match=r"`label` should be from 0 to 9\. Found"):
        HybridLoss()(model(torch.zeros(2, 1, 8, 8)), torch.tensor([3, wrong]))


@pytest.mark.parametrize("members", [0, 2])
@pytest.mark.parametrize("early_weight", [0.0, 0.25, 1.0, 2.0])
def test_every_answer_is_learned_with_its_weight(early_weight: float, members: int):
    """The weighted mean over time of the cross-entropies; all else depends on the last answer alone."""
    rollout, target = made(4, 10), label(5)
    learned = rollout.logits
    if members:
        learned = numbers(members, 4, 10, 3, seed=7)
        rollout = dataclasses.replace(rollout, member_logits=learned)
    losses = HybridLoss(answers="every", early_weight=early_weight)(rollout, target)
    weights = [early_weight, early_weight, early_weight, 1.0]
    answers = learned.detach().view(-1, 4, 10, 3)
    expected = 0.0
    for step, weight in enumerate(weights):
        for member in answers:
            expected += weight / sum(weights) * functional.cross_entropy(member[step], target.repeat(2))
    torch.testing.assert_close(losses.classification_loss, expected)
    losses.classification_loss.backward()
    chances = answers.softmax(-1) - functional.one_hot(target.repeat(2), 3)
    shares = torch.tensor(weights).view(1, 4, 1, 1) / sum(weights)
    torch.testing.assert_close(gradient(learned), (shares * chances / 10).view_as(learned))
    last = HybridLoss()(rollout, target)
    for name in ("policy_loss", "baseline_loss", "reward", "error"):
        assert_equal(getattr(losses, name), getattr(last, name))
    if early_weight == 0:
        assert_equal(losses.classification_loss, last.classification_loss)


def test_every_answer_is_wanted_but_not_there():
    rollout = made(4, 5)
    with pytest.raises(ValueError, match=r"an answer after each of 4 glimpses. Found 1: choose `every_answer=True`"):
        HybridLoss(answers="every")(dataclasses.replace(rollout, logits=rollout.logits[-1:]), label(5))
    with pytest.raises(ValueError, match="`answers` should be one of 'last', 'every'"):
        HybridLoss(answers="first")


@pytest.mark.parametrize("baseline", [*BASELINES, "none"])
def test_a_function_or_numbers_may_give_the_reward(baseline: str):
    """The policy's gradient is that of the same numbers as accuracy, and none flows into them."""
    rollout, target = made(time=3, batch=6), label(3)

    def right(seen: Rollout, wanted: Tensor) -> Tensor:
        total = seen.log_probs.sum()
        return (seen.final_logits.argmax(-1) == wanted).to(seen.logits.dtype) + (total - total.detach())

    named = HybridLoss(baseline=baseline, reward_scale=3.0)(rollout, target)
    own = HybridLoss(baseline=baseline, reward=right, reward_scale=3.0)(rollout, target)
    numbers = right(rollout, target.repeat(2))
    given = HybridLoss(baseline=baseline, reward_scale=3.0)(rollout, target, reward=numbers)
    (of_named,) = torch.autograd.grad(named.total, rollout.log_probs)
    for losses in (own, given):
        assert_equal(losses.total, named.total)
        assert_equal(losses.reward, named.reward)
        (gradient,) = torch.autograd.grad(losses.total, rollout.log_probs, retain_graph=True)
        assert_equal(gradient, of_named)


@pytest.mark.parametrize("wrong", [torch.zeros(6, 1), torch.zeros(5), torch.zeros(6, dtype=torch.int64), 1.0, None])
def test_a_reward_of_another_shape_or_kind_is_refused(wrong: object):
    loss = HybridLoss(reward=lambda *_: wrong)  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match=r"`reward` should return one float for each of 6 answers\. Found "):
        loss(made(time=2, batch=6), label(3))
    if isinstance(wrong, torch.Tensor):
        with pytest.raises(ValueError, match=r"`reward` should be one float for each of 6 answers\. Found "):
            HybridLoss()(made(time=2, batch=6), label(3), reward=wrong)
