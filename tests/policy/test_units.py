"""REINFORCE units: the score of every one by formula, torch.distributions as oracle, and what draws when."""

import copy
import math
import pickle
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, distributions, nn

from asserts import assert_equal, gradient
from foveate import ReinforceBernoulli, ReinforceCategorical, ReinforceGamma, ReinforceNormal
from foveate.policy.units import ReinforceUnit, stochastic, units

STD = torch.tensor([0.2, 0.7, 1.5])


class Case(NamedTuple):
    """A unit, the parameters to give it as a function of one number, and the same distribution by torch."""

    unit: Callable[[], ReinforceUnit]
    parameters: Callable[[Tensor], Any]
    oracle: Callable[..., distributions.Distribution]


def positive(x: Tensor) -> Tensor:
    return nn.functional.softplus(x) + 0.1


CASES = {
    "normal": Case(lambda: ReinforceNormal(0.5), lambda x: x, lambda u: distributions.Normal(u, 0.5)),
    "normal-per-dimension": Case(lambda: ReinforceNormal(STD), lambda x: x, lambda u: distributions.Normal(u, STD)),
    "normal-learned": Case(
        lambda: ReinforceNormal(0.7, learn_std=True), lambda x: x, lambda u: distributions.Normal(u, 0.7)
    ),
    "normal-pair": Case(lambda: ReinforceNormal(None), lambda x: (x, positive(x)), distributions.Normal),
    "bernoulli": Case(lambda: ReinforceBernoulli(), torch.sigmoid, distributions.Bernoulli),
    "categorical": Case(
        lambda: ReinforceCategorical(), lambda x: x.softmax(-1), lambda p: distributions.OneHotCategorical(p)
    ),
    "gamma": Case(lambda: ReinforceGamma(1.5), positive, lambda k: distributions.Gamma(k, torch.full_like(k, 1 / 1.5))),
    "gamma-pair": Case(
        lambda: ReinforceGamma(),
        lambda x: (positive(x), positive(-x)),
        lambda k, t: distributions.Gamma(k, 1 / t),
    ),
}
every_unit = pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())


def numbers(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def oracle(case: Case, parameters: Any) -> distributions.Distribution:
    return case.oracle(*(parameters if isinstance(parameters, tuple) else (parameters,)))


def score(unit: ReinforceUnit, parameters: tuple[Tensor, ...], value: Tensor) -> tuple[Tensor, ...]:
    """d log p(value) / d parameters by autograd."""
    leaves = [parameter.clone().requires_grad_() for parameter in parameters]
    argument = tuple(leaves) if len(leaves) > 1 else leaves[0]
    return torch.autograd.grad(unit.log_prob(argument, value).sum(), leaves)


@given(seed=st.integers(0, 99), batch=st.integers(1, 4), width=st.integers(1, 5))
def test_the_score_of_normal_is_its_formula(seed, batch, width):
    u, x, s = numbers(batch, width, seed=seed), numbers(batch, width, seed=seed + 100), positive(numbers(width))
    (du,) = score(ReinforceNormal(s), (u,), x)
    torch.testing.assert_close(du, (x - u) / s**2)
    du, ds = score(ReinforceNormal(None), (u, s.expand_as(u)), x)
    torch.testing.assert_close(du, (x - u) / s**2)
    torch.testing.assert_close(ds, ((x - u) ** 2 - s**2) / s**3)


@pytest.mark.parametrize("start", [0.7, STD])
def test_the_score_of_a_learned_std_is_its_formula(start):
    """The parameter is log s, so ds / d log s = s besides; every draw of the batch adds to it."""
    unit, u, x = ReinforceNormal(start, learn_std=True), numbers(4, 3), numbers(4, 3, seed=1)
    unit.log_prob(u, x).sum().backward()
    (parameter,) = unit.parameters()
    s = torch.as_tensor(start).expand(3)
    expected = (((x - u) ** 2 - s**2) / s**3 * s).sum(0)
    torch.testing.assert_close(parameter.grad, expected if parameter.ndim else expected.sum())


@given(seed=st.integers(0, 99))
def test_the_score_of_bernoulli_is_its_formula(seed):
    p = torch.sigmoid(numbers(3, 4, seed=seed))
    x = (numbers(3, 4, seed=seed + 100) > 0).float()
    (dp,) = score(ReinforceBernoulli(), (p,), x)
    torch.testing.assert_close(dp, (x - p) / (p * (1 - p)))


@given(seed=st.integers(0, 99), leading=st.lists(st.integers(1, 3), min_size=1, max_size=3))
def test_the_score_of_categorical_is_its_formula(seed, leading):
    p = numbers(*leading, 4, seed=seed).softmax(-1)
    x = nn.functional.one_hot(torch.randint(4, leading, generator=seeded(seed)), 4).float()
    (dp,) = score(ReinforceCategorical(), (p,), x)
    torch.testing.assert_close(dp, x / p)


@given(seed=st.integers(0, 99))
def test_the_score_of_gamma_is_its_formula(seed):
    k, t, x = (positive(numbers(3, 4, seed=seed + i)) for i in (0, 100, 200))
    dk, dt = score(ReinforceGamma(), (k, t), x)
    torch.testing.assert_close(dk, x.log() - torch.digamma(k) - t.log())
    torch.testing.assert_close(dt, x / t**2 - k / t)
    (dk,) = score(ReinforceGamma(1.5), (k,), x)
    torch.testing.assert_close(dk, x.log() - torch.digamma(k) - math.log(1.5))


@every_unit
@pytest.mark.parametrize("shape", [(5, 3), (1, 3), (2, 4, 3)])
def test_log_prob_is_that_of_torch_summed_over_all_but_the_batch(case, shape):
    unit, parameters = case.unit(), case.parameters(numbers(*shape))
    value = unit.sample(parameters, seeded())
    expected = oracle(case, parameters).log_prob(value).view(shape[0], -1).sum(1)
    torch.testing.assert_close(unit.log_prob(parameters, value), expected)


@every_unit
def test_draws_have_the_mean_and_the_variance_of_torch(case):
    """20,000 draws: the mean to 5 standard errors, the variance to 10 %; so a variance is no std (bug 11)."""
    n, parameters = 20_000, case.parameters(numbers(1, 3).double())
    several = parameters if isinstance(parameters, tuple) else (parameters,)
    many = [parameter.expand(n, 3) for parameter in several]
    drawn = case.unit().sample(tuple(many) if len(many) > 1 else many[0], seeded())
    expected = oracle(case, parameters)
    error = (drawn.mean(0) - expected.mean[0]).abs() / (expected.variance[0] / n).sqrt()
    assert error.max() < 5
    torch.testing.assert_close(drawn.var(0), expected.variance[0].double(), rtol=0.1, atol=0)


@pytest.mark.parametrize("std", [0.22, 3.0])
def test_bug_11_std_is_the_standard_deviation_not_the_variance(std):
    """In the draw and in the density alike. 20,000 draws are within 2 % of it."""
    unit = ReinforceNormal(std)
    assert unit.sample(torch.zeros(20_000, 1), seeded()).std().item() == pytest.approx(std, rel=0.02)
    at_mean = unit.log_prob(torch.zeros(1, 1), torch.zeros(1, 1)).item()
    assert at_mean == pytest.approx(-math.log(std * math.sqrt(2 * math.pi)), rel=1e-5)


@every_unit
def test_evaluation_gives_the_mean(case):
    parameters = case.parameters(numbers(5, 3))
    torch.testing.assert_close(case.unit().eval()(parameters), oracle(case, parameters).mean)


@every_unit
def test_draws_in_training_and_where_stochastic_and_nowhere_else(case):
    unit, parameters = case.unit(), case.parameters(numbers(50, 3))
    drawn = unit.sample(parameters, seeded())
    assert not torch.equal(drawn, unit.mode(parameters))
    assert_equal(unit.train()(parameters, seeded()), drawn)
    assert_equal(unit.eval()(parameters, seeded()), unit.mode(parameters))
    unit.stochastic = True
    assert_equal(unit.eval()(parameters, seeded()), drawn)


@pytest.mark.parametrize(
    "made",
    [
        lambda **options: ReinforceNormal(0.5, **options),
        ReinforceBernoulli,
        ReinforceCategorical,
        lambda **options: ReinforceGamma(0.5, **options),
    ],
)
def test_bug_18_stochastic_is_passed_on(made):
    probabilities = torch.full((50, 4), 0.25)
    for choice in (False, True):
        unit = made(stochastic=choice).eval()
        assert unit.stochastic is choice
        assert torch.equal(unit(probabilities, seeded()), unit.mode(probabilities)) is not choice


def test_the_stochastic_block_reaches_every_unit_and_ends():
    net = nn.Sequential(ReinforceBernoulli(), nn.Sequential(ReinforceNormal(1.0, stochastic=True))).eval()
    before = [unit.stochastic for unit in units(net)]
    assert before == [False, True]
    for choice in (True, False):
        with stochastic(net, choice):
            assert [unit.stochastic for unit in units(net)] == [choice, choice]
        assert [unit.stochastic for unit in units(net)] == before
    with stochastic(net):
        assert all(unit.stochastic for unit in units(net))
    with pytest.raises(KeyError), stochastic(net):
        raise KeyError
    assert [unit.stochastic for unit in units(net)] == before


def test_units_are_found_wherever_nested_each_once():
    shared, other = ReinforceBernoulli(), ReinforceNormal(1.0)
    holder = nn.ModuleDict({"a": nn.Sequential(nn.Linear(2, 2), shared), "b": nn.ModuleList([nn.Sequential(other)])})
    assert list(units(nn.Sequential(holder, shared))) == [shared, other]


@every_unit
def test_the_generator_alone_decides(case):
    """The same seed gives the same draw, another seed another, and torch's own generator is left alone."""
    unit, parameters, state = case.unit(), case.parameters(numbers(50, 3)), torch.get_rng_state()
    first, again, other = (unit(parameters, seeded(seed)) for seed in (1, 1, 2))
    assert_equal(first, again)
    assert not torch.equal(first, other)
    assert_equal(torch.get_rng_state(), state)


@every_unit
def test_without_a_generator_torch_manual_seed_decides(case):
    unit, parameters = case.unit(), case.parameters(numbers(50, 3))
    drawn = []
    for _ in range(2):
        torch.manual_seed(3)
        drawn.append(unit(parameters))
    assert_equal(*drawn)


@every_unit
@pytest.mark.parametrize("training", [True, False])
def test_bug_01_whatever_gradient_arrives_from_above_is_ignored(case, training):
    """What the unit gives is a constant: the gradient of (constant * x) is the constant."""
    x = numbers(5, 3).requires_grad_()
    unit, parameters = case.unit().train(training), case.parameters(x)
    drawn = unit(parameters, seeded())
    assert not unit.sample(parameters).requires_grad
    (drawn * x).sum().backward()
    assert_equal(gradient(x), drawn)


def test_bug_01_nor_does_a_unit_of_ones_own_leak_that_forgets_to_detach():
    class Leaky(ReinforceNormal):
        def sample(self, parameters, generator=None):
            return parameters + 1

    assert not Leaky(0.5)(numbers(5, 3).requires_grad_()).requires_grad


@every_unit
def test_bug_02_the_parameters_learn_from_the_score(case):
    x = numbers(5, 3).requires_grad_()
    unit, parameters = case.unit(), case.parameters(x)
    unit.log_prob(parameters, unit(parameters)).sum().backward()
    assert x.grad is not None
    assert x.grad.abs().sum() > 0


@pytest.mark.parametrize("unit", [ReinforceBernoulli(), ReinforceCategorical()])
def test_probabilities_of_zero_and_one_are_drawn_and_scored_without_a_nan(unit):
    p = torch.tensor([[0.0, 1.0, 0.0]]).expand(100, 3).clone().requires_grad_()
    drawn = unit(p)
    assert drawn.tolist() == [[0, 1, 0]] * 100
    log_prob = unit.log_prob(p, drawn)
    assert_equal(log_prob, torch.zeros(100))
    log_prob.sum().backward()
    assert gradient(p).isfinite().all()


def test_a_gamma_of_tiny_shape_never_draws_zero():
    unit, shape = ReinforceGamma(1e-10), torch.full((1000, 1), 1e-3)
    drawn = unit(shape, seeded())
    assert drawn.min() > 0
    assert unit.log_prob(shape, drawn).isfinite().all()


@every_unit
def test_nests_in_a_sequential_and_keeps_the_type(case):
    for dtype in (torch.float32, torch.float64):
        unit = case.unit().to(dtype)
        assert unit(case.parameters(numbers(4, 3).to(dtype))).dtype == dtype
    net = nn.Sequential(nn.Linear(3, 3), nn.Hardtanh(), ReinforceNormal(0.22), nn.Hardtanh())
    assert net(numbers(4, 3)).shape == (4, 3)


@every_unit
def test_copies_and_pickles_in_the_middle_of_a_pass(case):
    """With draws at hand too, which stay behind: a graph can be neither copied nor written."""
    unit, parameters = case.unit(), case.parameters(numbers(4, 3).requires_grad_())
    for draws, left in ((None, None), ([], [])):
        unit.draws = draws
        unit(parameters)
        for twin in (copy.deepcopy(unit), pickle.loads(pickle.dumps(unit))):
            assert twin.draws == left
            assert_equal(twin(parameters, seeded()), unit.sample(parameters, seeded()))
    assert unit.draws is not None
    assert len(unit.draws) == 1


def test_a_fixed_std_is_no_parameter_and_no_part_of_the_state():
    fixed, learned = ReinforceNormal(STD), ReinforceNormal(STD, learn_std=True)
    assert not list(fixed.parameters())
    assert not fixed.state_dict()
    assert list(learned.state_dict()) == ["log_std"]


@pytest.mark.parametrize(
    ("made", "sentence"),
    [
        (lambda: ReinforceNormal(0.0), "`std` should be above 0. Found `std = 0.0`."),
        (lambda: ReinforceNormal(-1.0), "`std` should be above 0. Found `std = -1.0`."),
        (lambda: ReinforceNormal(torch.tensor([1.0, 0.0])), "`std` should be above 0."),
        (lambda: ReinforceNormal(float("nan")), "`std` should be above 0. Found `std = nan`."),
        (lambda: ReinforceNormal(None, learn_std=True), "where `learn_std` is set. Found `std = None`."),
        (lambda: ReinforceGamma(0.0), "`scale` should be above 0. Found `scale = 0.0`."),
        (lambda: ReinforceGamma(float("nan")), "`scale` should be above 0. Found `scale = nan`."),
    ],
)
def test_impossible_units_are_refused(made, sentence):
    with pytest.raises(ValueError, match=sentence):
        made()
