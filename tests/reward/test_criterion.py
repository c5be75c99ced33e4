"""VRClassReward and BinaryClassReward train every unit and the baseline, and nothing else."""

import copy
import gc
import itertools
import pickle
import weakref

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from asserts import assert_equal, gradient
from foveate import (
    BinaryClassReward,
    ReinforceBernoulli,
    ReinforceCategorical,
    ReinforceGamma,
    ReinforceNormal,
    VRClassReward,
)
from foveate.policy.units import units

BATCH = 6


def numbers(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def target(batch: int = BATCH) -> Tensor:
    return torch.randint(2, (batch,), generator=torch.Generator().manual_seed(0))


class EveryUnit(nn.Module):
    """One unit of each kind at different depths, each with its own parameter. Their draws are `values`."""

    def __init__(self) -> None:
        super().__init__()
        self.normal = nn.Sequential(nn.Identity(), nn.Sequential(ReinforceNormal(0.5)))
        self.bernoulli, self.gamma = ReinforceBernoulli(), nn.ModuleList([ReinforceGamma()])
        self.categorical = ReinforceCategorical()
        self.mean = nn.Parameter(numbers(BATCH, 2))
        self.chance = nn.Parameter(numbers(BATCH, 3).sigmoid())
        self.probabilities = nn.Parameter(numbers(BATCH, 4).softmax(-1))
        self.shape, self.scale = nn.Parameter(numbers(BATCH, 2).exp()), nn.Parameter(numbers(BATCH, 2, seed=1).exp())
        self.last = nn.Linear(11, 2)

    def forward(self) -> Tensor:
        self.values = {
            "normal": self.normal(self.mean),
            "bernoulli": self.bernoulli(self.chance),
            "categorical": self.categorical(self.probabilities),
            "gamma": self.gamma[0]((self.shape, self.scale)),
        }
        return self.last(torch.cat(list(self.values.values()), dim=1))

    def scores(self) -> dict[str, Tensor]:
        """d log p / d parameter of every draw, by formula."""
        x, u, p, q = self.values, self.mean, self.chance, self.probabilities
        k, t = self.shape, self.scale
        return {
            "mean": (x["normal"] - u) / 0.5**2,
            "chance": (x["bernoulli"] - p) / (p * (1 - p)),
            "probabilities": x["categorical"] / q,
            "shape": x["gamma"].log() - torch.digamma(k) - t.log(),
            "scale": x["gamma"] / t**2 - k / t,
        }


@pytest.mark.parametrize("reward_scale", [1.0, 2.5])
def test_bug_07_every_nested_unit_has_the_gradient_of_reinforce(reward_scale):
    net, baseline = EveryUnit(), numbers(BATCH, seed=5).requires_grad_()
    criterion = VRClassReward(net, reward_scale)
    prediction = net()
    criterion(prediction, baseline, target()).backward()
    reward = reward_scale * (prediction.argmax(-1) == target())
    assert 0 < reward.sum() < reward_scale * BATCH, "both kinds of answer are here"
    advantage = (reward - baseline).detach().unsqueeze(1)
    for name, score in net.scores().items():
        torch.testing.assert_close(getattr(net, name).grad, (-advantage * score / BATCH).detach())
    assert net.last.weight.grad is None


def test_the_baseline_has_the_gradient_of_its_squared_error_and_the_prediction_none():
    net = nn.Sequential(nn.Linear(3, 4), nn.Sigmoid(), ReinforceBernoulli(), nn.Linear(4, 2))
    criterion, baseline = VRClassReward(net, 2.0), numbers(BATCH, seed=5).requires_grad_()
    prediction = net(numbers(BATCH, 3))
    prediction.retain_grad()
    criterion(prediction, baseline, target()).backward()
    reward = 2.0 * (prediction.argmax(-1) == target())
    twin = baseline.detach().clone().requires_grad_()
    functional.mse_loss(twin, reward).backward()
    assert prediction.grad is None
    assert net[3].weight.grad is None
    assert gradient(net[0].weight).any()
    torch.testing.assert_close(gradient(baseline), gradient(twin))


def test_bug_05_the_policy_loss_does_not_train_the_baseline():
    """Log-probabilities are far from 0, so that a leak of the advantage would change the gradient."""
    net, baseline = EveryUnit(), torch.full((BATCH,), 0.25, requires_grad=True)
    criterion = VRClassReward(net)
    prediction = net()
    criterion(prediction, baseline, target()).backward()
    reward = (prediction.argmax(-1) == target()).to(prediction.dtype)
    torch.testing.assert_close(gradient(baseline), 2 * (0.25 - reward) / BATCH)


@pytest.mark.parametrize("shape", [(), (1,), (1, 1), (BATCH,), (BATCH, 1)])
def test_a_baseline_may_be_one_number_or_one_for_each_sample(shape):
    net, baseline = EveryUnit(), torch.zeros(shape, requires_grad=True)
    criterion = VRClassReward(net)
    prediction = net()
    criterion(prediction, baseline, target()).backward()
    reward = (prediction.argmax(-1) == target()).to(prediction.dtype)
    expected = -2 * reward / BATCH
    assert_equal(gradient(baseline), (expected if BATCH in shape else expected.sum()).view(shape))


@pytest.mark.parametrize("reward_scale", [1.0, 2.5])
def test_the_value_of_the_loss_is_minus_the_mean_reward(reward_scale):
    net = EveryUnit()
    criterion = VRClassReward(net, reward_scale)
    prediction = net()
    right = (prediction.argmax(-1) == target()).to(prediction.dtype).mean()
    torch.testing.assert_close(criterion(prediction, torch.tensor(0.3), target()), -reward_scale * right)


def test_the_binary_reward_has_the_same_gradient():
    """The score of a Bernoulli draw to the input of the sigmoid is x - p."""
    first, unit, last = nn.Linear(3, 4), ReinforceBernoulli(), nn.Linear(4, 1)
    net = nn.Sequential(first, nn.Sigmoid(), unit, last, nn.Sigmoid(), nn.Flatten(0))
    criterion, baseline = BinaryClassReward(net, 3.0), torch.tensor(0.25, requires_grad=True)
    chance = first(numbers(BATCH, 3)).sigmoid().detach()
    torch.manual_seed(0)
    drawn = torch.bernoulli(chance)
    torch.manual_seed(0)
    prediction = net(numbers(BATCH, 3))
    loss = criterion(prediction, baseline, target())
    loss.backward()
    reward = 3.0 * ((prediction > 0.5) == target().bool())
    torch.testing.assert_close(loss, -reward.mean())
    score = -(reward - 0.25).unsqueeze(1) * (drawn - chance) / BATCH
    torch.testing.assert_close(gradient(first.bias), score.sum(0))
    torch.testing.assert_close(gradient(baseline), 2 * (0.25 - reward).mean())
    assert last.weight.grad is None


class Dictated(ReinforceBernoulli):
    """A Bernoulli unit with given draws."""

    value: Tensor

    def sample(self, parameters, generator=None):
        return self.value


def enumerated(net: nn.Sequential, x: Tensor, label: Tensor, baseline: float) -> tuple[list[Tensor], list[Tensor]]:
    """Mean gradient of the criterion over all possible draws, and d E[-R] / d parameters, for one sample."""
    criterion, found = VRClassReward(net), list(units(net))
    parameters = list(net.parameters())[:-2]  # without the last layer
    mean, value = [torch.zeros_like(p) for p in parameters], torch.zeros(())
    widths = [2, 2] if len(found) == 2 else [3]
    for outcome in itertools.product([0.0, 1.0], repeat=sum(widths)):
        for unit, bits in zip(found, torch.tensor(outcome).double().split(widths), strict=True):
            unit.value = bits.unsqueeze(0)
        prediction = net(x)
        chance = torch.stack([log_prob for unit in found for log_prob in unit.draws or []]).sum().exp()
        value = value - chance * (prediction.argmax(-1) == label).double().squeeze(0)
        loss = criterion(prediction, torch.tensor(baseline).double(), label)
        gradients = torch.autograd.grad(loss, parameters, retain_graph=True)
        mean = [m + chance.detach() * gradient for m, gradient in zip(mean, gradients, strict=True)]
    return mean, list(torch.autograd.grad(value, parameters))


@pytest.mark.parametrize("baseline", [0.0, 0.6])
@pytest.mark.parametrize("layers", [1, 2])
def test_the_gradient_is_unbiased_by_enumeration(layers, baseline):
    """Over all 2^3 or 2^4 draws of a tiny network, whose second layer depends on the draws of the first."""
    torch.manual_seed(2)
    if layers == 1:
        net = nn.Sequential(nn.Linear(2, 3), nn.Sigmoid(), Dictated(), nn.Linear(3, 2))
    else:
        first = nn.Sequential(nn.Linear(2, 2), nn.Sigmoid(), Dictated())
        net = nn.Sequential(first, nn.Linear(2, 2), nn.Sigmoid(), Dictated(), nn.Linear(2, 2))
    net = net.double()
    with torch.no_grad():  # correct if x_1 - 1.5 x_2 (+ 0.8 x_3) + 0.2 > 0
        weight, bias = list(net.parameters())[-2:]
        weight[0], weight[1] = 0, torch.tensor([1, -1.5, 0.8])[: weight.shape[1]]
        bias[:] = torch.tensor([0, 0.2])
    actual, expected = enumerated(net, numbers(1, 2).double(), torch.tensor([1]), baseline)
    for one, other in zip(actual, expected, strict=True):
        assert other.abs().max() > 1e-3, "the reward depends on the draws"
        torch.testing.assert_close(one, other, rtol=0, atol=1e-12)


def test_the_gradient_is_unbiased_by_sampling():
    """Over 200,000 draws it is within 0.012, which is 5 standard errors."""
    n, p = 200_000, torch.tensor([0.3, 0.8])
    net, chance = nn.Sequential(ReinforceBernoulli()), p.clone().requires_grad_()
    criterion = VRClassReward(net)
    torch.manual_seed(0)
    drawn = net(chance.expand(n, 2))
    prediction = torch.stack([torch.full((n,), 0.5), drawn.prod(1)], dim=1)  # correct if both are 1: E[R] = p q
    criterion(prediction, torch.tensor(0.24), torch.ones(n, dtype=torch.int64)).backward()
    assert (gradient(chance) + p.flip(0)).abs().max() < 0.012


def learner() -> nn.Sequential:
    return nn.Sequential(nn.Linear(3, 4), nn.Sigmoid(), ReinforceBernoulli(), nn.Linear(4, 2))


def test_draws_do_not_accumulate_without_the_criterion():
    net = learner()
    criterion = VRClassReward(net)
    (unit,), draws, alive = units(net), [], []
    for _ in range(100):
        net(numbers(BATCH, 3))
        assert unit.draws is not None
        draws.append(len(unit.draws))
        alive.append(weakref.ref(unit.draws[0]))
    gc.collect()
    assert draws == [1] * 100
    assert sum(one() is not None for one in alive) == 1
    criterion(net(numbers(BATCH, 3)), torch.zeros(()), target())
    gc.collect()
    assert unit.draws == []
    assert all(one() is None for one in alive)


def test_a_unit_without_a_criterion_records_nothing():
    net = learner()
    net(numbers(BATCH, 3))
    assert [unit.draws for unit in units(net)] == [None]


def test_nothing_is_recorded_under_no_grad_nor_in_evaluation():
    net = learner()
    criterion = VRClassReward(net)
    with torch.no_grad():
        prediction = net(numbers(BATCH, 3))
    with pytest.raises(RuntimeError, match=r"Found no draws of its units."):
        criterion(prediction, torch.zeros(()), target())
    prediction = net.eval()(numbers(BATCH, 3))
    with pytest.raises(RuntimeError, match=r"Found no draws of its units."):
        criterion(prediction, torch.zeros(()), target())


def test_a_validation_pass_between_the_pass_and_the_criterion_changes_nothing():
    torch.manual_seed(0)
    net, x = learner(), numbers(BATCH, 3)
    criterion = VRClassReward(net)
    gradients = []
    for validate in (False, True):
        torch.manual_seed(1)
        net.zero_grad()
        prediction = net(x)
        with torch.no_grad():
            assert not validate or net(numbers(9, 3)).shape == (9, 2)
        criterion(prediction, torch.zeros(()), target()).backward()
        gradients.append(gradient(net[0].weight).clone())
    assert gradients[0].any()
    assert_equal(*gradients)


def test_the_criterion_scores_each_draw_once():
    net = learner()
    criterion, prediction = VRClassReward(net), net(numbers(BATCH, 3))
    criterion(prediction, torch.zeros(()), target())
    with pytest.raises(RuntimeError, match="`module` should have run forward"):
        criterion(prediction, torch.zeros(()), target())


def test_a_unit_used_twice_in_a_pass_is_scored_twice():
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.unit, self.a, self.b = ReinforceNormal(1.0), *(nn.Parameter(torch.zeros(BATCH, 2)) for _ in range(2))

        def forward(self) -> Tensor:
            self.drawn = self.unit(self.a), self.unit(self.b)
            return self.drawn[0]

    net = Twice()
    criterion = VRClassReward(net)
    prediction = net()
    criterion(prediction, torch.zeros(()), target()).backward()
    reward = (prediction.argmax(-1) == target()).float().unsqueeze(1)
    torch.testing.assert_close(net.a.grad, -reward * net.drawn[0] / BATCH)
    torch.testing.assert_close(net.b.grad, -reward * net.drawn[1] / BATCH)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda net: pickle.loads(pickle.dumps(net))])
@pytest.mark.parametrize("drawn", [False, True])
def test_a_module_with_a_criterion_can_be_copied(copied, drawn):
    """As weight averaging does during training. Copies are independent."""
    net, x = learner(), numbers(BATCH, 3)
    criterion = VRClassReward(net)
    prediction = net(x) if drawn else None
    twin = copied(net)
    assert_equal(twin.eval()(x), copied(net).eval()(x))
    if prediction is not None:
        criterion(prediction, torch.zeros(()), target()).backward()
        assert gradient(net[0].weight).any()
    another = VRClassReward(twin.train())
    another(twin(x), torch.zeros(()), target()).backward()
    assert gradient(twin[0].weight).any()


def test_the_module_and_its_state_are_not_changed():
    """The criterion has no parameters, and adds nothing to the state of the module."""
    net = learner()
    names = list(net.state_dict())
    criterion = VRClassReward(net)
    assert not list(criterion.parameters())
    assert list(net.state_dict()) == names


def test_works_in_float64():
    net, baseline = learner().double(), torch.zeros(BATCH, dtype=torch.float64, requires_grad=True)
    criterion = VRClassReward(net)
    criterion(net(numbers(BATCH, 3).double()), baseline, target()).backward()
    assert gradient(net[0].weight).any()


def test_a_module_without_a_unit_is_refused():
    with pytest.raises(ValueError, match=r"`module` should hold a REINFORCE unit. Found none"):
        VRClassReward(nn.Linear(2, 2))


@pytest.mark.parametrize("shape", [(), (BATCH,), (BATCH - 1, 2), (BATCH, 2, 2)])
def test_a_prediction_that_does_not_fit_the_classes_is_refused(shape):
    net = learner()
    criterion = VRClassReward(net)
    net(numbers(BATCH, 3))
    with pytest.raises(
        ValueError, match=r"`prediction` should (have 2 dimension|be one for each of the 6 targets).*Found"
    ):
        criterion(torch.zeros(shape), torch.zeros(()), target())


def test_binary_predictions_of_two_dimensions_are_refused():
    """Compared with (N,) targets they would broadcast to N x N rewards."""
    net = learner()
    criterion = BinaryClassReward(net)
    net(numbers(BATCH, 3))
    with pytest.raises(ValueError, match=r"`prediction` should have 1 dimension.* Found the shape \(6, 1\)."):
        criterion(torch.zeros(BATCH, 1), torch.zeros(()), target())


@pytest.mark.parametrize("shape", [(1, BATCH), (BATCH - 1,), (BATCH, 2), (BATCH, 1, 1)])
def test_a_baseline_that_does_not_fit_is_refused(shape):
    net = learner()
    criterion, prediction = VRClassReward(net), net(numbers(BATCH, 3))
    with pytest.raises(ValueError, match=r"`baseline` should be one number, or one for each of the 6 targets.* Found"):
        criterion(prediction, torch.zeros(shape), target())


def test_draws_of_another_batch_are_refused():
    net = learner()
    criterion = VRClassReward(net)
    net(numbers(BATCH + 1, 3))
    with pytest.raises(ValueError, match=r"Every unit should draw for a batch of 6. Found \[7\]."):
        criterion(torch.zeros(BATCH, 2), torch.zeros(()), target())
