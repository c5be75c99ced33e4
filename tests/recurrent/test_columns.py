"""Columns: each is a network of its own on a common scanpath, and they vote."""

from typing import Any

import pytest
import torch
from torch import nn

from foveate import build
from foveate.recurrent.columns import Voters
from training.tiny import tiny_model


class PlainGlimpse(nn.Module):
    """The top left corner, wherever it is asked for."""

    def forward(self, image: torch.Tensor, location: torch.Tensor) -> torch.Tensor:
        return image[..., :4, :4]


CORES = ("rectified", "lstm", "gru")


def alone(model: Any, column: int, core: str) -> Any:
    """A model of just one of the columns; its locator is of no use."""
    single = build(tiny_model(core=core))
    for name in ("glimpse", "core", "classifier"):
        getattr(single, name).load_state_dict(getattr(model, name).columns[column].state_dict())
    return single.eval()


@pytest.mark.parametrize("core", CORES)
@pytest.mark.parametrize("columns", [2, 3])
def test_each_column_reads_as_if_it_were_alone(core: str, columns: int):
    """Shown the scanpath of all, a model of one column has its states, and votes as it does; the answer is the mean."""
    model: Any = build(tiny_model(core=core, columns=columns)).eval()
    image = torch.randint(256, (5, 1, 8, 8), dtype=torch.uint8)
    rollout = model(image)
    chances = 0
    for column in range(columns):
        single, states = alone(model, column, core), []
        state = single.core.start(5)
        for location in rollout.locations:
            state = single.core(single.glimpse(image, location), state)
            states.append(state[0])
        width = states[0].shape[1]
        torch.testing.assert_close(torch.stack(states), rollout.hiddens[..., column * width : (column + 1) * width])
        logits = single.classifier(torch.stack(states))
        torch.testing.assert_close(rollout.votes[column], logits[-1])
        chances = chances + logits.softmax(-1) / columns
    torch.testing.assert_close(rollout.logits.exp(), chances)


@pytest.mark.parametrize("core", CORES)
def test_columns_start_apart_and_share_the_locator(core: str):
    model: Any = build(tiny_model(core=core, columns=2))
    for part in (model.glimpse, model.core, model.classifier):
        first, second = (dict(column.named_parameters()) for column in part.columns)
        assert first.keys() == second.keys()
        assert not any(torch.equal(first[name], second[name]) for name in first)
    assert model.locator.mean[0].in_features == 2 * 12
    assert model.baseline.value.in_features == 2 * 12


def test_one_column_is_the_model_as_it_ever_was():
    torch.manual_seed(0)
    plain = build(tiny_model())
    torch.manual_seed(0)
    one = build(tiny_model(columns=1))
    assert [name for name, _ in one.named_parameters()] == [name for name, _ in plain.named_parameters()]
    assert "glimpse.what.1.weight" in dict(one.named_parameters())
    assert one(torch.zeros(1, 1, 8, 8)).votes is None


def test_a_sensor_of_ones_own_sees_for_all_columns():
    """It takes each glimpse once."""
    model: Any = build(tiny_model(columns=3))
    seen = []
    model.glimpse.sensor.register_forward_hook(lambda *call: seen.append(call))
    model(torch.rand(2, 1, 8, 8))
    assert len(seen) == model.num_glimpses
    model.glimpse.sensor = PlainGlimpse()
    assert model(torch.rand(2, 1, 8, 8)).logits.shape == (3, 2, 10)
    assert len(seen) == model.num_glimpses


def test_votes_keep_their_precision_but_half():
    for kind, joined in [(torch.float64, torch.float64), (torch.bfloat16, torch.float32)]:
        assert Voters([nn.Identity()] * 2)(torch.zeros(3, 4, dtype=kind)).dtype == joined


def test_a_vote_is_of_probabilities_not_of_scores():
    """One that is sure outvotes two that hardly lean the other way; the mean of probabilities by hand."""
    voters = Voters([nn.Identity() for _ in range(3)])
    scores = torch.tensor([[[0.0, 4.0]], [[0.2, 0.0]], [[0.2, 0.0]]])
    found = voters(torch.cat(list(scores), -1))
    torch.testing.assert_close(found.exp(), scores.softmax(-1).mean(0))
    assert found.argmax() == 1
    sure = torch.tensor([[1000.0, 0.0] * 3])  # no overflow
    torch.testing.assert_close(voters(sure), torch.tensor([[0.0, -1000.0]]))


@pytest.mark.parametrize("every_answer", [True, False])
def test_votes_are_of_the_last_glimpse_with_the_dropout_of_the_answer(every_answer: bool):
    model: Any = build(tiny_model(columns=2, dropout=0.5)).train()
    rollout = model(torch.rand(4, 1, 8, 8), every_answer=every_answer)
    assert rollout.votes.shape == (2, 4, 10)
    torch.testing.assert_close(rollout.answer.exp(), rollout.votes.softmax(-1).mean(0))
