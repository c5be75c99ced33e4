"""The examples of custom learners learn."""

import runpy
from pathlib import Path


def test_the_bernoulli_learner_learns_exclusive_or(capsys):
    """The error falls below 15 %; a linear classifier reaches 25 %."""
    runpy.run_path(str(Path(__file__).parents[2] / "examples" / "bernoulli_learner.py"), run_name="__main__")
    before, after = (float(line.split(":")[1]) for line in capsys.readouterr().out.splitlines())
    assert before > 0.3
    assert after < 0.15


def test_a_reward_of_ones_own_leads_the_gaze_to_the_object(capsys):
    """Alone, the noise of the draws is 3.5 pixels from the center; a place at random is 10."""
    path = Path(__file__).parents[2] / "examples" / "reward_of_your_own.py"
    runpy.run_path(str(path))["main"](steps=120)
    before, after = (float(line.split()[-2]) for line in capsys.readouterr().out.splitlines())
    assert before > 9
    assert after < 6
