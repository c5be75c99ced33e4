"""Evaluation: counts equal a plain loop, and every number has the right name."""

import copy
import math
from types import SimpleNamespace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from asserts import assert_equal
from foveate import RecurrentAttention, build, evaluate
from foveate.config import Model
from foveate.data.records import InMemory
from foveate.data.sources import load
from foveate.training.evaluate import Evaluation, mistake, predict, surest_mistakes, wilson
from recurrent.tiny import CLASSES, agent
from slow_forms import wilson_interval

N = 53


@pytest.fixture
def images() -> InMemory:
    return InMemory(torch.randint(256, (N, 1, 7, 9), dtype=torch.uint8), torch.randint(CLASSES, (N,)))


@pytest.fixture
def model() -> RecurrentAttention:
    """A model that predicts all classes."""
    model = agent()
    for parameter in model.parameters():
        nn.init.normal_(parameter)
    return model


class Passes(nn.Module):
    """A model whose passes over every image have given probabilities of two classes."""

    def __init__(self, *first_class: float) -> None:
        super().__init__()
        self.chances = nn.Parameter(torch.tensor([[p, 1 - p] for p in first_class]))

    def forward(self, image, *, num_rollouts, **_):
        chances = self.chances[:num_rollouts].repeat_interleave(len(image), 0)
        return SimpleNamespace(logits=chances.log().unsqueeze(0), locations=torch.zeros(1, len(chances), 2))


def test_it_equals_a_plain_loop(model, images):
    found = evaluate(model, images)
    confusion, wrong = torch.zeros(CLASSES, CLASSES, dtype=torch.int64), [0, 0, 0]
    model.eval()
    for i in range(N):
        logits = model(images.image[i : i + 1]).logits[:, 0]
        confusion[images.label[i], logits[-1].argmax()] += 1
        for t in range(3):
            wrong[t] += int(logits[t].argmax() != images.label[i])
    assert torch.equal(found.confusion, confusion)
    assert found.num_errors_by_glimpse == tuple(wrong)
    assert (confusion.sum(0) > 0).sum() > 1
    assert len(set(wrong)) > 1


def test_the_counts_agree_with_each_other(model, images):
    found = evaluate(model, images)
    assert found.n == N == found.confusion.sum()
    assert torch.equal(found.confusion.sum(1), images.label.bincount(minlength=CLASSES))
    assert found.num_errors == found.num_errors_by_glimpse[-1] == N - found.confusion.trace()
    assert found.error_rate == found.num_errors / N
    assert found.interval == wilson(found.num_errors, N)
    assert found.interval[0] < found.error_rate < found.interval[1]


def test_the_balanced_error_weighs_every_class_alike():
    counts = {"policy": "mean", "num_rollouts": 1, "num_glimpses": 1, "num_errors_by_glimpse": (11,), "gaze": None}
    confusion = torch.tensor([[90, 0, 0], [8, 2, 0], [0, 0, 0]])
    found = Evaluation(n=100, num_errors=8, confusion=confusion, **counts)
    assert found.recall[:2] == (1.0, 0.2)
    assert math.isnan(found.recall[2])
    assert found.balanced_error == pytest.approx(0.4)
    assert found.to_dict()["recall"] == [1.0, 0.2, None]
    assert found.to_dict()["balanced_error"] == found.balanced_error
    assert found.at_chance  # always answering the first class errs 10 of 100
    assert not Evaluation(n=100, num_errors=2, confusion=torch.tensor([[49, 1], [1, 49]]), **counts).at_chance


def test_mistakes_are_the_surest_wrong_answers_with_their_files(model, images):
    images = InMemory(images.image, images.label, tuple(f"{i}.png" for i in range(N)))
    found = evaluate(model, images)
    indices = surest_mistakes(found.answers, N)
    assert len(indices) == found.num_errors > 3
    assert surest_mistakes(found.answers, 3) == indices[:3]
    said = [mistake(i, found.answers, "abcdefghij", images) for i in indices]
    assert [one["probability"] for one in said] == sorted((one["probability"] for one in said), reverse=True)
    for index, one in zip(indices, said, strict=True):
        assert one["file"] == f"{index}.png"
        assert one["label"] == "abcdefghij"[images.label[index]] != one["answer"]
    assert mistake(indices[0], found.answers, "abcdefghij", InMemory(images.image, images.label))["file"] is None


@pytest.mark.parametrize("batch_size", [1, 10, N])
def test_the_batch_size_does_not_matter(model, images, batch_size: int):
    whole, parts = (evaluate(model, images, batch_size=size) for size in (500, batch_size))
    assert torch.equal(whole.confusion, parts.confusion)
    assert whole.num_errors_by_glimpse == parts.num_errors_by_glimpse


def test_more_or_fewer_glimpses_than_trained(model, images):
    short, long = (evaluate(model, images, num_glimpses=n) for n in (2, 5))
    assert (short.num_glimpses, long.num_glimpses) == (2, 5)
    assert short.num_errors_by_glimpse == long.num_errors_by_glimpse[:2]


def test_bug_13_each_number_has_its_own_name(model, images):
    names = [
        evaluate(model, images, policy=policy, num_rollouts=m).name for policy in ("mean", "sampled") for m in (1, 4)
    ]
    assert names == [
        "mean policy, one pass",
        "mean policy, mean of the probabilities of 4 passes",
        "sampled policy, one pass",
        "sampled policy, mean of the probabilities of 4 passes",
    ]


def test_bug_13_several_passes_give_one_prediction():
    """Two of three passes are wrong, and their mean is correct: one prediction, not the mean of three errors."""
    images = InMemory(torch.zeros(4, 1, 2, 2, dtype=torch.uint8), torch.zeros(4, dtype=torch.int64))
    found = evaluate(Passes(0.4, 0.4, 0.9), images, policy="sampled", num_rollouts=3)
    assert (found.num_errors, found.n, found.num_rollouts) == (0, 4, 3)
    assert evaluate(Passes(0.4, 0.4, 0.9), images, policy="sampled").num_errors == 4


def test_bug_14_probabilities_are_averaged_not_their_logarithms():
    images = InMemory(torch.zeros(4, 1, 2, 2, dtype=torch.uint8), torch.zeros(4, dtype=torch.int64))
    chances = torch.tensor([0.9, 0.9, 1e-6])
    assert chances.mean() > 0.5
    assert chances.log().mean() < (1 - chances).log().mean()  # the mean of logarithms would be wrong
    assert evaluate(Passes(*chances.tolist()), images, policy="sampled", num_rollouts=3).num_errors == 0


def test_passes_over_one_image_are_averaged(model, images):
    """Passes of the mean policy are equal, so that their number does not matter."""
    one, four = (evaluate(model, images, policy="mean", num_rollouts=m) for m in (1, 4))
    assert torch.equal(one.confusion, four.confusion)


def test_the_sampled_policy_depends_only_on_the_seed(model, images):
    one, again, other = (evaluate(model, images, policy="sampled", seed=seed).confusion.tolist() for seed in (1, 1, 2))
    assert one == again != other


def test_the_mean_policy_is_deterministic(model, images):
    assert torch.equal(evaluate(model, images, seed=1).confusion, evaluate(model, images, seed=2).confusion)


@pytest.mark.parametrize("policy", ["mean", "sampled"])
def test_the_policy_chooses_the_locations(model, images, policy: str):
    looked = []
    model.glimpse.register_forward_hook(lambda _module, inputs, _feature: looked.append(inputs[1]))
    assert evaluate(model, images, policy=policy).policy == policy
    model.eval()(images.image)
    assert all(torch.equal(first, second) for first, second in zip(looked[:3], looked[3:], strict=True)) == (
        policy == "mean"
    )


def test_a_stochastic_model_is_sampled_by_default(model, images):
    model.locator.unit.stochastic = True
    assert evaluate(model, images).policy == "sampled"
    mean = evaluate(model, images, policy="mean")
    model.locator.unit.stochastic = False
    assert torch.equal(mean.confusion, evaluate(model, images).confusion)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("stochastic", [True, False])
@pytest.mark.parametrize("policy", ["mean", "sampled", None])
@pytest.mark.parametrize("fails", [True, False])
def test_evaluation_does_not_change_the_model(
    model, images, training: bool, stochastic: bool, policy: str | None, fails: bool
):
    """Neither the mode of any part nor `stochastic` of any unit, even after an error."""
    model.train(training)
    model.classifier.train(not training)
    model.locator.unit.stochastic = stochastic
    before = [module.training for module in model.modules()]
    if fails:
        images = InMemory(torch.zeros(1, 2, 7, 9, dtype=torch.uint8), torch.zeros(1, dtype=torch.int64))
        with pytest.raises(RuntimeError):
            evaluate(model, images, policy=policy)
    else:
        evaluate(model, images, policy=policy)
    assert [module.training for module in model.modules()] == before
    assert model.locator.unit.stochastic is stochastic


def test_evaluation_has_no_gradient_and_leaves_the_global_random_state(model, images):
    before = torch.get_rng_state()
    evaluate(model, images, policy="sampled")
    assert torch.equal(before, torch.get_rng_state())
    assert all(parameter.grad is None for parameter in model.parameters())
    assert not any(seen.probabilities.requires_grad for seen in predict(model, images, "mean"))


@given(n=st.integers(1, 10**6), data=st.data())
def test_wilson_solves_its_equation(n: int, data):
    wrong = data.draw(st.integers(0, n))
    assert wilson(wrong, n) == pytest.approx(wilson_interval(wrong, n), abs=1e-9)


@pytest.mark.parametrize(
    ("wrong", "n", "interval"), [(0, 10, (0.0, 0.2775)), (10, 10, (0.7225, 1.0)), (15, 100, (0.0931, 0.2328))]
)
def test_wilson_equals_published_values(wrong: int, n: int, interval: tuple[float, float]):
    assert wilson(wrong, n) == pytest.approx(interval, abs=5e-5)


def test_wilson_narrows_with_the_square_root_of_n():
    widths = [math.dist([wilson(n // 10, n)[0]], [wilson(n // 10, n)[1]]) for n in (10**4, 10**6)]
    assert widths[0] / widths[1] == pytest.approx(10, rel=0.01)


@pytest.mark.parametrize("policy", ["", "greedy", "Mean"])
def test_an_unknown_policy_is_refused(model, images, policy: str):
    with pytest.raises(ValueError, match=r"`policy` should be one of 'mean', .* Found"):
        evaluate(model, images, policy=policy)


def test_an_empty_set_is_refused(model):
    empty = InMemory(torch.zeros(0, 1, 7, 9, dtype=torch.uint8), torch.zeros(0, dtype=torch.int64))
    with pytest.raises(ValueError, match=r"should hold at least one image\. Found none\."):
        evaluate(model, empty)


@pytest.mark.parametrize("num_rollouts", [0, -1])
def test_an_impossible_number_of_passes_is_refused(model, images, num_rollouts: int):
    with pytest.raises(ValueError, match=r"`num_rollouts` should be at least 1\."):
        evaluate(model, images, num_rollouts=num_rollouts)


def test_fixed_policies_read_their_locations(model, images):
    """In every batch and with any start of the model, which keeps its locator."""
    locator, seen, model.start = model.locator, {}, "random"
    for policy in ("random", "center", "raster"):
        found = list(predict(model, images, policy, 2, 5, batch_size=N // 2 + 1))
        assert len(found) == 2
        seen[policy] = torch.cat([each.locations for each in found], 2)
        assert model.locator is locator
    assert seen["random"].shape == (5, 2, N, 2)
    assert (seen["random"].abs().amax((0, 1, 2)) <= locator.reach).all()
    assert len(seen["random"].flatten(0, 2).unique(dim=0)) == 5 * 2 * N
    assert not seen["center"].any()
    rows = torch.tensor([(-1.0, -1.0), (0.0, -1.0), (1.0, -1.0), (-1.0, 1.0), (1.0, 1.0)]) * locator.reach
    torch.testing.assert_close(seen["raster"], rows.view(5, 1, 1, 2).expand(5, 2, N, 2))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("policy", ["mean", "sampled", "random", "center", "raster"])
def test_a_model_of_another_type_is_evaluated(model, images, policy: str, dtype: torch.dtype):
    expected, found = (evaluate(each, images, policy=policy) for each in (model, copy.deepcopy(model).to(dtype)))
    assert found.n == N
    if dtype == torch.float64 and policy != "sampled":  # normal draws depend on the type
        assert torch.equal(found.confusion, expected.confusion)


@pytest.mark.usefixtures("without_shape_checks")
def test_floats_in_0_to_255_are_refused_where_the_model_does_not_see_the_values(monkeypatch: pytest.MonkeyPatch):
    """A compiled model does not read them, nor does one on a GPU."""
    model = build(Model(image=(1, 8, 8), classes=tuple("0123456789"), num_glimpses=1))
    digits = load("digits").test
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: True)
    model.static_scene(digits.image.float())
    with monkeypatch.context() as patch:
        patch.setattr(model, "forward", lambda *_, **__: pytest.fail("the model was asked"))
        patch.setattr(torch.compiler, "is_compiling", lambda: False)
        with pytest.raises(ValueError, match=r"^`image` of torch.float32 should be in \[0, 1\]\. Found 255: divide by"):
            evaluate(model, InMemory(digits.image.float(), digits.label))


def test_the_answers_to_the_images_are_kept_in_order():
    model = build(Model(image=(1, 8, 8), classes=tuple("0123456789"), num_glimpses=3))
    images = load("digits").test
    kept = evaluate(model, images, policy="sampled", num_rollouts=2, batch_size=100)
    assert kept.answers
    parts = list(predict(model, images, "sampled", 2, batch_size=100))
    probabilities = torch.cat([part.probabilities[-1] for part in parts])
    assert_equal(kept.answers.label, images.label)
    assert_equal(kept.answers.prediction, probabilities.argmax(1))
    assert_equal(kept.answers.probability, probabilities.amax(1))
    assert_equal(kept.answers.probability_of_label, probabilities[torch.arange(len(images)), images.label])
    assert_equal(kept.answers.locations, torch.cat([part.locations for part in parts], 2))
    assert int((kept.answers.prediction != kept.answers.label).sum()) == kept.num_errors
    assert "answers" not in kept.to_dict()
