"""What is said before the first epoch."""

import pytest

from saccade.cli.progress import EpochLines
from saccade.config import Config, Training


def said(capsys, *, done=0, steps=100, **training):
    EpochLines().on_start(Config(training=Training(**training)), done, steps)
    return capsys.readouterr().out


def test_a_run_whose_long_average_hides_at_first_that_it_learns_says_so(capsys):
    told = "Validation is of weights averaged over some 10 epochs: its error falls only after as many.\n"
    assert said(capsys, ema=0.999) == told
    assert said(capsys, ema=0.999, done=9) == told


@pytest.mark.parametrize(
    "settings",
    [
        pytest.param({"ema": 0.999, "steps": 201}, id="the average is short"),
        pytest.param({"ema": 0.999, "done": 10}, id="it is past that"),
        pytest.param({"ema": 0.999, "pretrained": "digits"}, id="it has learned before"),
        pytest.param({}, id="nothing is averaged"),
    ],
)
def test_others_have_nothing_to_say(capsys, settings):
    assert said(capsys, **settings) == ""
