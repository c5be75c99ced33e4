"""Steps are compiled where that pays, where it is asked for, and never where it cannot be done."""

import pytest
import torch

from saccade.config import Config, Training
from saccade.training.fusion import WORTHWHILE, choose_fusion

CPU = torch.device("cpu")


@pytest.fixture
def able(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("CXX", "sh")  # something that is there


@pytest.fixture
def unable(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("CXX", "no-such-compiler")


def chosen(wish, steps):
    return choose_fusion(Config(training=Training(compile=wish)), steps, CPU).training.compile


@pytest.mark.usefixtures("able")
@pytest.mark.parametrize(
    ("wish", "steps", "choice"),
    [("auto", WORTHWHILE - 1, "off"), ("auto", WORTHWHILE, "on"), ("on", 1, "on"), ("off", WORTHWHILE, "off")],
)
def test_the_number_of_steps_decides_unless_told(wish, steps, choice):
    assert chosen(wish, steps) == choice


@pytest.mark.usefixtures("unable")
def test_without_a_compiler_auto_means_off_and_on_is_refused():
    assert chosen("auto", WORTHWHILE) == "off"
    with pytest.raises(ValueError, match=r"`compile = on` should find a C\+\+ compiler .* choose `compile = off`"):
        chosen("on", 1)
