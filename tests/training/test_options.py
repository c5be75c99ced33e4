"""Bug 18: no setting is parsed and then ignored. Each one is changed alone, and something else must come out."""

import dataclasses
import functools
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import get_type_hints

import pytest
import torch
from PIL import Image

from foveate import fit
from foveate.config import Config
from foveate.data.records import InMemory
from foveate.training.epoch import Callback
from foveate.training.scenes import load_scenes
from training.tiny import outcome, tiny

# What each setting changes to, and the settings it needs to matter at all.
CHANGES = {
    "canvas": ("translated", {"canvas_size": 12}),
    "canvas_size": (12, {}),
    "distractors": (2, {"canvas": "cluttered", "canvas_size": 12, "distractors": 1}),
    "degrees": (20.0, {}),
    "scale": (0.2, {}),
    "translate": (1.0, {}),
    "elastic": (1.0, {}),
    "horizontal_flip": (0.5, {}),
    "brightness": (0.5, {}),
    "contrast": (0.5, {}),
    "erasing": (0.5, {}),
    "epoch_size": (96, {}),
    "standardize": ("on", {}),
    "validation": (0.3, {}),
    "test": (0.3, {}),
    "held_out": ("last", {}),
    "split_seed": (1, {}),
    "num_glimpses": (4, {}),
    "glimpse_size": ((4, 3), {}),
    "depth": (2, {}),
    "what_width": (9, {}),
    "where_width": (9, {}),
    "join_width": (9, {}),
    "core": ("lstm", {}),
    "hidden_size": (9, {}),
    "ensemble": (2, {}),
    "dropout": (0.5, {}),
    "init_range": (0.3, {}),
    "locator_width": (5, {}),
    "unit_pixels": (2.0, {}),
    "std": (0.4, {}),
    "learn_std": (True, {}),
    "stochastic": (True, {}),
    "gaze": ("raster", {}),
    "first_glimpse": ("center", {}),
    "baseline": ("batch-mean", {}),
    "policy_gradient_into_core": (True, {}),
    "reward": ("log-probability", {}),
    "policy_weight": (0.5, {}),
    "label_smoothing": (0.2, {}),
    "answers": ("every", {}),
    "early_weight": (0.5, {"answers": "every"}),
    "seed": (1, {}),
    "epochs": (1, {"anneal_epochs": 2}),
    "patience": (1, {"epochs": 3, "learning_rate": 1e-12, "min_learning_rate": 0.0}),
    "batch_size": (64, {}),
    "num_rollouts": (2, {}),
    "optimizer": ("sgd", {}),
    "dampening": (0.0, {"optimizer": "sgd"}),
    "learning_rate": (1e-2, {}),
    "min_learning_rate": (1e-3, {}),
    "schedule": ("linear", {}),
    "anneal_epochs": (1, {}),
    "std_start": (0.5, {}),
    "weight_decay": (0.5, {}),
    "max_grad_norm": (0.1, {}),
    "max_weight_norm": (0.4, {}),
    "ema_decay": (0.9, {}),
    "precision": ("bf16", {}),
}
IN_TESTS_OF_THEIR_OWN = {"source", "resize", "image_size", "color", "unreadable", "cache_gib", "image", "classes"}
IN_TESTS_OF_THEIR_OWN |= {"threads", "device", "compile", "checkpoint_minutes", "skip_nonfinite"}
IN_TESTS_OF_THEIR_OWN |= {
    "pretrained",
    "evaluate_on",
    "picture_size",
    "picture_resize",
    "handwriting",
    "image_mean",
    "image_std",
}


def test_every_setting_is_here():
    names = {field.name for kind in get_type_hints(Config).values() for field in dataclasses.fields(kind)}
    assert names == CHANGES.keys() | IN_TESTS_OF_THEIR_OWN


@functools.cache
def trained(settings: tuple[tuple[str, object], ...]) -> dict:
    """What a run with these settings leaves."""
    with TemporaryDirectory() as folder:
        fit(tiny(**dict(settings)), folder)
        return outcome(Path(folder))


@pytest.mark.parametrize("name", CHANGES)
def test_a_changed_setting_changes_the_run(name: str):
    """Its last weights, or what else the setting is about."""
    value, needed = CHANGES[name]
    before, after = trained(tuple(needed.items())), trained(tuple({**needed, name: value}.items()))
    part = {"stochastic": "test", "patience": "metrics", "ema_decay": "best"}.get(name)
    if part:
        assert before[part] != after[part]
    else:
        assert before["last"]["learner"]["model"] != after["last"]["learner"]["model"]


@pytest.mark.parametrize("baseline", ["none", "scalar", "value", "batch-mean"])
@pytest.mark.parametrize("other", ["none", "scalar", "value", "batch-mean"])
def test_every_baseline_is_another(baseline: str, other: str):
    first, second = (trained((("baseline", name),))["last"]["learner"] for name in (baseline, other))
    assert (first == second) == (baseline == other)


@pytest.mark.parametrize("schedule", ["cosine", "linear", "constant"])
@pytest.mark.parametrize("other", ["cosine", "linear", "constant"])
def test_every_schedule_is_another(schedule: str, other: str):
    first, second = (trained((("schedule", name),))["metrics"] for name in (schedule, other))
    assert (first == second) == (schedule == other)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Images of two classes, of 8 x 8 and 10 x 6 pixels, gray."""
    for label in ("cat", "dog"):
        (tmp_path / label).mkdir()
        for i in range(10):
            size = (8, 8) if i % 2 else (10, 6)  # width, height
            offset = 100 if label == "dog" else 0
            pixels = bytes((i * 7 + j * 3 + offset) % 256 for j in range(size[0] * size[1]))
            Image.frombytes("L", size, pixels).save(tmp_path / label / f"{i}.png")
    return tmp_path


def shown(folder: Path, **settings) -> torch.Tensor:
    """The training images as a run sees them."""
    train = load_scenes(tiny(source=str(folder), **settings).data).train
    return train.read(torch.arange(len(train)))


def test_a_source_is_the_folder_that_was_named(folder: Path):
    settings = {"source": str(folder), "resize": "stretch", "image_size": (8, 8)}
    assert fit(tiny(**settings, epochs=1, batch_size=4), folder / "run").config.model.classes == ("cat", "dog")


def test_resize_and_size_and_colour_change_the_images(folder: Path):
    plain = {"resize": "pad", "image_size": (8, 8)}
    padded = shown(folder, **plain)
    assert padded.shape[1:] == (1, 8, 8)
    assert not torch.equal(padded, shown(folder, **plain | {"resize": "stretch"}))
    assert not torch.equal(padded, shown(folder, **plain | {"resize": "crop"}))
    assert shown(folder, **plain | {"image_size": (6, 5)}).shape[1:] == (1, 6, 5)
    assert shown(folder, **plain, color="rgb").shape[1:] == (3, 8, 8)
    with pytest.raises(ValueError, match="should"):
        shown(folder, resize="refuse", image_size=(8, 8))


def test_unreadable_files_are_refused_or_skipped(folder: Path):
    (folder / "cat" / "broken.png").write_text("no image")
    settings = {"resize": "pad", "image_size": (8, 8)}
    with pytest.raises(ValueError, match=r"broken\.png"):
        shown(folder, **settings)
    with pytest.warns(UserWarning, match=r"broken\.png.*skipped"):
        assert len(shown(folder, **settings, unreadable="skip"))


def test_memory_decides_whether_the_set_lives_in_memory(folder: Path):
    settings = {"source": str(folder), "resize": "pad", "image_size": (8, 8)}
    small, large = (load_scenes(tiny(**settings, cache_gib=memory).data).train for memory in (1e-7, 4.0))
    assert isinstance(large, InMemory)
    assert not isinstance(small, InMemory)


def test_image_and_classes_must_be_those_of_the_data(tmp_path: Path):
    fit(tiny(epochs=1, image=(1, 8, 8), classes=tuple("0123456789")), tmp_path / "same")
    for other in ({"image": (3, 8, 8)}, {"classes": tuple("abcdefghij")}):
        with pytest.raises(ValueError, match=f"`{next(iter(other))}` should be"):
            fit(tiny(epochs=1, **other), tmp_path / "other")


def test_threads_are_those_of_the_run(tmp_path: Path):
    used: list[int] = []

    class Count(Callback):
        def on_step(self, epoch: int, step: int) -> None:
            used.append(torch.get_num_threads())

    before = torch.get_num_threads()
    fit(tiny(epochs=1, epoch_size=32, threads=2), tmp_path, listener=Count())
    assert set(used) == {2}
    assert torch.get_num_threads() == before


def test_the_device_is_the_one_that_was_named(monkeypatch, tmp_path: Path):
    asked = []

    def refuse(data, device, **options):
        asked.append(str(device))
        raise KeyboardInterrupt

    monkeypatch.setattr("foveate.training.fit.load_scenes", refuse)
    monkeypatch.setattr("foveate.training.fit.choose_device", torch.device)  # whether or not there is a GPU here
    for device in ("cpu", "cuda:1"):
        with pytest.raises(KeyboardInterrupt):
            fit(tiny(device=device), tmp_path / "run")
    assert asked == ["cpu", "cuda:1"]
