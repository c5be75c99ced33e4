"""The learning rate of every step."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from foveate.training.schedule import fall

FALL = {"start": 0.1, "floor": 0.001}


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [("constant", [0.1, 0.1, 0.1]), ("linear", [0.1, 0.0505, 0.001]), ("cosine", [0.1, 0.0505, 0.001])],
)
def test_first_middle_and_last(schedule: str, expected: list[float]):
    rates = [fall(step, 100, schedule=schedule, **FALL) for step in (0, 50, 100)]
    assert rates == pytest.approx(expected)


def test_cosine_falls_slowly_at_first():
    quarter = fall(25, 100, schedule="cosine", **FALL)
    assert quarter == pytest.approx(0.001 + 0.099 * (1 + math.sqrt(0.5)) / 2)
    assert quarter > fall(25, 100, schedule="linear", **FALL)


@pytest.mark.parametrize("schedule", ["cosine", "linear"])
@given(step=st.integers(0, 400), steps=st.integers(1, 200))
def test_it_never_rises_and_stays_at_its_floor(schedule: str, step: int, steps: int):
    now, later = (fall(s, steps, schedule=schedule, **FALL) for s in (step, step + 1))
    assert 0.001 <= later <= now <= 0.1 + 1e-12
    if step >= steps:
        assert now == pytest.approx(0.001)


def test_cosine_is_torchs_own():
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 20, eta_min=0.001)
    for step in range(20):
        assert fall(step, 20, schedule="cosine", **FALL) == pytest.approx(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
