"""`look` keeps what the model did, and nothing else."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from foveate.glimpse.location import boxes
from foveate.glimpse.sensor import SpatialGlimpse
from foveate.viewing.look import look
from viewing.tiny import CLASSES, tiny_look, tiny_model

IMAGE = torch.rand(1, 20, 30, generator=torch.Generator().manual_seed(1))


def test_a_look_is_the_models_rollout() -> None:
    model = tiny_model(depth=2).eval()
    seen, rollout = look(model, IMAGE), model(IMAGE.unsqueeze(0))
    assert torch.equal(seen.locations, rollout.locations[:, 0])
    assert torch.equal(seen.probabilities, rollout.logits[:, 0].softmax(-1))
    assert seen.answer == CLASSES[int(rollout.final_logits.argmax())]
    assert seen.probability == seen.probabilities[-1].max()
    assert torch.equal(seen.image, IMAGE)


@pytest.mark.parametrize("channels", [1, 3])
def test_glimpses_are_what_the_sensor_sees_scale_by_scale(channels: int) -> None:
    model = tiny_model((channels, 20, 30), depth=3)
    sensor = model.get_submodule("glimpse.sensor")
    assert isinstance(sensor, SpatialGlimpse)
    image = IMAGE.expand(channels, 20, 30) * torch.rand(channels, 1, 1)
    seen = look(model, image)
    assert seen.glimpses.shape == (7, 3, channels, 4, 6)
    for step, location in enumerate(seen.locations):
        for scale, patch in enumerate(sensor(image, location).chunk(3)):
            assert torch.equal(seen.glimpses[step, scale], patch)
    assert torch.equal(seen.boxes, boxes(seen.locations, (20, 30), sensor.windows))


def test_number_of_glimpses_and_start() -> None:
    model = tiny_model()
    assert len(look(model, IMAGE, num_glimpses=3).locations) == 3
    assert look(model, IMAGE, start="center").locations[0].tolist() == [0, 0]
    assert look(model, IMAGE, start=(0.5, -1.0)).locations[0].tolist() == [0.5, -1]
    assert look(model, IMAGE, start=torch.tensor([0.5, -1.0])).locations[0].tolist() == [0.5, -1]


def test_the_seed_decides_what_is_sampled_and_nothing_else() -> None:
    model = tiny_model()
    first, again, other = (look(model, IMAGE, policy="sampled", seed=seed).locations for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(look(model, IMAGE, seed=1).locations, look(model, IMAGE, seed=2).locations)
    assert not torch.equal(*(look(model, IMAGE, start="random", seed=seed).locations for seed in (1, 2)))


def test_the_policy_is_the_models_own_unless_named() -> None:
    sampling = tiny_model(stochastic=True)
    mean = look(tiny_model(), IMAGE).locations
    assert torch.equal(look(sampling, IMAGE, policy="mean").locations, mean)
    assert not torch.equal(look(sampling, IMAGE).locations, mean)


@pytest.mark.parametrize("training", [True, False])
def test_the_model_is_left_as_it_was(training: bool) -> None:
    model = tiny_model(dropout=0.5).train(training)
    state = torch.random.get_rng_state()
    assert torch.equal(look(model, IMAGE).probabilities, look(model, IMAGE).probabilities)
    assert model.training == training
    assert torch.equal(torch.random.get_rng_state(), state)
    with pytest.raises(ValueError, match="num_glimpses"):
        look(model, IMAGE, num_glimpses=0, policy="sampled")
    assert model.training == training


def test_a_file_is_named_and_fitted(tmp_path: Path) -> None:
    Image.fromarray(np.full((40, 100), 255, dtype=np.uint8)).save(tmp_path / "wide.png")
    seen = look(tiny_model(), tmp_path / "wide.png")
    assert (seen.name, seen.original, seen.zoom) == ("wide.png", (40, 100), (0.3, 0.3))
    assert seen.image.shape == (1, 20, 30)
    assert seen.image[0, :4].max() == 0
    assert seen.image[0, 4:16].min() == 255


def test_the_answer_is_what_it_thinks_at_the_end() -> None:
    seen = tiny_look(IMAGE, [(0.0, 0.0)] * 2, probabilities=torch.tensor([[0.9, 0.1, 0.0], [0.2, 0.2, 0.6]]))
    assert seen.answer == CLASSES[2]
    assert seen.probability == pytest.approx(0.6)


def test_it_says_when_it_was_sure_and_what_it_would_have_answered_before() -> None:
    model, image = tiny_model(init_range=0.8, num_glimpses=4), 0.5 * torch.rand(1, 20, 30)
    whole = look(model, image)
    sure = float(whole.probabilities[1].max())
    later = min(1.0, float(whole.probabilities.max()) + 1e-3)
    seen = look(model, image, stop=sure)
    count = next(i for i, (_, value) in enumerate(whole.answers, 1) if value >= sure)
    assert seen.sure
    assert seen.stopping == f"sure after {count} of 4 glimpses"
    assert [name for name, _ in seen.answers] == [name for name, _ in whole.answers[:count]]
    assert look(model, image, stop=later).stopping == "not sure after 4 glimpses"
    assert not look(model, image, stop=1.0).sure
    assert (whole.stopping, whole.sure) == ("", False)


def test_correct_and_wrong() -> None:
    model = tiny_model()
    answer = look(model, IMAGE).answer
    assert look(model, IMAGE).correct is None
    assert look(model, IMAGE, label=answer).correct is True
    assert look(model, IMAGE, label="fox").correct is False


def test_a_look_goes_through_json() -> None:
    seen = look(tiny_model(depth=2), IMAGE, label="cat")
    told = json.loads(json.dumps(seen.to_dict()))
    assert told["answer"] == seen.answer
    assert told["label"] == "cat"
    assert torch.equal(torch.tensor(told["boxes"]), seen.boxes)
    assert torch.equal(torch.tensor(told["probabilities"]), seen.probabilities)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"policy": "greedy"}, "`policy` should be 'mean' or 'sampled'. Found `policy = 'greedy'`"),
        ({"resize": "squash"}, "`resize` should be .* Found `resize = 'squash'`"),
        ({"start": "middle"}, "`start` should be .* Found `start = 'middle'`"),
        ({"start": (0.0, 2.0)}, r"`start` should be a location \(x, y\)"),
        ({"start": (0.0, float("nan"))}, r"`start` should be a location \(x, y\)"),
        ({"start": torch.zeros(3)}, r"`start` should be a location \(x, y\)"),
        ({"num_glimpses": 0}, "`num_glimpses` should be at least 1"),
    ],
)
def test_impossible_options(options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        look(tiny_model(), IMAGE, **options)
