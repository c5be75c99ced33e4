"""From a config to a model: the paper's sizes by default, every option where it belongs, what cannot be refused."""

import dataclasses
import re
from typing import Any

import pytest
import torch
from torch import nn

from asserts import operations
from foveate import GRUCore, LSTMCore, RectifiedCore, build, settings
from foveate.config import Config, Model
from foveate.training.derive import derive
from training.tiny import tiny_model

MNIST = {"image": (1, 28, 28), "classes": tuple("0123456789")}


def linears(module: nn.Module) -> list[tuple[int, int]]:
    """Inputs and outputs of every linear layer."""
    return [(part.in_features, part.out_features) for part in module.modules() if isinstance(part, nn.Linear)]


def test_the_defaults_are_the_recommended_network():
    model: Any = build(Model(**MNIST))
    assert linears(model.glimpse.what) == [(64, 128)]
    assert linears(model.glimpse.where) == [(2, 128)]
    assert linears(model.glimpse.join) == [(256, 256), (256, 256)]
    assert linears(model.core) == [(256, 256)]
    assert linears(model.locator) == [(256, 128), (128, 2)]
    assert linears(model.classifier) == [(256, 10)]
    assert linears(model.baseline) == []
    layers = [(64, 128), (2, 128), (256, 256), (256, 256), (256, 256), (256, 128), (128, 2), (256, 10)]
    assert sum(parameter.numel() for parameter in model.parameters()) == sum((n + 1) * m for n, m in layers)


def test_the_papers_network_differs_in_its_locator_and_baseline():
    model: Any = build(Model(**MNIST, locator_width=0, baseline="value"))
    assert linears(model.locator) == [(256, 2)]
    assert linears(model.baseline) == [(256, 1)]


def test_the_defaults_look_as_the_paper_does():
    model: Any = build(Model(**MNIST))
    sensor, unit = model.glimpse.sensor, model.locator.unit
    assert (sensor.size, sensor.depth, sensor.scale, model.num_glimpses) == ((8, 8), 1, 2.0, 7)
    assert unit.fixed_std.item() == pytest.approx(0.1)
    assert model.locator.reach.tolist() == pytest.approx([13 * 2 / 28] * 2)


def test_the_reach_has_each_axis_its_own_side():
    """Bug 8: `unit_pixels` is 7 pixels of an image 28 wide and 14 high: half its width, all its height."""
    model: Any = build(Model(image=(3, 14, 28), classes=("a", "b"), unit_pixels=7))
    assert model.locator.reach.tolist() == [0.5, 1.0]


def test_colour_and_depth_widen_the_first_layer_and_nothing_else():
    model: Any = build(Model(image=(3, 20, 30), classes=("a", "b"), glimpse_size=(4, 6), depth=2))
    assert linears(model.glimpse.what) == [(3 * 2 * 4 * 6, 128)]
    assert model(torch.rand(5, 3, 20, 30)).logits.shape == (7, 5, 2)


@pytest.mark.parametrize(("name", "kind"), [("rectified", RectifiedCore), ("lstm", LSTMCore), ("gru", GRUCore)])
def test_every_core_is_built_and_trains(name: str, kind: type):
    model: Any = build(tiny_model(core=name))
    assert type(model.core) is kind
    model(torch.rand(2, 1, 8, 8)).final_logits.sum().backward()
    assert all(parameter.grad is not None for parameter in model.core.parameters())


def test_parameters_start_within_init():
    model: Any = build(Model(**MNIST, init_range=0.1))
    everything = torch.cat([parameter.flatten() for parameter in model.parameters()])
    assert 0.0999 < everything.abs().max() <= 0.1
    # UniformLocator: mean 0 and standard deviation 0.1 / sqrt(3), within five standard errors of 209,421 numbers.
    assert everything.mean().abs() < 5 * 0.058 / len(everything) ** 0.5
    assert everything.std().item() == pytest.approx(0.1 / 3**0.5, rel=0.01)


def test_a_learned_std_starts_from_std_whatever_init():
    model: Any = build(tiny_model(learn_std=True, std=0.3, init_range=0.1))
    assert model.locator.unit.log_std.exp().item() == pytest.approx(0.3)


def test_parameters_come_from_the_global_generator():
    first, second = (torch.manual_seed(3) and build(tiny_model()).state_dict() for _ in range(2))
    third = build(tiny_model()).state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not all(torch.equal(first[name], third[name]) for name in first)


@pytest.mark.parametrize("changes", [{}, {"core": "lstm", "depth": 2, "learn_std": True, "init_range": 0.05}])
def test_a_config_that_went_through_json_builds_the_same_model(changes: dict):
    config = Config(model=tiny_model(**changes))
    torch.manual_seed(1)
    model: Any = build(config)
    torch.manual_seed(1)
    again = build(settings.from_json(settings.to_json(config)))
    assert model.config == again.config == derive(config).model
    assert repr(model) == repr(again)
    image = torch.rand(3, 1, 8, 8)
    assert torch.equal(model.eval()(image).logits, again.eval()(image).logits)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"image": (0, 0, 0)}, "`image` should be (channels, height, width), all at least 1."),
        ({"classes": ()}, "`classes` should name at least 2 classes."),
        ({"classes": ("one",)}, "`classes` should name at least 2 classes."),
        ({"hidden_size": 0}, "`hidden_size` should be at least 1. Found `hidden_size = 0`."),
        ({"what_width": 0}, "`what_width` should be at least 1. Found `what_width = 0`."),
        ({"ensemble": 0}, "`ensemble` should be at least 1 and at most 64. Found `ensemble = 0`."),
        ({"ensemble": 65}, "`ensemble` should be at least 1 and at most 64. Found `ensemble = 65`."),
        ({"where_width": 0}, "`where_width` should be at least 1. Found `where_width = 0`."),
        ({"join_width": 0}, "`join_width` should be at least 1. Found `join_width = 0`."),
        ({"locator_width": -1}, "`locator_width` should be at least 0. Found `locator_width = -1`."),
        ({"dropout": 1.0}, "`dropout` should be at least 0 and below 1. Found `dropout = 1.0`."),
        ({"num_glimpses": 0}, "`num_glimpses` should be at least 1 and at most 100,000. Found `num_glimpses = 0`."),
        ({"glimpse_size": (0, 4)}, "`size` should be at least 1. Found `size = (0, 4)`."),
        ({"depth": -1}, "`depth` should be at least 0 and at most 64. Found `depth = -1`."),
        ({"std": 0.0}, "`std` should be above 0. Found `std = 0.0`."),
        ({"init_range": -0.1}, "`init_range` should be at least 0. Found `init_range = -0.1`."),
        ({"unit_pixels": -1.0}, "`unit_pixels` should be at least 0. Found `unit_pixels = -1.0`."),
    ],
)
def test_what_cannot_be_built_is_refused_in_a_sentence(changes: dict, sentence: str):
    with pytest.raises(ValueError, match=re.escape(sentence)):
        build(dataclasses.replace(tiny_model(), **changes))


def test_an_image_of_other_channels_is_refused_in_a_sentence():
    with pytest.raises(ValueError, match=r"`image` should have 1 channel\(s\), as the model has\. Found 3\."):
        build(tiny_model())(torch.zeros(2, 3, 8, 8))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_floats_in_0_to_255_are_refused(dtype: torch.dtype):
    model = build(Model(**MNIST)).eval()
    image = torch.randint(0, 256, (3, 1, 28, 28)).to(dtype)
    with pytest.raises(ValueError, match=rf"^`image` of {dtype} should be in \[0, 1\]\. Found 25\d: divide by 255"):
        model(image)
    model((image / 255 - 0.13) / 0.31)  # as its owner may have trained it


@pytest.mark.usefixtures("without_shape_checks")
def test_a_range_is_read_only_where_that_costs_nothing(monkeypatch: pytest.MonkeyPatch):
    model = build(Model(**MNIST)).eval()
    bright = torch.full((3, 1, 28, 28), 255.0)
    assert "_local_scalar_dense" not in operations(lambda: model(bright.to(torch.uint8)))  # what training gives
    with monkeypatch.context() as patch:
        patch.setattr(torch.compiler, "is_compiling", lambda: True)
        model.static_scene(bright)
    model.to("meta")(bright.to("meta"))
    model = build(Model(**MNIST, num_glimpses=1)).eval()
    assert torch.export.export(model, (bright / 255,)).module()(bright).logits.isfinite().all()
    assert torch.func.vmap(lambda one: model(one[None], sample=False).logits[-1, 0])(bright / 255).shape == (3, 10)
