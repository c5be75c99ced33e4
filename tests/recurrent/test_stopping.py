"""Stopping when sure gives what the full rollout gives at that step, to the bit, whoever else is in the batch."""

import dataclasses
from typing import Any

import pytest
import torch
from torch import Tensor

from foveate.config import Model
from foveate.recurrent.attention import RecurrentAttention, StaticScene
from foveate.recurrent.rollout import Rollout
from foveate.recurrent.stopping import MIN_ROWS, confidence
from foveate.training.build import build

MODEL = Model(image=(1, 20, 16), classes=("a", "b", "c"), num_glimpses=5, glimpse_size=(6, 6), depth=2, unit_pixels=7.0)
KINDS: dict[str, dict[str, Any]] = {
    "plain": {},
    "lstm": {"core": "lstm"},
    "ensemble": {"ensemble": 2},
    "center": {"first_glimpse": "center"},
    "random": {"first_glimpse": "random"},
    "random gaze": {"gaze": "random"},
    "raster gaze": {"gaze": "raster"},
}


def made(**changes: Any) -> RecurrentAttention:
    """A model whose answers differ enough to stop at different glimpses."""
    model = build(dataclasses.replace(MODEL, **changes)).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(2.5 if parameter.ndim > 1 else 0)
    return model


def middling(model: RecurrentAttention, image: Tensor, num_rollouts: int = 1) -> float:
    """A threshold that some images reach early and some late."""
    with torch.no_grad():
        rollout = model(image, num_rollouts=num_rollouts, generator=torch.Generator().manual_seed(3))
    return float(confidence(rollout.logits, num_rollouts).quantile(0.8))


def images(number: int = 40) -> Tensor:
    blocks = torch.randint(0, 2, (number, 1, 5, 4), dtype=torch.uint8) * 255
    return blocks.repeat_interleave(4, 2).repeat_interleave(4, 3)


def both(model: RecurrentAttention, image: Tensor, stop: float, **settings: Any) -> tuple[Rollout, Rollout]:
    """The rollout that stops when sure, and the one to the end."""
    with torch.no_grad():
        draws = [torch.Generator().manual_seed(3) for _ in range(2)]
        return model(image, stop=stop, generator=draws[0], **settings), model(image, generator=draws[1], **settings)


def first_sure(full: Rollout, stop: float, num_rollouts: int) -> Tensor:
    """Number of glimpses of each image, found one by one."""
    sure = confidence(full.logits, num_rollouts)
    counts = []
    for values in sure.T.tolist():
        reached = [step + 1 for step, value in enumerate(values) if value >= stop]
        counts.append(reached[0] if reached else len(values))
    return torch.tensor(counts)


def same(found: Tensor, expected: Tensor) -> bool:
    """The same bits in float32, where `MIN_ROWS` makes the products of a smaller batch round alike."""
    return found.equal(expected) if found.dtype == torch.float32 else bool(torch.isclose(found, expected).all())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("num_rollouts", "sample"), [(1, False), (1, True), (3, True)])
def test_it_is_the_full_rollout_cut_where_each_image_is_sure(kind: str, num_rollouts: int, sample: bool):
    model, image = made(**KINDS[kind]), images()
    stop = middling(model, image, num_rollouts)
    found, full = both(model, image, stop, num_rollouts=num_rollouts, sample=sample)
    counts = first_sure(full, stop, num_rollouts)
    assert len(counts.unique()) >= 2, "the test should see images that leave early and late"
    assert found.num_glimpses is not None
    assert found.num_glimpses.equal(counts.repeat(num_rollouts))
    for entry, count in enumerate(found.num_glimpses.tolist()):
        assert same(found.final_logits[entry], full.logits[count - 1, entry])
        assert same(found.logits[:count, entry], full.logits[:count, entry])
        assert same(found.hiddens[:count, entry], full.hiddens[:count, entry])
        assert same(found.locations[:count, entry], full.locations[:count, entry])
        assert same(found.log_probs[:count, entry], full.log_probs[:count, entry])
        assert found.locations[count:, entry].isnan().all()
        assert not found.log_probs[count:, entry].any()
        assert (found.hiddens[count - 1 :, entry] == found.hiddens[count - 1, entry]).all()


def test_an_answer_does_not_depend_on_the_neighbours():
    model, image = made(), images(3 * MIN_ROWS)
    stop = middling(model, image)
    order = torch.randperm(len(image))
    with torch.no_grad():
        whole = model(image, stop=stop)
        mixed = model(image[order], stop=stop)
        parts = [model(part, stop=stop) for part in image.split(MIN_ROWS)]
        alone = [model(one, stop=stop) for one in image.split(1)]
    assert same(mixed.final_logits, whole.final_logits[order])
    assert same(torch.cat([part.final_logits for part in parts]), whole.final_logits)
    assert torch.cat([part.num_glimpses for part in parts]).equal(whole.num_glimpses)
    torch.testing.assert_close(torch.cat([one.final_logits for one in alone]), whole.final_logits)


def test_thresholds_zero_and_one():
    model, image = made(), images()
    with torch.no_grad():
        model.classifier[-1].weight.mul_(1000)  # so sure that probabilities round to 1
    at_once, full = both(model, image, 0.0)
    assert at_once.num_glimpses.eq(1).all()
    assert at_once.logits.equal(full.logits[:1])
    never, full = both(model, image, 1.0)
    assert confidence(full.logits).amax() == 1
    assert never.num_glimpses.eq(5).all()
    assert never.logits.equal(full.logits)
    assert never.locations.equal(full.locations)


def test_the_batch_shrinks(monkeypatch: pytest.MonkeyPatch):
    model, image = made(), images()
    stop = middling(model, image)
    rows = []
    forward = model.core.forward

    def counted(feature: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        rows.append(len(feature))
        return forward(feature, state)

    monkeypatch.setattr(model.core, "forward", counted)
    with torch.no_grad():
        counts = model(image, stop=stop).num_glimpses
    assert rows == [max(int((counts > step).sum()), MIN_ROWS) for step in range(int(counts.max()))]
    assert rows[-1] < rows[0]


@pytest.mark.parametrize("stop", [-0.1, 1.1, float("nan")])
def test_a_threshold_is_a_probability(stop: float):
    with pytest.raises(ValueError, match="`stop` should be a probability"):
        made()(images(), stop=stop)


def test_a_scene_cannot_stop():
    with pytest.raises(ValueError, match="Found a `StaticScene`"):
        made()(StaticScene(images(), 40), stop=0.5)
