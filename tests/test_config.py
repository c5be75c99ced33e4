"""Settings survive files exactly, and what is no setting is refused in a sentence that helps."""

import dataclasses
import re
from typing import Literal, get_args, get_origin, get_type_hints

import hypothesis
import pytest
from hypothesis import given
from hypothesis import strategies as st

from foveate import settings
from foveate.config import Config, Model

NUMBERS = st.floats(allow_nan=False)


def values(hint):
    """Any value of a field's type."""
    if get_origin(hint) is Literal:
        return st.sampled_from(get_args(hint))
    if get_origin(hint) is tuple:
        items = get_args(hint)
        return st.lists(st.text()).map(tuple) if items[-1] is Ellipsis else st.tuples(*map(values, items))
    return {bool: st.booleans(), int: st.integers(-(2**63), 2**63 - 1), float: NUMBERS, str: st.text()}[hint]


def any_settings():
    """Any value for every setting, by section; a few at a time, so that examples stay small."""
    kinds = get_type_hints(Config)
    return st.fixed_dictionaries(
        {section: st.fixed_dictionaries({}, optional=fields(kind)) for section, kind in kinds.items()}
    )


def fields(kind):
    """Any value for every field of a section."""
    return {name: values(hint) for name, hint in get_type_hints(kind).items()}


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
    assert settings.to_toml(config, every=True).count(" = ") == sum(
        len(dataclasses.fields(section)) for section in (config.data, config.model, config.loss, config.training)
    )


def test_a_whole_number_is_a_number_and_a_list_a_tuple():
    model = settings.from_toml("[model]\nstd = 1\nglimpse_size = [4, 6]").model
    assert (type(model.std), model.glimpse_size) == (float, (4, 6))


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
        ("[model]\nglimpse_size = 8", "`glimpse_size` should be a list of 2 whole numbers."),
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


def test_no_two_settings_share_a_name():
    """Flags are flat: `--std`, not `--model.std`."""
    names = [field.name for kind in get_type_hints(Config).values() for field in dataclasses.fields(kind)]
    assert len(names) == len(set(names))
