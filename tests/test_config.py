"""Settings survive files exactly, and what is no setting is refused in a sentence that helps."""

import dataclasses
import math
import re
from pathlib import Path
from typing import Literal, get_args, get_origin, get_type_hints

import hypothesis
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from foveate import settings
from foveate.config import Config, Data, Model, Training
from foveate.fields import LARGEST_INTEGER


def values(hint):
    """Any value of a field's type, within its bounds."""
    bounds = getattr(hint, "__metadata__", ())
    kind = get_args(hint)[0] if bounds else hint
    if get_origin(kind) is Literal:
        return st.sampled_from(get_args(kind))
    if get_origin(kind) is tuple:
        items = get_args(kind)
        if items[-1] is Ellipsis:
            return st.lists(values(items[0]), max_size=5).map(tuple)
        return st.tuples(*(values(item) for item in items))
    if type(None) in get_args(kind):
        return st.none() | number(float, bounds)
    return number(kind, bounds) if kind in (int, float) else {bool: st.booleans(), str: st.text()}[kind]


def number(kind, bounds):
    """Any number within these bounds."""
    limits = {name: value for bound in bounds for name, value in dataclasses.asdict(bound).items()}
    least, most = limits.get("ge", limits.get("gt")), limits.get("le", limits.get("lt"))
    if kind is int:
        return st.integers(-LARGEST_INTEGER if least is None else least, LARGEST_INTEGER if most is None else most)
    return st.floats(
        least, most, exclude_min="gt" in limits, exclude_max="lt" in limits, allow_nan=False, allow_infinity=False
    )


def any_settings():
    """Any value for every setting, by section; a few at a time, so that examples stay small."""
    kinds = get_type_hints(Config)
    return st.fixed_dictionaries(
        {section: st.fixed_dictionaries({}, optional=fields(kind)) for section, kind in kinds.items()}
    )


def fields(kind):
    """Any value for every field of a section."""
    return {name: values(hint) for name, hint in get_type_hints(kind, include_extras=True).items()}


def build(chosen: dict) -> Config:
    """The config with those settings, made without the code under test."""
    return Config(**{section: kind(**chosen[section]) for section, kind in get_type_hints(Config).items()})


@given(any_settings(), st.booleans())
@hypothesis.settings(max_examples=50, deadline=None)
def test_toml_returns_the_same_config(chosen: dict, every: bool):
    config = build(chosen)
    assert settings.from_toml(settings.to_toml(config, every=every)) == config


@given(any_settings())
@hypothesis.settings(max_examples=50, deadline=None)
def test_json_returns_the_same_config(chosen: dict):
    config = build(chosen)
    assert settings.from_json(settings.to_json(config)) == config
    assert settings.from_json(settings.to_json(config.model), Model) == config.model


def test_a_recipe_holds_only_what_differs_unless_every_setting_is_asked_for():
    config = Config(model=Model(depth=3))
    assert settings.to_toml(config) == "[model]\ndepth = 3\n"
    sections = (config.data, config.model, config.loss, config.training)
    given = [value for section in sections for value in vars(section).values() if value is not None]
    assert settings.to_toml(config, every=True).count(" = ") == len(given)


def test_a_whole_number_is_a_number_and_a_list_a_tuple():
    model = settings.from_toml("[model]\nstd = 1\nglimpse_size = [4, 6]").model
    assert (type(model.std), model.glimpse_size) == (float, (4, 6))
    assert settings.from_toml("[data]\nimage_size = 64").data.image_size == (64, 64)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[training]\nepoch = 3", "Found `epoch`. Did you mean `epochs`?"),
        ("[training]\nstd = 0.1", "It belongs under `[model]`."),
        ("epochs = 3", "It belongs under `[training]`."),
        ("[trainng]\nepochs = 3", "Did you mean `training`?"),
        ("training = 3", "`[training]` should be a section."),
        ("[training]\nepochs = true", "`epochs` should be a whole number. Found `epochs = true`."),
        ("[training]\nepochs = 3.0", "`epochs` should be a whole number. Found `epochs = 3.0`."),
        ("[model]\nstd = '0.1'", "`std` should be a number."),
        ("[model]\nlearn_std = 1", "`learn_std` should be true or false."),
        ("[model]\nglimpse_size = [8]", "`glimpse_size` should be a list of 2 whole numbers."),
        ("[model]\nclasses = [1]", "`classes` should be a list of texts."),
        ("[model]\ncore = 'lsmt'", "`core` should be one of `rectified`, `lstm`, `gru`."),
        ("[data]\nsource = 1", "`source` should be a text."),
        ("epochs", "should be TOML"),
    ],
)
def test_what_is_no_setting_is_refused(text: str, sentence: str):
    with pytest.raises(ValueError, match=re.escape(sentence)):
        settings.from_toml(text)


@pytest.mark.parametrize(("text", "sentence"), [("{", "should be JSON"), ("[]", "should be a JSON object")])
def test_what_is_no_json_object_is_refused(text: str, sentence: str):
    with pytest.raises(ValueError, match=sentence):
        settings.from_json(text)


def test_a_file_is_named_before_what_is_wrong_in_it(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_bytes(b"[training]\nepoch = 3")
    with pytest.raises(ValueError, match=r"mine\.toml: .*epochs"):
        settings.read(path)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(ValueError, match=r"mine\.toml: "):
        settings.read(path)


@pytest.mark.parametrize(
    ("section", "name", "value", "expected"),
    [
        (Training, "batch_size", 0, "at least 1"),
        (Training, "learning_rate", 0.0, "above 0"),
        (Training, "learning_rate", math.nan, "a finite number"),
        (Training, "ema_decay", 1.0, "at least 0 and below 1"),
        (Training, "seed", 10**13, "at most 1,000,000,000,000"),
        (Data, "degrees", -1.0, "at least 0 and at most 180"),
        (Data, "validation", 1.0, "above 0 and below 1"),
        (Model, "glimpse_size", (8, -1), "at least 0"),
        (Model, "depth", 65, "at least 0 and at most 64"),
    ],
)
def test_a_value_outside_its_bounds_is_refused_wherever_it_comes_from(section, name, value, expected):
    sentence = re.escape(f"`{name}` should be {expected}. Found `{name} = {value}`.")
    with pytest.raises(ValueError, match=sentence):
        section(**{name: value})
    with pytest.raises(ValueError, match=sentence):
        settings.from_dict({section.__name__.lower(): {name: value}})


@pytest.mark.parametrize(
    ("section", "name", "value", "expected"),
    [
        (Training, "epochs", "3", "a whole number"),
        (Training, "epochs", 3.0, "a whole number"),
        (Training, "seed", True, "a whole number"),
        (Training, "learning_rate", "1e-3", "a number"),
        (Training, "learning_rate", None, "a number"),
        (Training, "optimizer", "adam", "one of `adamw`, `sgd`"),
        (Data, "image_size", (64,), "a list of 2 whole numbers"),
        (Data, "image_size", 64.0, "a list of 2 whole numbers"),
        (Data, "source", None, "a text"),
        (Model, "image", 28, "a list of 3 whole numbers"),
        (Model, "classes", "cat", "a list of texts"),
    ],
)
@pytest.mark.usefixtures("without_shape_checks")
def test_a_value_of_another_type_is_refused_in_python_too(section, name, value, expected):
    with pytest.raises(ValueError, match=re.escape(f"`{name}` should be {expected}. Found")):
        section(**{name: value})


@pytest.mark.usefixtures("without_shape_checks")
def test_python_converts_what_means_the_same():
    data = Data(source=Path("photos"), image_size=64, scale=np.float32(0.5))
    assert (data.source, data.image_size, data.scale) == ("photos", (64, 64), 0.5)
    assert Data(image_size=[64, 32]).image_size == (64, 32)
    training = Training(epochs=np.int64(3), learning_rate=1)
    assert (type(training.epochs), type(training.learning_rate)) == (int, float)


@pytest.mark.usefixtures("without_shape_checks")
def test_a_section_of_another_kind_is_refused():
    with pytest.raises(ValueError, match=r"`data` should be a `Data`\. Found a `Training`\."):
        Config(data=Training())


def test_values_on_the_edge_of_their_bounds_are_allowed():
    assert Data(degrees=180.0, scale=None).degrees == 180.0
    assert Training(epochs=1, ema_decay=0.0, weight_decay=0.0).epochs == 1


def test_no_two_settings_share_a_name():
    """Flags are flat: `--std`, not `--model.std`."""
    names = [field.name for kind in get_type_hints(Config).values() for field in dataclasses.fields(kind)]
    assert len(names) == len(set(names))
