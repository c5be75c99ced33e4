"""What is said before the first epoch."""

import pytest

from foveate.cli.progress import EpochLines
from foveate.config import Config, Training


def said(capsys, *, done=0, steps=100, epochs=30, **training):
    EpochLines().on_start(Config(training=Training(epochs=epochs, **training)), done, steps)
    return capsys.readouterr().out


def test_a_run_whose_long_average_hides_at_first_that_it_learns_says_so(capsys):
    told = "Validation is of weights averaged over 10 epochs: its error is late to fall.\n"
    assert said(capsys, ema=0.999) == told
    assert said(capsys, ema=0.999, done=9) == told


@pytest.mark.parametrize(
    "settings",
    [
        pytest.param({"ema": 0.999, "steps": 201}, id="the average is short"),
        pytest.param({"ema": 0.999, "done": 10}, id="it is past that"),
        pytest.param({"ema": 0.9999, "pretrained": "digits"}, id="it has learned before"),
        pytest.param({}, id="nothing is averaged"),
        pytest.param({"steps": 1, "epochs": 1}, id="nothing is averaged in a single step"),
    ],
)
def test_others_have_nothing_to_say(capsys, settings):
    assert said(capsys, **settings) == ""


@pytest.mark.parametrize(("epochs", "steps", "ema"), [(29, 100, "0.997"), (240, 12, "0.997"), (2, 4, "0")])
def test_a_run_that_is_over_before_its_average_has_left_the_start_is_told_what_to_try(capsys, epochs, steps, ema):
    told = said(capsys, ema=0.999, epochs=epochs, steps=steps)
    assert f"averaged over 1,000 steps, and the run has {epochs * steps:,}: " in told
    assert told.endswith(f"Try `--ema {ema}`.\n")
    assert "Warning" not in said(capsys, ema=float(ema), epochs=epochs, steps=steps)
