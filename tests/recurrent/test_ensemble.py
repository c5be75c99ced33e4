"""Ensembles: members compute independently on a common scanpath and average their probabilities."""

from typing import Any

import pytest
import torch
from torch import nn

from foveate import build
from foveate.recurrent.ensemble import EnsembleClassifier
from training.tiny import tiny_model


class PlainGlimpse(nn.Module):
    """A sensor that always reads the top left corner."""

    def forward(self, image: torch.Tensor, location: torch.Tensor) -> torch.Tensor:
        return image[..., :4, :4]


CORES = ("rectified", "lstm", "gru")


def alone(model: Any, member: int, core: str) -> Any:
    """A model of one member, with a locator of its own that is not used."""
    single = build(tiny_model(core=core))
    for name in ("glimpse", "core", "classifier"):
        getattr(single, name).load_state_dict(getattr(model, name).members[member].state_dict())
    return single.eval()


@pytest.mark.parametrize("core", CORES)
@pytest.mark.parametrize("size", [2, 3])
def test_each_member_computes_as_if_it_were_alone(core: str, size: int):
    """Given the same scanpath, a single network has the states and logits of its member; the answer is the mean."""
    model: Any = build(tiny_model(core=core, ensemble=size)).eval()
    image = torch.randint(256, (5, 1, 8, 8), dtype=torch.uint8)
    rollout = model(image)
    probabilities = 0
    for member in range(size):
        single, states = alone(model, member, core), []
        state = single.core.start(5)
        for location in rollout.locations:
            state = single.core(single.glimpse(image, location), state)
            states.append(state[0])
        width = states[0].shape[1]
        torch.testing.assert_close(torch.stack(states), rollout.hiddens[..., member * width : (member + 1) * width])
        logits = single.classifier(torch.stack(states))
        torch.testing.assert_close(rollout.member_logits[member], logits)
        probabilities = probabilities + logits.softmax(-1) / size
    torch.testing.assert_close(rollout.logits.exp(), probabilities)


@pytest.mark.parametrize("core", CORES)
def test_members_have_different_parameters_and_share_the_locator(core: str):
    model: Any = build(tiny_model(core=core, ensemble=2))
    for part in (model.glimpse, model.core, model.classifier):
        first, second = (dict(member.named_parameters()) for member in part.members)
        assert first.keys() == second.keys()
        assert not any(torch.equal(first[name], second[name]) for name in first)
    assert model.locator.mean[0].in_features == 2 * 12
    assert model.baseline.value.in_features == 2 * 12


def test_an_ensemble_of_one_is_the_plain_model():
    torch.manual_seed(0)
    plain = build(tiny_model())
    torch.manual_seed(0)
    one = build(tiny_model(ensemble=1))
    assert [name for name, _ in one.named_parameters()] == [name for name, _ in plain.named_parameters()]
    assert "glimpse.what.1.weight" in dict(one.named_parameters())
    assert one(torch.zeros(1, 1, 8, 8)).member_logits is None


def test_a_custom_sensor_reads_for_all_members():
    """Each glimpse is taken once."""
    model: Any = build(tiny_model(ensemble=3))
    seen = []
    model.glimpse.sensor.register_forward_hook(lambda *call: seen.append(call))
    model(torch.rand(2, 1, 8, 8))
    assert len(seen) == model.num_glimpses
    model.glimpse.sensor = PlainGlimpse()
    assert model(torch.rand(2, 1, 8, 8)).logits.shape == (3, 2, 10)
    assert len(seen) == model.num_glimpses


def test_log_probabilities_have_at_least_single_precision():
    for kind, joined in [(torch.float64, torch.float64), (torch.bfloat16, torch.float32)]:
        assert EnsembleClassifier([nn.Identity()] * 2)(torch.zeros(3, 4, dtype=kind)).dtype == joined


def test_probabilities_are_averaged_not_logits():
    """One confident member outweighs two unsure ones; compared with the mean of probabilities."""
    classifier = EnsembleClassifier([nn.Identity() for _ in range(3)])
    scores = torch.tensor([[[0.0, 4.0]], [[0.2, 0.0]], [[0.2, 0.0]]])
    found = classifier(torch.cat(list(scores), -1))
    torch.testing.assert_close(found.exp(), scores.softmax(-1).mean(0))
    assert found.argmax() == 1
    sure = torch.tensor([[1000.0, 0.0] * 3])  # no overflow
    torch.testing.assert_close(classifier(sure), torch.tensor([[0.0, -1000.0]]))


@pytest.mark.parametrize("every_answer", [True, False])
def test_member_logits_and_prediction_share_their_dropout(every_answer: bool):
    model: Any = build(tiny_model(ensemble=2, dropout=0.5)).train()
    rollout = model(torch.rand(4, 1, 8, 8), every_answer=every_answer)
    assert rollout.member_logits.shape == (2, len(rollout.logits), 4, 10)
    torch.testing.assert_close(rollout.final_logits.exp(), rollout.member_logits[:, -1].softmax(-1).mean(0))
