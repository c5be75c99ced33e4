"""`std_start`: locations are tried widely at first and closely at the end, and a resumed run knows how widely."""

from pathlib import Path
from typing import cast

import pytest

from foveate import fit, from_pretrained
from foveate.policy.units import ReinforceNormal
from foveate.training.epoch import Epoch
from foveate.training.schedule import anneal
from training.tiny import Interrupt, metrics, outcome, tiny

SETTINGS = {"std": 0.1, "std_start": 0.6, "epochs": 2}


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The standard deviation that each step drew with."""
    found: list[float] = []

    def step(self: Epoch, index: object, real=Epoch._step) -> object:
        found.append(float(cast(ReinforceNormal, self.state.model.locator.unit).std))
        return real(self, index)

    monkeypatch.setattr(Epoch, "_step", step)
    return found


def test_the_standard_deviation_falls_from_the_first_to_the_last_step(tmp_path: Path, seen: list[float]):
    fit(tiny(**SETTINGS), tmp_path)
    expected = [anneal(step, 8, start=0.6, floor=0.1, schedule="cosine") for step in range(8)]
    assert seen == pytest.approx(expected)
    assert [line["policy_std"] for line in metrics(tmp_path)] == pytest.approx([expected[3], expected[7]])


def test_without_it_the_standard_deviation_stays(tmp_path: Path, seen: list[float]):
    fit(tiny(std=0.1), tmp_path)
    assert seen == pytest.approx([0.1] * 8)


def test_the_model_that_is_kept_draws_as_widely_as_its_config_says(tmp_path: Path):
    fit(tiny(**SETTINGS), tmp_path)
    assert float(cast(ReinforceNormal, from_pretrained(tmp_path).locator.unit).std) == pytest.approx(0.1)


@pytest.mark.parametrize("ema", [0.0, 0.9])
def test_a_run_that_was_stopped_goes_on_as_widely(tmp_path: Path, ema: float):
    config = tiny(**SETTINGS, ema_decay=ema)
    fit(config, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        fit(config, tmp_path / "stopped", listener=Interrupt(2, 1))
    fit(config, tmp_path / "stopped", resume=True)
    assert outcome(tmp_path / "stopped") == outcome(tmp_path / "whole")


def test_it_is_set_or_learned_but_not_both(tmp_path: Path):
    with pytest.raises(ValueError, match=r"Either `std_start` or `learn_std` should be set\. Found both\."):
        fit(tiny(**SETTINGS, learn_std=True), tmp_path)
