"""`precision = auto` uses bf16 only where there are units for it, and a resumed run keeps what it began with."""

import json
from pathlib import Path

import pytest
import torch

from foveate import fit, recipes
from foveate.config import Config
from foveate.training import state
from foveate.training.distributed import World
from foveate.training.epoch import Callback
from foveate.training.state import choose_precision, has_bf16_units
from training.tiny import Interrupt, outcome, tiny

CPU = torch.device("cpu")


def set_units(monkeypatch: pytest.MonkeyPatch, present: bool) -> None:
    monkeypatch.setattr(state, "has_bf16_units", lambda device: present)


class Notes(Callback):
    def __init__(self) -> None:
        self.notes: list[str] = []

    def on_note(self, note: str) -> None:
        self.notes.append(note)


@pytest.mark.parametrize("name", ["_is_avx512_bf16_supported", "_is_amx_tile_supported"])
def test_either_kind_of_unit_is_enough(monkeypatch: pytest.MonkeyPatch, name: str):
    for each in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"):
        monkeypatch.setattr(torch.cpu, each, lambda: False)
    assert not has_bf16_units(CPU)
    monkeypatch.setattr(torch.cpu, name, lambda: True)
    assert has_bf16_units(CPU)


@pytest.mark.parametrize("units", [True, False])
def test_auto_asks_the_machine_and_anything_else_does_not(monkeypatch: pytest.MonkeyPatch, units: bool):
    set_units(monkeypatch, units)
    assert choose_precision("auto", CPU) == ("bf16" if units else "fp32")
    assert choose_precision("fp32", CPU) == "fp32"
    assert choose_precision("bf16", CPU) == "bf16"


def test_one_process_without_units_decides_for_all(monkeypatch: pytest.MonkeyPatch):
    set_units(monkeypatch, True)
    monkeypatch.setattr(World, "all_reduce_max", lambda self, number: 1)  # as another process says
    assert choose_precision("auto", CPU, World(0, 2)) == "fp32"


def test_auto_is_the_default_and_what_our_own_recipes_use():
    assert Config().training.precision == "auto"
    chosen = {name: recipes.read(name).training.precision for name in recipes.names()}
    assert {name for name, value in chosen.items() if value != "auto"} == {"torch7-mnist", "torch7-translated"}


@pytest.mark.parametrize("units", [True, False])
def test_a_resumed_run_keeps_the_precision_that_it_began_with(tmp_path: Path, monkeypatch, units: bool):
    """On a machine of the other kind, to the bit; the record says which precision that is."""
    config, name = tiny(precision="auto"), "bf16" if units else "fp32"
    set_units(monkeypatch, units)
    whole = Notes()
    fit(config, tmp_path / "whole", listener=whole)
    assert whole.notes == [f"Precision: {name}, since this processor has {'' if units else 'no '}bf16 units."]
    with pytest.raises(KeyboardInterrupt):
        fit(config, tmp_path / "parts", listener=Interrupt(1, step=2))
    set_units(monkeypatch, not units)
    resumed = Notes()
    fit(config, tmp_path / "parts", resume=True, listener=resumed)
    assert resumed.notes == [f"Precision: {name}, as on the machine where the run began."]
    assert outcome(tmp_path / "parts") == outcome(tmp_path / "whole")
    assert json.loads((tmp_path / "parts" / "machine.json").read_text())["precision"] == name
    assert json.loads((tmp_path / "parts" / "config.json").read_text())["training"]["precision"] == "auto"


def test_a_precision_given_on_resuming_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    set_units(monkeypatch, False)
    with pytest.raises(KeyboardInterrupt):
        fit(tiny(precision="auto"), tmp_path, listener=Interrupt(1, step=2))
    fit(tiny(precision="bf16"), tmp_path, resume=True)
    assert json.loads((tmp_path / "machine.json").read_text())["precision"] == "bf16"
