"""The recipes that come with the package say what they are and hold what they promise."""

import re
from dataclasses import replace

import pytest
import torch

from foveate import build, from_pretrained, recipes
from foveate.config import Config
from foveate.training.state import MOMENTUM
from foveate.training.transfer import transfer_weights

NAMES = [
    *("cluttered100", "cluttered100-anytime", "cluttered100-paper"),
    *("cluttered60", "cluttered60-anytime", "cluttered60-paper", "cluttered60-start"),
    *("digits", "mnist", "mnist-anytime", "mnist-paper", "mnist-quick", "photos"),
    *("torch7-mnist", "torch7-translated"),
    *("translated", "translated-anytime", "translated-paper", "translated-paper-start", "translated-start"),
]


def test_the_recipes_are_there():
    assert recipes.names() == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_recipe_can_be_read_and_says_what_it_is(name: str):
    assert (recipes.read(name) == Config()) == (name == "mnist-quick")
    assert recipes.summary(name).endswith((".", "%."))
    assert recipes.find(name).read_text().startswith("# ")


def test_the_original_is_kept_to_the_letter():
    """reference: SGD 0.01 -> 1e-5 linearly over 800 epochs, momentum 0.9, batch 20, uniform 0.1, Normal 2 * 0.11."""
    mnist, translated = recipes.read("torch7-mnist"), recipes.read("torch7-translated")
    training = mnist.training
    assert (training.optimizer, training.schedule, training.anneal_epochs) == ("sgd", "linear", 800)
    assert (training.learning_rate, training.min_learning_rate, MOMENTUM) == (0.01, 1e-5, 0.9)
    assert (mnist.data.held_out, translated.data.held_out) == ("tail", "tail")
    assert (translated.training.optimizer, translated.training.schedule) == ("sgd", "linear")
    assert (training.batch_size, training.epochs, training.patience) == (20, 2000, 100)
    model = mnist.model
    assert (model.init_range, model.std, model.unit_pixels, model.num_glimpses) == (0.1, 0.22, 13.0, 7)
    assert (model.baseline, model.locator_width, model.policy_gradient_into_core) == ("scalar", 0, True)
    assert (translated.training.learning_rate, translated.training.patience) == (0.001, 200)
    assert (translated.model.unit_pixels, translated.model.glimpse_size, translated.model.depth) == (26.0, (12, 12), 3)
    assert translated.model.stochastic
    assert not mnist.model.stochastic
    assert translated.data.canvas == "translated"


def test_a_recipe_of_ones_own_is_found_by_its_path(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text("[training]\nepochs = 3\n")
    assert recipes.read(str(path)).training.epochs == 3


def test_a_folder_of_images_is_trained_on_by_the_recipe_photos(tmp_path):
    (tmp_path / "cats").mkdir()
    photos = recipes.read("photos")
    assert recipes.read(str(tmp_path)) == replace(photos, data=replace(photos.data, source=str(tmp_path)))
    (tmp_path / "config.json").touch()
    with pytest.raises(ValueError, match=r"Found a run in `.*`: `foveate train --folder .* --resume` goes on"):
        recipes.read(str(tmp_path))


@pytest.mark.parametrize(
    ("recipe", "sentence"),
    [("mnits", "Did you mean `mnist`?"), ("none.toml", "Found none at `none.toml`")],
)
def test_what_is_no_recipe_is_refused(recipe: str, sentence: str):
    with pytest.raises((ValueError, FileNotFoundError), match=re.escape(sentence)):
        recipes.find(recipe)


def test_a_recipe_leaves_to_the_data_what_is_the_datas(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text("[model]\nclasses = ['a', 'b']\n")
    with pytest.raises(ValueError, match="classes"):
        recipes.read(str(path))


@pytest.mark.parametrize("name", [name for name in NAMES if recipes.read(name).training.pretrained])
def test_the_model_that_a_recipe_starts_from_is_there_and_fits(name: str):
    recipe = recipes.read(name)
    size, start = recipe.data.canvas_size or 28, from_pretrained(recipe.training.pretrained)
    model = build(replace(recipe.model, image=(1, size, size), classes=start.config.classes))
    transfer_weights(model, start)
    for part in ("core", "classifier"):
        mine, theirs = (getattr(each, part).state_dict() for each in (model, start))
        assert all(torch.equal(mine[name], theirs[name]) for name in theirs)


@pytest.mark.parametrize("name", [name for name in NAMES if name.endswith("-anytime")])
def test_a_recipe_for_any_time_differs_from_the_model_it_starts_from_in_its_loss_and_training_only(name: str):
    recipe = recipes.read(name)
    before = recipes.read(recipe.training.pretrained)
    loss = replace(before.loss, answers="every")
    assert (recipe.data, recipe.model, recipe.loss) == (before.data, before.model, loss)
