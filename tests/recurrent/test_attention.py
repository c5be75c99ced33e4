"""The loop equals a plain loop, with any parts and any start."""

import copy
import dataclasses
import io

import pytest
import torch
from torch import nn
from torch.utils._pytree import tree_leaves, tree_map

from asserts import assert_same_rollout
from foveate import GRUCore, HybridLoss, LSTMCore, RecurrentAttention, Rollout, build
from foveate.policy.fixed import RasterLocator
from recurrent.tiny import CLASSES, WIDTH, Drift, PlainGlimpse, Sum, agent
from slow_forms import roll_out
from training.tiny import tiny_model

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
    assert rollout.member_logits is None  # no ensemble
    assert rollout.num_glimpses is None  # all took all
    shapes = {name: tuple(value.shape) for name, value in vars(rollout).items() if value is not None}
    assert shapes == {
        "logits": (3, 8, CLASSES),
        "locations": (3, 8, 2),
        "log_probs": (3, 8),
        "baselines": (3, 8),
        "hiddens": (3, 8, WIDTH),
    }
    assert torch.equal(rollout.final_logits, rollout.logits[-1])
    with pytest.raises(dataclasses.FrozenInstanceError):
        rollout.logits = rollout.logits


def test_custom_parts_with_the_same_interface_work():
    model = RecurrentAttention(PlainGlimpse(), Sum(), Drift(), nn.Identity(), num_glimpses=4)
    rollout = model(torch.full((2, 1, 3, 3), 0.5))
    x = torch.tensor([0.125, 0.25, 0.5, 1.0])  # each is the sum of the ones before, plus 0.125
    assert torch.equal(rollout.locations[:, 0], torch.stack([x, torch.zeros(4)], dim=1))
    assert torch.equal(rollout.hiddens[-1], torch.tensor([[2.0, 1.875, 0.0]] * 2))
    assert torch.equal(rollout.logits, rollout.hiddens)
    assert torch.equal(rollout.baselines, torch.zeros(4, 2))


def test_locations_depend_only_on_the_generator():
    model, image = agent(), torch.rand(4, 1, 7, 9)
    first = model(image, generator=drawn()).locations
    torch.manual_seed(1)
    assert torch.equal(first, model(image, generator=drawn()).locations)
    assert not torch.equal(first, model(image, generator=drawn(1)).locations)


def test_evaluation_takes_the_mean_and_needs_no_generator():
    model, image = agent().eval(), torch.rand(4, 1, 7, 9)
    assert_same_rollout(model(image), vars(model(image, generator=drawn())))


def test_fewer_glimpses_are_the_first_of_more():
    model, image = agent(), torch.rand(4, 1, 7, 9)
    long, short = (model(image, num_glimpses=n, generator=drawn()) for n in (6, 2))
    assert torch.equal(long.locations[:2], short.locations)
    assert torch.equal(long.hiddens[:2], short.hiddens)


def test_entry_i_of_several_rollouts_reads_image_i_modulo_the_batch():
    model, image = agent().eval(), torch.rand(3, 1, 7, 9)
    answer = model(image, num_rollouts=4).final_logits
    torch.testing.assert_close(answer, model(image).final_logits.repeat(4, 1))
    assert not torch.allclose(answer[0], answer[1])  # the predictions depend on the images


def test_rollouts_of_one_image_are_drawn_independently():
    locations = agent()(torch.rand(3, 1, 7, 9), num_rollouts=2).locations
    assert not torch.equal(locations[:, :3], locations[:, 3:])


def test_every_answer_can_be_turned_off():
    model, image = agent(), torch.rand(4, 1, 7, 9)
    every, last = (model(image, every_answer=which, generator=drawn()) for which in (True, False))
    assert (len(every.logits), len(last.logits)) == (3, 1)
    torch.testing.assert_close(last.final_logits, every.final_logits)
    assert_same_rollout(last, vars(every), but=("logits",))


def test_a_learned_start_is_the_location_of_a_hidden_state_of_zeros():
    model = agent().eval()
    expected, _ = model.locator(torch.zeros(4, WIDTH))
    assert torch.equal(model(torch.rand(4, 1, 7, 9), start="learned").locations[0], expected)
    assert expected.any()


def test_a_start_in_the_center():
    rollout = agent(start="center")(torch.rand(4, 1, 7, 9))
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


def test_a_start_may_be_given_for_all_for_each_image_or_for_each_rollout():
    model, image = agent(), torch.rand(3, 1, 7, 9)
    each, every = torch.rand(3, 2), torch.rand(6, 2)
    for given, expected in [(each[0], each[:1].repeat(6, 1)), (each, each.repeat(2, 1)), (every, every)]:
        rollout = model(image, start=given, num_rollouts=2, generator=drawn())
        slow = roll_out(model, image, drawn(), num_glimpses=3, num_rollouts=2, start=expected)
        assert_same_rollout(rollout, slow)


@pytest.mark.parametrize("start", ["center", "random", torch.zeros(2)])
def test_a_start_that_is_not_learned_is_not_scored(start):
    log_probs = agent()(torch.rand(4, 1, 7, 9), start=start).log_probs
    assert not log_probs[0].any()
    assert log_probs[1:].all()


def test_the_start_of_a_call_overrides_the_start_of_the_model():
    rollout = agent(start="random")(torch.rand(4, 1, 7, 9), start="center")
    assert not rollout.locations[0].any()


@pytest.mark.parametrize("image_type", [torch.uint8, torch.float16, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("model_type", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("core", CORES)
def test_images_of_any_type_work_in_models_of_any_type(core: str, model_type: torch.dtype, image_type: torch.dtype):
    """Logits equal those of a float64 model on float64 images, within the precision of the types."""
    model = (agent(core=CORES[core]) if CORES[core] else agent()).eval()
    image = torch.randint(256, (2, 1, 7, 9), generator=drawn()).to(torch.uint8)
    pixels = image if image_type == torch.uint8 else (image / 255).to(image_type)
    expected = copy.deepcopy(model).double()((image / 255).double(), start="center", num_glimpses=1).logits
    for start in ("learned", "center", "random"):
        rollout = copy.deepcopy(model).to(model_type)(pixels, start=start, num_glimpses=1, generator=drawn())
        assert rollout.logits.dtype == model_type
        assert rollout.locations.dtype == torch.promote_types(model_type, torch.float32)
        if start == "center":
            torch.testing.assert_close(rollout.logits.double(), expected, rtol=0.02, atol=0.02)


@pytest.mark.parametrize("training", [True, False])
def test_sampling_is_an_argument(training: bool):
    model, image = agent().train(training), torch.rand(4, 1, 7, 9)
    mean, drawn_places = (model(image, sample=sample, generator=drawn()).locations for sample in (False, True))
    assert torch.equal(mean, agent_in(model, False)(image).locations)
    assert torch.equal(drawn_places, agent_in(model, True)(image, generator=drawn()).locations)
    assert not torch.equal(mean, drawn_places)
    assert model.training is training


def agent_in(model: RecurrentAttention, training: bool) -> RecurrentAttention:
    """A copy in training or evaluation mode."""
    return copy.deepcopy(model).train(training)


def test_a_given_locator_replaces_the_models_for_one_call():
    model, image = agent(start="random"), torch.rand(4, 1, 7, 9)
    own = model.locator
    raster = RasterLocator(3, 0.5)
    expected = torch.stack([raster.at(step)(torch.zeros(4, 1))[0] for step in range(3)])
    for _ in range(2):  # a raster starts again in every call
        rollout = model(image, locator=raster)
        assert torch.equal(rollout.locations, expected)
        assert not rollout.log_probs.any()
    assert torch.equal(model(image, locator=raster, start="center").locations[1:], expected[1:])
    assert not model(image, locator=raster, start="center").locations[0].any()
    assert model.locator is own


@pytest.mark.usefixtures("without_shape_checks")
@pytest.mark.parametrize("image", [torch.rand(4, 1, 8, 8), torch.randint(256, (40, 1, 8, 8)).to(torch.uint8)])
@pytest.mark.parametrize("ensemble", [1, 2])
def test_it_can_be_exported_for_batches_of_any_size(image: torch.Tensor, ensemble: int):
    model = build(tiny_model(ensemble=ensemble)).eval()
    batch = torch.export.Dim("batch", min=2, max=1000)
    program = torch.export.export(model, (image,), dynamic_shapes={"image": {0: batch}})
    file = io.BytesIO()
    torch.export.save(program, file)
    file.seek(0)
    for exported in (program.module(), torch.export.load(file).module()):
        for size in (2, 7, 64):
            pixels = image[torch.arange(size) % len(image)]
            rollout = exported(pixels)
            assert isinstance(rollout, Rollout)
            torch.testing.assert_close(vars(rollout), vars(model(pixels)))


def test_rollouts_and_losses_are_trees_of_tensors():
    model = build(tiny_model(ensemble=2))
    rollout = model(torch.rand(4, 1, 8, 8))
    losses = HybridLoss()(rollout, torch.tensor([0, 1, 0, 1]))
    for record in (rollout, losses):
        tensors = {name: value for name, value in vars(record).items() if value is not None}
        assert len(tree_leaves(record)) == len(tensors) == 6
        doubled = tree_map(lambda leaf: 2 * leaf, record)
        assert type(doubled) is type(record)
        for name, value in tensors.items():
            assert torch.equal(getattr(doubled, name), 2 * value)


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
def test_impossible_arguments_of_a_call_are_refused(settings: dict, sentence: str):
    with pytest.raises(ValueError, match=sentence):
        agent()(torch.rand(4, 1, 7, 9), **settings)


@pytest.mark.parametrize("settings", [{"num_glimpses": 0}, {"start": "middle"}])
def test_impossible_arguments_are_refused_by_the_constructor(settings: dict):
    with pytest.raises(ValueError, match="should be"):
        agent(**settings)


def test_a_single_image_is_refused_with_advice():
    with pytest.raises(ValueError, match=r"Found \(1, 7, 9\); `image.unsqueeze\(0\)` makes a batch of one"):
        agent()(torch.rand(1, 7, 9))
