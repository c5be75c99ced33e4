"""REINFORCE units: scores by formula, torch.distributions as the oracle, and when they sample."""

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
from foveate.policy.units import ReinforceUnit, units

STD = torch.tensor([0.2, 0.7, 1.5])


class Case(NamedTuple):
    """A unit, its parameters as a function of one number, and the same distribution from torch."""

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
def test_the_score_of_normal_equals_its_formula(seed, batch, width):
    u, x, s = numbers(batch, width, seed=seed), numbers(batch, width, seed=seed + 100), positive(numbers(width))
    (du,) = score(ReinforceNormal(s), (u,), x)
    torch.testing.assert_close(du, (x - u) / s**2)
    du, ds = score(ReinforceNormal(None), (u, s.expand_as(u)), x)
    torch.testing.assert_close(du, (x - u) / s**2)
    torch.testing.assert_close(ds, ((x - u) ** 2 - s**2) / s**3)


@pytest.mark.parametrize("start", [0.7, STD])
def test_the_score_of_a_learned_std_equals_its_formula(start):
    """The parameter is log s, hence a factor ds / d log s = s; all draws of the batch are summed."""
    unit, u, x = ReinforceNormal(start, learn_std=True), numbers(4, 3), numbers(4, 3, seed=1)
    unit.log_prob(u, x).sum().backward()
    (parameter,) = unit.parameters()
    s = torch.as_tensor(start).expand(3)
    expected = (((x - u) ** 2 - s**2) / s**3 * s).sum(0)
    torch.testing.assert_close(parameter.grad, expected if parameter.ndim else expected.sum())


@given(seed=st.integers(0, 99))
def test_the_score_of_bernoulli_equals_its_formula(seed):
    p = torch.sigmoid(numbers(3, 4, seed=seed))
    x = (numbers(3, 4, seed=seed + 100) > 0).float()
    (dp,) = score(ReinforceBernoulli(), (p,), x)
    torch.testing.assert_close(dp, (x - p) / (p * (1 - p)))


@given(seed=st.integers(0, 99), leading=st.lists(st.integers(1, 3), min_size=1, max_size=3))
def test_the_score_of_categorical_equals_its_formula(seed, leading):
    p = numbers(*leading, 4, seed=seed).softmax(-1)
    x = nn.functional.one_hot(torch.randint(4, leading, generator=seeded(seed)), 4).float()
    (dp,) = score(ReinforceCategorical(), (p,), x)
    torch.testing.assert_close(dp, x / p)


@given(seed=st.integers(0, 99))
def test_the_score_of_gamma_equals_its_formula(seed):
    k, t, x = (positive(numbers(3, 4, seed=seed + i)) for i in (0, 100, 200))
    dk, dt = score(ReinforceGamma(), (k, t), x)
    torch.testing.assert_close(dk, x.log() - torch.digamma(k) - t.log())
    torch.testing.assert_close(dt, x / t**2 - k / t)
    (dk,) = score(ReinforceGamma(1.5), (k,), x)
    torch.testing.assert_close(dk, x.log() - torch.digamma(k) - math.log(1.5))


@every_unit
@pytest.mark.parametrize("shape", [(5, 3), (1, 3), (2, 4, 3)])
def test_log_prob_equals_torch_distributions_summed_over_all_but_the_batch(case, shape):
    unit, parameters = case.unit(), case.parameters(numbers(*shape))
    value = unit.sample(parameters, seeded())
    expected = oracle(case, parameters).log_prob(value).view(shape[0], -1).sum(1)
    torch.testing.assert_close(unit.log_prob(parameters, value), expected)


@every_unit
def test_draws_have_the_mean_and_variance_of_torch_distributions(case):
    """Over 20,000 draws: the mean within 5 standard errors, the variance within 10 % (bug 11)."""
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
    """In the draws, within 2 % over 20,000, and in the density."""
    unit = ReinforceNormal(std)
    assert unit.sample(torch.zeros(20_000, 1), seeded()).std().item() == pytest.approx(std, rel=0.02)
    at_mean = unit.log_prob(torch.zeros(1, 1), torch.zeros(1, 1)).item()
    assert at_mean == pytest.approx(-math.log(std * math.sqrt(2 * math.pi)), rel=1e-5)


@every_unit
def test_evaluation_gives_the_mean(case):
    parameters = case.parameters(numbers(5, 3))
    torch.testing.assert_close(case.unit().eval()(parameters), oracle(case, parameters).mean)


@every_unit
def test_units_sample_in_training_or_if_stochastic(case):
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


@every_unit
@pytest.mark.parametrize("training", [True, False])
def test_the_sample_argument_overrides_every_mode(case, training):
    """The unit itself does not change."""
    unit, parameters = case.unit().train(training), case.parameters(numbers(50, 3))
    for stochastic in (True, False):
        unit.stochastic = stochastic
        assert_equal(unit(parameters, seeded(), True), unit.sample(parameters, seeded()))
        assert_equal(unit(parameters, seeded(), False), unit.mode(parameters))
        assert (unit.training, unit.stochastic) == (training, stochastic)


def test_nested_units_are_found_once_each():
    shared, other = ReinforceBernoulli(), ReinforceNormal(1.0)
    holder = nn.ModuleDict({"a": nn.Sequential(nn.Linear(2, 2), shared), "b": nn.ModuleList([nn.Sequential(other)])})
    assert list(units(nn.Sequential(holder, shared))) == [shared, other]


@every_unit
def test_draws_depend_only_on_the_generator(case):
    """Equal seeds give equal draws, and torch's global generator is not used."""
    unit, parameters, state = case.unit(), case.parameters(numbers(50, 3)), torch.get_rng_state()
    first, again, other = (unit(parameters, seeded(seed)) for seed in (1, 1, 2))
    assert_equal(first, again)
    assert not torch.equal(first, other)
    assert_equal(torch.get_rng_state(), state)


@every_unit
def test_without_a_generator_draws_depend_on_torch_manual_seed(case):
    unit, parameters = case.unit(), case.parameters(numbers(50, 3))
    drawn = []
    for _ in range(2):
        torch.manual_seed(3)
        drawn.append(unit(parameters))
    assert_equal(*drawn)


@every_unit
@pytest.mark.parametrize("training", [True, False])
def test_bug_01_gradients_to_the_output_are_ignored(case, training):
    """The output is a constant c: the gradient of c * x is c."""
    x = numbers(5, 3).requires_grad_()
    unit, parameters = case.unit().train(training), case.parameters(x)
    drawn = unit(parameters, seeded())
    assert not unit.sample(parameters).requires_grad
    (drawn * x).sum().backward()
    assert_equal(gradient(x), drawn)


def test_bug_01_a_custom_unit_that_does_not_detach_leaks_nothing():
    class Leaky(ReinforceNormal):
        def sample(self, parameters, generator=None):
            return parameters + 1

    assert not Leaky(0.5)(numbers(5, 3).requires_grad_()).requires_grad


@every_unit
def test_bug_02_the_score_trains_the_parameters(case):
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
def test_units_can_be_copied_and_pickled_after_a_forward_pass(case):
    """Recorded draws are left out, since a graph can be neither copied nor pickled."""
    unit, parameters = case.unit(), case.parameters(numbers(4, 3).requires_grad_())
    for draws, left in ((None, None), ([], [])):
        unit.draws = draws
        unit(parameters)
        for twin in (copy.deepcopy(unit), pickle.loads(pickle.dumps(unit))):
            assert twin.draws == left
            assert_equal(twin(parameters, seeded()), unit.sample(parameters, seeded()))
    assert unit.draws is not None
    assert len(unit.draws) == 1


def test_a_fixed_std_is_part_of_the_state_but_no_parameter():
    """It is a copy: the tensor given to the unit may change."""
    std = STD.clone()
    fixed, learned = ReinforceNormal(std), ReinforceNormal(std, learn_std=True)
    std.zero_()
    assert not list(fixed.parameters())
    assert_equal(fixed.state_dict()["fixed_std"], STD)
    assert list(learned.state_dict()) == ["log_std"]


@pytest.mark.parametrize(
    ("made", "sentence"),
    [
        (lambda: ReinforceNormal(0.0), "`std` should be above 0. Found `std = 0.0`."),
        (lambda: ReinforceNormal(-1.0), "`std` should be above 0. Found `std = -1.0`."),
        (lambda: ReinforceNormal(torch.tensor([1.0, 0.0])), "`std` should be above 0."),
        (lambda: ReinforceNormal(float("nan")), "`std` should be above 0. Found `std = nan`."),
        (lambda: ReinforceNormal(None, learn_std=True), "if `learn_std` is set. Found `std = None`."),
        (lambda: ReinforceGamma(0.0), "`scale` should be above 0. Found `scale = 0.0`."),
        (lambda: ReinforceGamma(float("nan")), "`scale` should be above 0. Found `scale = nan`."),
    ],
)
def test_impossible_units_are_refused(made, sentence):
    with pytest.raises(ValueError, match=sentence):
        made()
