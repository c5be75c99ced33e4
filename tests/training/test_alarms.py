"""Alarms: each is raised by its own fault, once it lasts, and by nothing else."""

import math

import pytest

from foveate.config import Model
from foveate.training.alarms import alarms, lasting_in

MODEL = Model(image=(1, 60, 60), unit_pixels=26.0)
WELL = {"loss": 1.0, "scanpath_dependence": 0.3, "at_border": 0.1, "policy_std": 0.2}
FAULTS = [
    ({"scanpath_dependence": 0.04}, "hardly depends on the image"),
    ({"at_border": 0.95}, "collapsed to its bounds"),
    ({"policy_std": 0.005}, "tries nothing new"),
    ({"policy_std": 1.5}, "looks almost anywhere"),
]


def test_a_run_that_goes_well_raises_none():
    assert alarms([WELL] * 10, MODEL) == {}
    assert alarms([], MODEL) == {}


@pytest.mark.parametrize(("fault", "words"), FAULTS)
def test_a_fault_of_the_policy_counts_once_it_lasts(fault: dict[str, float], words: str):
    said = alarms([WELL, *[WELL | fault] * 5], MODEL)
    assert words in "".join(said.values())
    assert len(said) == 1
    assert alarms([*[WELL | fault] * 4], MODEL) == {}
    assert alarms([*[WELL | fault] * 5, WELL], MODEL) == {}
    assert alarms([WELL | fault, WELL, *[WELL | fault] * 4], MODEL) == {}
    assert alarms([WELL | fault], MODEL, lasting=1) == said


@pytest.mark.parametrize(
    ("field", "fault", "well"),
    [
        ("scanpath_dependence", 0.0499, 0.05),
        ("at_border", 0.9, 0.8999),
        ("policy_std", 0.01, 0.0101),
        ("policy_std", 1.0, 0.999),
    ],
)
def test_where_a_fault_begins(field: str, fault: float, well: float):
    assert len(alarms([WELL | {field: fault}] * 5, MODEL)) == 1
    assert alarms([WELL | {field: well}] * 5, MODEL) == {}


def test_a_long_run_is_given_longer():
    assert [lasting_in(epochs) for epochs in (1, 59, 120)] == [5, 5, 12]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_number_that_is_none_counts_at_once(value: float):
    said = alarms([WELL, WELL | {"loss": value, "scanpath_dependence": 0.0}], MODEL)
    assert list(said) == ["diverged"]
    assert said["diverged"].startswith(f"`loss` is {value}: the run has diverged.")


def test_old_lines_without_these_fields_raise_none():
    assert alarms([{"epoch": 1, "loss": 2.0}] * 9, MODEL) == {}


def test_the_cause_is_named_where_it_is_known():
    small = Model(image=(1, 60, 80), unit_pixels=2.0)
    line = [{"scanpath_dependence": 0.01}] * 5
    assert "no farther than 2 of 30 pixels" in alarms(line, small)["alike"]
    assert "`unit_pixels`" not in alarms(line, MODEL)["alike"]


def test_one_glimpse_depends_on_nothing_and_that_is_no_fault():
    assert alarms([{"scanpath_dependence": 0.0}] * 5, Model(image=(1, 60, 60), num_glimpses=1)) == {}
