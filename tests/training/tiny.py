"""Runs that take a fraction of a second, and what they leave behind."""

import dataclasses
import json
from pathlib import Path
from typing import Any, get_type_hints

import torch
from safetensors.torch import load_file
from torch import Tensor

from foveate.config import Config, Model
from foveate.training.epoch import Callback

SMALL = {
    "source": "digits",
    "epoch_size": 128,
    "num_glimpses": 3,
    "glimpse_size": (4, 4),
    "what_width": 8,
    "where_width": 8,
    "join_width": 12,
    "hidden_size": 12,
    "unit_pixels": 4.0,
    "epochs": 2,
    "batch_size": 32,
    "learning_rate": 5e-3,
    "degrees": 0.0,
    "scale": 0.0,
    "dropout": 0.0,
    "locator_width": 0,
    "std": 0.22,
    "baseline": "value",
    "num_rollouts": 1,
    "weight_decay": 0.0,
    "ema_decay": 0.0,
    "precision": "fp32",
    "device": "cpu",
}


def tiny(**settings: Any) -> Config:
    """A small config, with other settings by name."""
    settings = SMALL | settings
    sections = {
        name: kind(
            **{field.name: settings.pop(field.name) for field in dataclasses.fields(kind) if field.name in settings}
        )
        for name, kind in get_type_hints(Config).items()
    }
    assert not settings, f"no such settings: {settings}"
    return Config(**sections)


def tiny_model(**settings: Any) -> Model:
    """A small model for digits."""
    return tiny(**{"image": (1, 8, 8), "classes": tuple("0123456789")} | settings).model


def metrics(folder: Path) -> list[dict[str, Any]]:
    """The lines of metrics.jsonl without what the clock wrote."""
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [{name: value for name, value in line.items() if "second" not in name} for line in lines]


def outcome(folder: Path) -> dict[str, Any]:
    """All that a run leaves, but the time it took: comparable with ==."""
    last = torch.load(folder / "last.pt", weights_only=True)
    for part in ("progress", "epoch"):
        last[part].pop("seconds")
    return {
        "config": json.loads((folder / "config.json").read_text()),
        "metrics": metrics(folder),
        "best": _plain(load_file(folder / "best" / "model.safetensors")),
        "last": _plain(last),
        "test": json.loads((folder / "test.json").read_text()),
    }


def _plain(state: Any) -> Any:
    """Tensors as lists, so that == is bit for bit."""
    if isinstance(state, dict):
        return {name: _plain(value) for name, value in state.items()}
    if isinstance(state, (list, tuple)):
        return [_plain(value) for value in state]
    return state.tolist() if isinstance(state, Tensor) else state


class Interrupt(Callback):
    """Presses Ctrl-C after a step of an epoch, or (step 0) after the epoch."""

    def __init__(self, epoch: int, step: int = 0, heard: list[tuple[int, int]] | None = None) -> None:
        self.at, self.heard = (epoch, step), [] if heard is None else heard

    def on_step(self, epoch: int, step: int) -> None:
        self.heard.append((epoch, step))
        if (epoch, step) == self.at:
            raise KeyboardInterrupt

    def on_epoch(self, metrics: dict[str, Any]) -> None:
        if (metrics["epoch"], 0) == self.at:
            raise KeyboardInterrupt
