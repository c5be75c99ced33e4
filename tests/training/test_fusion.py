"""Steps are compiled where that pays, where it is asked for, and never where it cannot be done."""

import pytest
import torch

from saccade.config import Training
from saccade.training.fusion import WORTHWHILE, choose_fusion

CPU = torch.device("cpu")


@pytest.fixture
def able(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("CXX", "sh")  # something that is there


@pytest.fixture
def unable(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("CXX", "no-such-compiler")


def chosen(wish, steps, processes=1):
    return choose_fusion(Training(compile=wish), steps, CPU, processes)


@pytest.mark.usefixtures("able")
@pytest.mark.parametrize(
    ("wish", "steps", "choice"),
    [("auto", WORTHWHILE - 1, False), ("auto", WORTHWHILE, True), ("on", 1, True), ("off", WORTHWHILE, False)],
)
def test_the_number_of_steps_decides_unless_told(wish, steps, choice):
    assert chosen(wish, steps) is choice


@pytest.mark.usefixtures("able")
@pytest.mark.parametrize(("wish", "choice"), [("auto", False), ("on", True), ("off", False)])
def test_in_several_processes_it_is_done_where_it_is_asked_for(wish, choice):
    assert chosen(wish, WORTHWHILE, processes=2) is choice


@pytest.mark.usefixtures("unable")
def test_without_a_compiler_auto_means_off_and_on_is_refused():
    assert chosen("auto", WORTHWHILE) is False
    with pytest.raises(ValueError, match=r"`compile = on` should find a C\+\+ compiler .* choose `compile = off`"):
        chosen("on", 1)
