"""The loop: equal to a plain one, with any parts, from any start."""

import dataclasses

import pytest
import torch
from torch import nn

from asserts import assert_same_rollout
from foveate import GRUCore, LSTMCore, RecurrentAttention
from recurrent.tiny import CLASSES, WIDTH, Drift, PlainGlimpse, Sum, agent
from slow_forms import roll_out

CORES = {"rectified": None, "lstm": LSTMCore(WIDTH, WIDTH), "gru": GRUCore(WIDTH, WIDTH)}


def drawn(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("core", CORES)
@pytest.mark.parametrize("num_glimpses", [1, 3, 8])
@pytest.mark.parametrize("num_rollouts", [1, 4])
@pytest.mark.parametrize("sampled", [True, False])
def test_loop_equals_the_plain_one(core: str, num_glimpses: int, num_rollouts: int, sampled: bool):
    model = agent(core=CORES[core]) if CORES[core] else agent()
    model.train(sampled)
    image = torch.rand(5, 1, 7, 9)
    rollout = model(image, num_glimpses=num_glimpses, num_rollouts=num_rollouts, generator=drawn())
    slow = roll_out(model, image, drawn(), num_glimpses=num_glimpses, num_rollouts=num_rollouts)
    assert_same_rollout(rollout, slow)


@pytest.mark.parametrize("batch", [1, 2])
@pytest.mark.parametrize("sides", [(1, 1), (3, 11), (40, 5)])
@pytest.mark.parametrize("kind", [torch.uint8, torch.float32])
def test_bug_09_a_batch_of_one_and_odd_sizes(batch: int, sides: tuple[int, int], kind: torch.dtype):
    model, image = agent(), (torch.rand(batch, 1, *sides) * 255).to(kind)
    rollout = model(image, generator=drawn())
    assert_same_rollout(rollout, roll_out(model, image, drawn(), num_glimpses=3))
    assert rollout.logits.isfinite().all()


def test_a_rollout_is_time_first_and_frozen():
    rollout = agent()(torch.rand(4, 1, 7, 9), num_rollouts=2)
    assert rollout.votes is None  # of one network
    shapes = {name: tuple(value.shape) for name, value in vars(rollout).items() if name != "votes"}
    assert shapes == {
        "logits": (3, 8, CLASSES),
        "locations": (3, 8, 2),
        "log_probs": (3, 8),
        "baselines": (3, 8),
        "hiddens": (3, 8, WIDTH),
    }
    assert torch.equal(rollout.answer, rollout.logits[-1])
    with pytest.raises(dataclasses.FrozenInstanceError):
        rollout.logits = rollout.logits


def test_any_parts_with_the_same_interface_will_do():
    model = RecurrentAttention(PlainGlimpse(), Sum(), Drift(), nn.Identity(), num_glimpses=4)
    rollout = model(torch.full((2, 1, 3, 3), 0.5))
    x = torch.tensor([0.125, 0.25, 0.5, 1.0])  # each is the sum of those before, plus 0.125
    assert torch.equal(rollout.locations[:, 0], torch.stack([x, torch.zeros(4)], dim=1))
    assert torch.equal(rollout.hiddens[-1], torch.tensor([[2.0, 1.875, 0.0]] * 2))
    assert torch.equal(rollout.logits, rollout.hiddens)
    assert torch.equal(rollout.baselines, torch.zeros(4, 2))


def test_one_generator_is_all_the_randomness_of_the_locations():
    model, image = agent(), torch.rand(4, 1, 7, 9)
    first = model(image, generator=drawn()).locations
    torch.manual_seed(1)
    assert torch.equal(first, model(image, generator=drawn()).locations)
    assert not torch.equal(first, model(image, generator=drawn(1)).locations)


def test_evaluation_looks_at_the_mean_and_needs_no_generator():
    model, image = agent().eval(), torch.rand(4, 1, 7, 9)
    assert_same_rollout(model(image), vars(model(image, generator=drawn())))


def test_fewer_glimpses_are_the_first_of_more():
    model, image = agent(), torch.rand(4, 1, 7, 9)
    long, short = (model(image, num_glimpses=n, generator=drawn()) for n in (6, 2))
    assert torch.equal(long.locations[:2], short.locations)
    assert torch.equal(long.hiddens[:2], short.hiddens)


def test_entry_i_of_several_rollouts_looks_at_image_i_modulo_the_batch():
    model, image = agent().eval(), torch.rand(3, 1, 7, 9)
    answer = model(image, num_rollouts=4).answer
    torch.testing.assert_close(answer, model(image).answer.repeat(4, 1))
    assert not torch.allclose(answer[0], answer[1])  # else the images would not matter


def test_several_rollouts_of_one_image_are_drawn_apart():
    locations = agent()(torch.rand(3, 1, 7, 9), num_rollouts=2).locations
    assert not torch.equal(locations[:, :3], locations[:, 3:])


def test_only_the_last_answer_is_given_on_request():
    model, image = agent(), torch.rand(4, 1, 7, 9)
    every, last = (model(image, every_answer=which, generator=drawn()) for which in (True, False))
    assert (len(every.logits), len(last.logits)) == (3, 1)
    torch.testing.assert_close(last.answer, every.answer)
    assert_same_rollout(last, vars(every), but=("logits",))


def test_a_learned_start_is_the_locators_answer_to_a_hidden_state_of_zeros():
    model = agent().eval()
    expected, _ = model.locator(torch.zeros(4, WIDTH))
    assert torch.equal(model(torch.rand(4, 1, 7, 9), start="learned").locations[0], expected)
    assert expected.any()


def test_a_start_in_the_centre():
    rollout = agent(start="centre")(torch.rand(4, 1, 7, 9))
    assert torch.equal(rollout.locations[0], torch.zeros(4, 2))


def test_a_random_start_fills_the_reach_evenly():
    first = agent(start="random")(torch.rand(1, 1, 7, 9), num_rollouts=4000, generator=drawn()).locations[0]
    reach = torch.tensor([0.9, 0.7])
    assert (first.abs() <= reach).all()
    # Five standard errors of the mean (1 / sqrt(3)) and of the mean square (2 / sqrt(45)) of a uniform number.
    torch.testing.assert_close((first / reach).mean(0), torch.zeros(2), atol=5 * 0.58 / 4000**0.5, rtol=0)
    torch.testing.assert_close(
        (first / reach).square().mean(0), torch.full((2,), 1 / 3), atol=5 * 0.3 / 4000**0.5, rtol=0
    )


def test_a_random_start_comes_from_the_generator():
    model, image = agent(start="random"), torch.rand(4, 1, 7, 9)
    first = model(image, generator=drawn()).locations
    assert torch.equal(first, model(image, generator=drawn()).locations)


def test_a_start_given_for_all_or_for_each_image_or_for_each_rollout():
    model, image = agent(), torch.rand(3, 1, 7, 9)
    each, every = torch.rand(3, 2), torch.rand(6, 2)
    for given, expected in [(each[0], each[:1].repeat(6, 1)), (each, each.repeat(2, 1)), (every, every)]:
        rollout = model(image, start=given, num_rollouts=2, generator=drawn())
        slow = roll_out(model, image, drawn(), num_glimpses=3, num_rollouts=2, start=expected)
        assert_same_rollout(rollout, slow)


@pytest.mark.parametrize("start", ["centre", "random", torch.zeros(2)])
def test_only_locations_that_the_locator_drew_are_scored(start):
    log_probs = agent()(torch.rand(4, 1, 7, 9), start=start).log_probs
    assert not log_probs[0].any()
    assert log_probs[1:].all()


def test_the_calls_start_comes_before_the_models():
    rollout = agent(start="random")(torch.rand(4, 1, 7, 9), start="centre")
    assert not rollout.locations[0].any()


def test_the_loop_runs_in_double_precision():
    model = agent().double()
    for start in ("learned", "centre", "random"):
        assert model(torch.rand(2, 1, 7, 9).double(), start=start).logits.dtype == torch.float64


def test_it_has_no_parameters_of_its_own():
    model = agent()
    assert {name.split(".")[0] for name, _ in model.named_parameters()} == {
        "glimpse",
        "core",
        "locator",
        "classifier",
        "baseline",
    }


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"num_glimpses": 0}, r"`num_glimpses` should be at least 1\. Found `num_glimpses = 0`\."),
        ({"num_rollouts": 0}, r"`num_rollouts` should be at least 1\. Found `num_rollouts = 0`\."),
        ({"start": "middle"}, r"`start` should be .*\. Found `start = 'middle'`\."),
        ({"start": torch.zeros(3, 2)}, "`location` should be|`start` should be"),
        ({"start": torch.zeros(8, 2)}, "`location` should be|`start` should be"),
    ],
)
def test_an_impossible_call_is_refused(settings: dict, sentence: str):
    with pytest.raises(ValueError, match=sentence):
        agent()(torch.rand(4, 1, 7, 9), **settings)


@pytest.mark.parametrize("settings", [{"num_glimpses": 0}, {"start": "middle"}])
def test_an_impossible_agent_is_refused_when_it_is_made(settings: dict):
    with pytest.raises(ValueError, match="should be"):
        agent(**settings)


def test_a_single_image_is_refused_with_the_way_out():
    with pytest.raises(ValueError, match=r"Found \(1, 7, 9\); `image.unsqueeze\(0\)` makes a batch of one"):
        agent()(torch.rand(1, 7, 9))
