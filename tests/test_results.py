"""The pages of results say what the files in results say, and what is measured is what its name says."""

import importlib
import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from foveate import recipes, settings
from foveate.config import Config, Data, Model, Training
from foveate.data.records import InMemory
from foveate.training.scenes import load_scenes

SCRIPTS = Path(__file__).parents[1] / "scripts"


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch):
    """A module of scripts."""
    monkeypatch.syspath_prepend(SCRIPTS)
    return importlib.import_module


def test_pages_are_those_that_make_results_writes(script):
    results = script("results")
    assert results.PAGE.read_text(encoding="utf-8") == results.page(), "run `make results`"
    assert results.block(results.README, "results") == results.table(), "run `make results`"


@pytest.mark.parametrize(
    ("row", "wrong", "said"),
    [
        ("mnist", [40, 60], " Together 100 of 20,000 are wrong. Target: 0.50 %, reached."),
        ("mnist", [40, 61], " Together 101 of 20,000 are wrong. Target: 0.50 %, not reached; "),
        ("mnist-paper", [5000], ""),
    ],
)
def test_a_row_with_a_target_says_whether_its_mean_reached_it(script, row: str, wrong: list[int], said: str):
    found = script("results").aimed(row, [{"test": {"num_errors": count, "n": 10_000}} for count in wrong])
    assert found.startswith(said)
    assert bool(found) == bool(said)


def test_the_tables_of_pilots_are_those_of_the_files(script):
    pilots = script("pages")
    assert pilots.PILOTS.read_text(encoding="utf-8") == pilots.pilots_page(), "run `make results`"
    for group in pilots.groups():
        assert pilots.table(group).count("\n| ") == 2 + len(list((pilots.FOLDER / group).iterdir()))


def test_a_gaze_follows_as_far_as_it_moves_with_the_digit(script):
    """Across it follows half the way, down not at all, whatever else moves it; the box of the digit gives its place."""
    measure = script("measure")
    image = torch.zeros(6, 1, 30, 40, dtype=torch.uint8)
    digits = torch.tensor([[5, 7], [9, 20], [30, 8], [22, 15], [11, 11], [35, 24]], dtype=torch.float64)
    for picture, (x, y) in zip(image[:, 0], digits.long().tolist(), strict=True):
        picture[y - 2 : y + 3, x - 3 : x + 4] = 9
    assert torch.equal(measure.centers(image), digits)
    places = torch.stack([3 + digits[:, 0] / 2, torch.full((6,), 4.0, dtype=torch.float64)], dim=1)
    assert measure.slopes(places, digits) == pytest.approx([0.5, 0.0])


def test_the_gaze_is_as_near_a_digit_as_its_nearest_place(script):
    """3, 4, 1, 0 and 5 pixels off."""
    digits = torch.tensor([[10.0, 10.0]]).expand(5, 2)
    off = torch.tensor([[3.0, 0.0], [0.0, -4.0], [1.0, 0.0], [0.0, 0.0], [-3.0, 4.0]])
    places = torch.stack([digits + 2 * off + 9, digits + off])
    assert script("measure").nearest(places, digits) == pytest.approx([3.0, 4.6])


def test_the_page_of_speed_tells_what_was_measured(script):
    pages = script("pages")
    assert script("results").block(pages.PERFORMANCE, "bench") == pages.bench_tables(), "run `make results`"
    assert pages.PICTURE.read_bytes() == (pages.LOG / "bench.png").read_bytes()


def test_the_page_tells_how_long_answers_took(script):
    pictures = script("pictures")
    assert script("results").block(pictures.WEB, "latency") == pictures.told(pictures.load(pictures.LATENCY)), (
        "see scripts/pictures.py"
    )


def test_times_are_kept_by_their_median_and_by_what_95_percent_are_below(script):
    taken = [number / 1000 for number in range(100, 0, -1)]
    facts = script("pictures").measured("mnist", taken, 0.011, 2.0)
    assert (facts["n"], facts["median"], facts["percentile_95"], facts["processor_time"]) == (100, 50.5, 96, 11)


def test_smaller_digits_lie_in_the_middle_and_are_as_bright_in_all(script):
    image = torch.zeros(1, 1, 28, 28, dtype=torch.uint8)
    image[..., 7:21, 7:21] = 200
    small = script("measure").scaled(InMemory(image, torch.tensor([3])), 14).image
    rows, columns = small[0, 0].nonzero().unbind(1)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (10, 17, 10, 17)
    assert (small[0, 0, 11:17, 11:17] == 200).all()


def test_several_seeds_are_told_by_mean_and_standard_deviation(script):
    assert script("results").spread([0.004, 0.006]) == "0.50 % ± 0.14"
    assert script("results").spread([0.004]) == "0.40 %"


def test_where_runs_start_is_told(script):
    """From nothing, or from one model that all share."""
    told = {}
    for starts in (("", ""), ("mine", "mine"), ("mine",)):
        runs = [{"config": Config(training=Training(pretrained=start))} for start in starts]
        told[starts] = "".join(script("results").begun(runs))
    assert told["", ""] == ""
    assert told["mine",] == "Starts from the model `mine`, which comes with the package.\n"
    assert "their spread is the spread of this last stage" in " ".join(told["mine", "mine"].split())


def test_ablations_are_told_by_what_was_changed_the_least_error_first(script, monkeypatch, tmp_path):
    recipe, levers = recipes.read("mnist-quick"), script("results")
    runs = [(recipe, 0.02, 0), (recipe, 0.04, 1)]
    cut = replace(recipe, model=replace(recipe.model, locator_width=0, policy_gradient_into_core=True))
    runs += [(cut, 0.01, 0)]
    for number, (config, error, seed) in enumerate(runs):
        folder = tmp_path / "results" / "ablations" / f"{number}-seed-{seed}"
        folder.mkdir(parents=True)
        config = replace(config, training=replace(config.training, seed=seed, evaluate_on="validation"))
        (folder / "config.json").write_text(settings.to_json(config))
        lines = [{"validation_error": 0.5}, {"validation_error": error, "train_error": error / 2}]
        (folder / "metrics.jsonl").write_text("\n".join(map(json.dumps, lines)))
    monkeypatch.setattr(levers, "ROOT", tmp_path)
    assert list(levers.ablations())[-2:] == [
        "| `--locator-width 0 --policy-gradient-into-core` | 1.00 % | 0.50 % | 1 |",
        "| nothing | 3.00 % ± 1.41 | 1.50 % ± 0.71 | 2 |",
    ]
    (tmp_path / "results").rename(tmp_path / "none")
    assert not list(levers.ablations())


def test_commands_are_as_one_types_them(script):
    before = recipes.read("digits")
    model = replace(before.model, learn_std=True, stochastic=True, glimpse_size=(9, 9))
    config = replace(before, model=model, training=replace(before.training, pretrained="my runs/best"))
    told = script("measure").command("digits", config)
    assert told == "foveate train digits --glimpse-size 9 9 --learn-std --stochastic --pretrained 'my runs/best'"
    assert script("measure").flag("pretrained", "") == "--pretrained ''"
    assert script("measure").flag("learn_std", False) == "--no-learn-std"


def test_a_network_is_weighed_as_its_layers_say(script):
    """Every product of every glimpse and of the baseline, the answer once, and no bias."""
    sizes = {"num_glimpses": 3, "locator_width": 5, "hidden_size": 10, "join_width": 20}
    model = Model(image=(1, 28, 28), classes=("a", "b"), baseline="value", **sizes)
    glimpse = 64 * 128 + 2 * 128 + 256 * 20 + 20 * 10
    products = 3 * (glimpse + 10 * 10 + 10 * 5 + 5 * 2 + 10) + 10 * 2
    biases = 128 + 128 + 20 + 10 + 10 + 5 + 2 + 2 + 1
    parameters = glimpse + 10 * 10 + 10 * 5 + 5 * 2 + 10 * 2 + 10 + biases
    results = script("results")
    assert results.network(model) == (parameters, products)
    assert results.members([{"config": Config(model=model)}]) == ""
    assert results.members([{"config": Config(model=replace(model, ensemble=3))}]) == ", in an ensemble of 3"


def test_a_digit_lies_among_clutter_where_it_lies_alone(script):
    """So its place is known: the same scene without pieces, as far as the gaze is measured."""
    images = script("measure").IMAGES
    among, alone = (
        load_scenes(Data(source="digits", canvas=canvas, canvas_size=20, distractors=pieces)).validation
        for canvas, pieces in (("cluttered", 3), ("translated", 0))
    )
    index = torch.arange(min(images, len(alone)))
    among, alone = among.read(index), alone.read(index)
    assert (among >= alone).all()
    assert (among > alone).flatten(1).any(1).all()
