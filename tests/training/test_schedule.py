"""The learning rate of every step."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from foveate.config import Training
from foveate.training.schedule import anneal, describe_change, ramp_decay

FALL = {"start": 0.1, "floor": 0.001}


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [("constant", [0.1, 0.1, 0.1]), ("linear", [0.1, 0.0505, 0.001]), ("cosine", [0.1, 0.0505, 0.001])],
)
def test_first_middle_and_last(schedule: str, expected: list[float]):
    rates = [anneal(step, 100, schedule=schedule, **FALL) for step in (0, 50, 100)]
    assert rates == pytest.approx(expected)


def test_cosine_falls_slowly_at_first():
    quarter = anneal(25, 100, schedule="cosine", **FALL)
    assert quarter == pytest.approx(0.001 + 0.099 * (1 + math.sqrt(0.5)) / 2)
    assert quarter > anneal(25, 100, schedule="linear", **FALL)


@pytest.mark.parametrize("schedule", ["cosine", "linear"])
@given(step=st.integers(0, 400), steps=st.integers(1, 200))
def test_it_never_rises_and_stays_at_its_floor(schedule: str, step: int, steps: int):
    now, later = (anneal(s, steps, schedule=schedule, **FALL) for s in (step, step + 1))
    assert 0.001 <= later <= now <= 0.1 + 1e-12
    if step >= steps:
        assert now == pytest.approx(0.001)


def test_cosine_is_torchs_own():
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 20, eta_min=0.001)
    for step in range(20):
        assert anneal(step, 20, schedule="cosine", **FALL) == pytest.approx(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()


def average_weights(steps: int, decay: float) -> torch.Tensor:
    """Share of each step's weights in the average after all steps."""
    shares = torch.zeros(steps, dtype=torch.float64)
    for step in range(steps):
        keep = ramp_decay(step, decay)
        shares *= keep
        shares[step] += 1 - keep
    return shares


@given(decay=st.floats(0, 1, exclude_max=True), steps=st.integers(100, 600))
def test_an_average_forgets_the_start_of_any_run(decay: float, steps: int):
    """Its shares sum to 1, those of the first tenth are nearly 0, and its mean age is a fifth of the run at most."""
    shares = average_weights(steps, decay)
    age = torch.arange(steps - 1, -1, -1)
    assert float(shares.sum()) == pytest.approx(1)
    assert float(shares[: steps // 10].sum()) < 1e-3
    assert float((shares * age).sum()) < steps / 5


def test_a_long_run_is_averaged_with_the_decay_itself():
    assert ramp_decay(4_000_000, 0.999_999) == 0.999_999
    assert ramp_decay(3_000_000, 0.999_999) < 0.999_999
    assert ramp_decay(5, 0.0) == 0.0


@pytest.mark.parametrize(
    ("settings", "note"),
    [
        ({}, "The learning rate falls over 20 epochs: it goes on at 0.000505 instead of 1e-05."),
        ({"schedule": "constant"}, "The learning rate stays 0.001."),
        ({"anneal_epochs": 8}, "The learning rate still reaches its floor after 8 epochs."),
        (
            {"schedule": "constant", "std_start": 0.2},
            "The learning rate stays 0.001. The standard deviation of locations falls over 20 epochs, too.",
        ),
    ],
)
def test_resuming_with_more_epochs_says_what_becomes_of_the_schedule(settings: dict, note: str):
    then, now = (Training(epochs=n, learning_rate=1e-3, min_learning_rate=1e-5, **settings) for n in (10, 20))
    assert describe_change(now, then, 1000, 100) == f"Epochs: 20 instead of 10. {note}"
    assert describe_change(now, now, 1000, 100) == ""
