"""A run does not depend on PyTorch's modes of its caller."""

from pathlib import Path

import pytest
import torch

from foveate import fit
from foveate.data.sources import load
from glimpse.test_constants import default_device, default_type
from training.tiny import outcome, tiny

MODES = {
    "no gradients": torch.no_grad,
    "inference": torch.inference_mode,
    "float64": lambda: default_type(torch.float64),
    "meta device": lambda: torch.device("meta"),
    "default device": lambda: default_device("meta"),
}


@pytest.mark.parametrize("mode", MODES)
def test_a_run_is_the_same_in_every_mode_of_its_caller(tmp_path: Path, mode: str):
    fit(tiny(), tmp_path / "plain")
    with MODES[mode]():
        before = torch.get_default_dtype(), torch.is_grad_enabled(), torch.get_default_device()
        fit(tiny(), tmp_path / "moded")
        assert (torch.get_default_dtype(), torch.is_grad_enabled(), torch.get_default_device()) == before
        assert load("digits").train.label.device.type == "cpu"
    assert outcome(tmp_path / "plain") == outcome(tmp_path / "moded")


@pytest.mark.slow  # enough steps to tell stale weights
def test_a_run_learns_inside_autocast_as_outside(tmp_path: Path):
    outside = fit(tiny(precision="bf16", epochs=4, epoch_size=1024), tmp_path / "plain").result
    with torch.autocast("cpu", torch.bfloat16):
        inside = fit(tiny(precision="bf16", epochs=4, epoch_size=1024), tmp_path / "moded").result
    assert abs(inside.error_rate - outside.error_rate) < 0.05
