"""A model trained with a fixed gaze looks where the fixed policy says, before and after it was saved."""

from pathlib import Path

import pytest
import torch

from foveate import fit, from_pretrained
from foveate.policy.fixed import FIXED_POLICIES, fixed_policy
from foveate.training.build import build
from foveate.training.diagnostics import diagnose
from foveate.training.transfer import transfer_weights
from training.tiny import tiny, tiny_model

IMAGE = torch.rand(5, 1, 8, 8)


@pytest.mark.parametrize("gaze", FIXED_POLICIES)
def test_it_looks_where_the_policy_says(gaze: str, tmp_path: Path):
    fit(tiny(gaze=gaze, epochs=1), tmp_path)
    model = from_pretrained(tmp_path / "best")
    reach = build(tiny_model()).locator.reach
    with torch.no_grad():
        found = model(IMAGE, generator=torch.Generator().manual_seed(1))
        policy = fixed_policy(gaze, model.num_glimpses, reach)
        same = model(IMAGE, locator=policy, generator=torch.Generator().manual_seed(1))
    assert found.locations.equal(same.locations)
    assert found.final_logits.equal(same.final_logits)
    assert not found.log_probs.any()
    assert not [name for name in model.state_dict() if name.startswith("locator")]


def test_a_fixed_gaze_is_not_called_a_fault():
    line = {"scanpath_dependence": 0.0, "at_border": 1.0}
    assert diagnose([line], tiny_model(), lasting=1).keys() == {"alike", "at_border"}
    assert not diagnose([line], tiny_model(gaze="raster"), lasting=1)


def test_the_network_starts_from_a_model_of_another_gaze():
    learned, fixed = build(tiny_model()), build(tiny_model(gaze="random"))
    transfer_weights(fixed, learned)
    assert fixed.core.recurrent.weight.equal(learned.core.recurrent.weight)
    transfer_weights(learned, build(tiny_model(gaze="center")))
