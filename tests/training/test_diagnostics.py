"""Alarms: each is raised by its own fault, once it lasts, and by nothing else."""

import math

import pytest

from foveate.config import Model
from foveate.training.diagnostics import diagnose, lasting_in

MODEL = Model(image=(1, 60, 60), unit_pixels=26.0)
WELL = {"loss": 1.0, "scanpath_dependence": 0.3, "at_border": 0.1, "policy_std": 0.2}
FAULTS = [
    ({"scanpath_dependence": 0.04}, "hardly depends on the image"),
    ({"at_border": 0.95}, "collapsed to its bounds"),
    ({"policy_std": 0.005}, "tries nothing new"),
    ({"policy_std": 1.5}, "looks almost anywhere"),
]


def test_a_run_that_goes_well_raises_none():
    assert diagnose([WELL] * 10, MODEL) == {}
    assert diagnose([], MODEL) == {}


@pytest.mark.parametrize(("fault", "words"), FAULTS)
def test_a_fault_of_the_policy_counts_once_it_lasts(fault: dict[str, float], words: str):
    said = diagnose([WELL, *[WELL | fault] * 5], MODEL)
    assert words in "".join(said.values())
    assert len(said) == 1
    short = 2 if "at_border" in fault else 4
    assert diagnose([*[WELL | fault] * short], MODEL) == {}
    assert diagnose([*[WELL | fault] * 5, WELL], MODEL) == {}
    assert diagnose([WELL | fault, WELL, *[WELL | fault] * short], MODEL) == {}
    assert diagnose([WELL | fault], MODEL, lasting=1) == said


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
    assert len(diagnose([WELL | {field: fault}] * 5, MODEL)) == 1
    assert diagnose([WELL | {field: well}] * 5, MODEL) == {}


def test_a_long_run_is_given_longer():
    assert [lasting_in(epochs) for epochs in (1, 59, 120)] == [5, 5, 12]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_number_that_is_none_counts_at_once(value: float):
    said = diagnose([WELL, WELL | {"loss": value, "scanpath_dependence": 0.0}], MODEL)
    assert list(said) == ["diverged"]
    assert said["diverged"].startswith(f"`loss` is {value}: the run has diverged.")


def test_old_lines_without_these_fields_raise_none():
    assert diagnose([{"epoch": 1, "loss": 2.0}] * 9, MODEL) == {}


def test_the_cause_is_named_where_it_is_known():
    small = Model(image=(1, 60, 80), unit_pixels=2.0)
    line = [{"scanpath_dependence": 0.01}] * 5
    assert "no farther than 2 of 30 pixels" in diagnose(line, small)["alike"]
    assert "`unit_pixels`" not in diagnose(line, MODEL)["alike"]


def test_one_glimpse_depends_on_nothing_and_that_is_no_fault():
    assert diagnose([{"scanpath_dependence": 0.0}] * 5, Model(image=(1, 60, 60), num_glimpses=1)) == {}


def test_a_policy_at_the_border_is_called_out_within_three_epochs_of_the_longest_run():
    line = WELL | {"at_border": 1.0, "scanpath_dependence": 0.0}
    assert diagnose([line] * 2, MODEL, lasting_in(2000)) == {}
    words = diagnose([line] * 3, MODEL, lasting_in(2000))["at_border"]
    for advice in ("`learning_rate`", "`unit_pixels`"):
        assert advice in words


def errors(*pairs: tuple[float, float]) -> list[dict[str, float]]:
    return [WELL | {"train_error": train, "validation_error": validation} for train, validation in pairs]


def test_a_validation_error_that_does_not_move_while_the_training_error_falls_is_called_out():
    stuck = errors((0.8, 0.9), (0.6, 0.88), (0.4, 0.9), (0.3, 0.89), (0.2, 0.9))
    assert "validation error is still 90.0%" in diagnose(stuck, MODEL)["no_generalization"]
    assert diagnose(stuck[:4], MODEL) == {}
    moved = errors((0.8, 0.9), (0.6, 0.7), (0.4, 0.9), (0.3, 0.89), (0.2, 0.9))
    assert diagnose(moved, MODEL) == {}
    chance = errors(*[(0.9, 0.9)] * 5)
    assert diagnose(chance, MODEL) == {}
    started_trained = errors((0.02, 0.012), (0.015, 0.012), (0.013, 0.0115), (0.012, 0.012), (0.011, 0.012))
    assert diagnose(started_trained, MODEL) == {}


def test_a_loss_that_stays_at_equal_probabilities_is_called_out_instead_of_the_gaze():
    model = Model(image=(1, 60, 60), unit_pixels=26.0, classes=tuple("abcd"))
    stuck = WELL | {"classification_loss": math.log(4), "scanpath_dependence": 0.01}
    assert diagnose([stuck] * 4, model) == {}
    said = diagnose([stuck] * 5, model)
    assert list(said) == ["stuck"]
    assert "still 1.386 after 5 epochs" in said["stuck"]
    assert "learning_rate" in said["stuck"]
    left = stuck | {"classification_loss": 0.97 * math.log(4)}
    assert list(diagnose([*[stuck] * 4, left], model)) == ["alike"]
    members = Model(image=(1, 60, 60), classes=tuple("abcd"), ensemble=2)
    twice = WELL | {"classification_loss": 2 * math.log(4)}
    assert list(diagnose([twice] * 5, members)) == ["stuck"]
    assert diagnose([WELL | {"classification_loss": math.log(4)}] * 5, members) == {}
