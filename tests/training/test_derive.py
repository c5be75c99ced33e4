"""Settings derived from the data, and the defaults: a config with nothing but a source trains what is recommended."""

from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from foveate import fit, recipes, settings
from foveate.config import Config, Data, Model
from foveate.training.derive import derive, derive_as_saved, derive_model

DIGITS = tuple("0123456789")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder of two classes of color images, 20 wide and 16 high."""
    for label in ("cat", "dog"):
        (tmp_path / label).mkdir()
        for i in range(10):
            Image.new("RGB", (20, 16), (20 * i, 40, 200 if label == "cat" else 0)).save(tmp_path / label / f"{i}.png")
    return tmp_path


def test_a_config_with_nothing_but_a_source_is_the_recommended_recipe():
    assert Config(data=Data(source="mnist")) == recipes.read("mnist-quick")


def test_a_config_with_nothing_but_a_source_trains_and_its_saved_config_says_all(photos: Path):
    saved = fit(Config(data=Data(source=str(photos))), photos / "run").config
    assert saved == settings.read(photos / "run" / "config.json")
    assert (saved.model.image, saved.model.classes) == ((3, 16, 20), ("cat", "dog"))
    assert (saved.model.glimpse_size, saved.model.depth, saved.model.unit_pixels) == ((6, 6), 1, 9.0)
    assert (saved.data.degrees, saved.data.scale) == (0.0, 0.0)
    assert (saved.training.num_rollouts, saved.model.baseline, saved.model.locator_width) == (4, "leave-one-out", 128)
    assert derive(saved) == saved


@pytest.mark.parametrize(
    ("image", "patch", "depth", "reach"),
    [
        ((1, 1, 1), 2, 1, 1.0),
        ((1, 8, 8), 4, 1, 4.0),
        ((1, 28, 28), 8, 1, 13.0),
        ((1, 60, 60), 12, 2, 27.0),
        ((1, 100, 60), 12, 3, 45.0),
        ((3, 96, 128), 12, 3, 58.0),
        ((3, 224, 224), 12, 4, 101.0),
    ],
)
def test_the_glimpse_fits_the_image(image, patch, depth, reach):
    model = derive_model(Model(image=image))
    assert (model.glimpse_size, model.depth, model.unit_pixels) == ((patch, patch), depth, reach)


@pytest.mark.parametrize("side", range(16, 513, 8))
def test_the_widest_window_covers_up_to_half_of_the_side_and_the_reach_ends_near_the_border(side: int):
    model = derive_model(Model(image=(1, side, side)))
    widest = model.glimpse_size[0] * 2 ** (model.depth - 1)
    assert side / 5 <= widest <= side / 2
    assert side / 2 - model.unit_pixels <= max(2, 0.06 * side)


def test_what_is_given_is_kept():
    model = derive_model(Model(image=(1, 60, 60), glimpse_size=(6, 10), unit_pixels=5.0))
    assert (model.glimpse_size, model.depth, model.unit_pixels) == ((6, 10), 2, 5.0)
    assert derive_model(Model(image=(1, 60, 60), depth=1)).depth == 1
    assert derive(Config(data=Data(degrees=0.0))).data.degrees == 0.0


@pytest.mark.parametrize(("source", "degrees", "scale"), [("digits", 7, 0.07), ("mnist", 7, 0.07), ("photos", 0, 0)])
def test_only_handwriting_is_augmented_unasked(source, degrees, scale):
    data = derive(Config(data=Data(source=source))).data
    assert (data.degrees, data.scale) == (degrees, scale)


def test_settings_equal_those_of_a_saved_run_only_if_they_derive_the_same():
    saved = derive(Config(model=Model(image=(1, 28, 28), classes=DIGITS)))
    assert derive_as_saved(Config(), saved) == saved
    other = replace(saved, model=replace(saved.model, unit_pixels=5.0))
    assert derive_as_saved(Config(), other) != other
