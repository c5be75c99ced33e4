"""The threshold of stopping: its curve equals stopping itself, validation chooses it, and it stays with the model."""

import json
from pathlib import Path

import pytest
import torch

from foveate import evaluate, from_pretrained, look
from foveate.cli import main
from foveate.data.sources import load
from foveate.training.evaluate import multiply_adds
from foveate.training.stopping import StopPoint, choose_stop, read_stop, save_stop, stop_point, stopping_curve


def test_the_curve_is_what_stopping_gives():
    model, images = from_pretrained("digits"), load("digits").validation
    points = {point.stop: point for point in stopping_curve(model, images)}
    for stop in (0.3, 0.6, 0.9, 0.99, 1.0):
        found = evaluate(model, images, stop=stop)
        assert found.error_rate == pytest.approx(points[stop].error_rate)
        assert found.mean_glimpses == pytest.approx(points[stop].mean_glimpses)
        assert sum(found.num_stops_by_glimpse) == found.n
    whole = evaluate(model, images)
    assert points[1.0].error_rate == whole.error_rate
    assert points[1.0].mean_glimpses == whole.mean_glimpses == model.num_glimpses


def test_the_batch_size_changes_nothing():
    model, images = from_pretrained("digits"), load("digits").validation
    one, two = (evaluate(model, images, stop=0.8, batch_size=size) for size in (500, 37))
    assert one.num_errors == two.num_errors
    assert one.num_stops_by_glimpse == two.num_stops_by_glimpse


def test_a_stop_is_the_first_glimpse_that_is_sure_enough():
    confidence = torch.tensor([[0.5, 0.7, 0.2], [0.9, 0.6, 0.3], [0.4, 0.9, 0.4]])
    wrong = torch.tensor([[True, False, True], [False, True, True], [True, True, False]])
    assert stop_point(confidence, wrong, 0.7) == StopPoint(0.7, 0.0, 2.0)
    at_once, never = stop_point(confidence, wrong, 0.0), stop_point(confidence, wrong, 1.0)
    assert (at_once.error_rate, at_once.mean_glimpses) == (pytest.approx(2 / 3), 1)
    assert (never.error_rate, never.mean_glimpses) == (pytest.approx(2 / 3), 3)


@pytest.mark.parametrize(("within", "stop"), [(0.0, 1.0), (0.001, 0.9), (0.05, 0.5)])
def test_the_smallest_threshold_within_the_allowed_error_is_chosen(within: float, stop: float):
    points = [StopPoint(0.5, 0.04, 2.0), StopPoint(0.9, 0.021, 3.1), StopPoint(1.0, 0.02, 7.0)]
    assert choose_stop(points, within).stop == stop


def test_a_threshold_is_kept_with_the_model(tmp_path: Path):
    point = StopPoint(0.85, 0.01, 3.25)
    save_stop(point, tmp_path)
    assert read_stop(tmp_path) == point


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"stop": 2, "error_rate": 0, "mean_glimpses": 1}'])
def test_a_damaged_threshold_is_refused(tmp_path: Path, text: str):
    (tmp_path / "stop.json").write_text(text)
    with pytest.raises(ValueError, match="should hold a threshold"):
        read_stop(tmp_path)


def test_without_a_threshold_the_sentence_says_how_to_choose_one(tmp_path: Path):
    with pytest.raises(FileNotFoundError, match="evaluate RUN --stop auto"):
        read_stop(tmp_path)


def test_the_commands_choose_keep_and_use_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    run = tmp_path / "run"
    sizes = ["--epochs", "2", "--num-glimpses", "3", "--hidden-size", "16", "--join-width", "16"]
    assert main(["train", "digits", "--folder", str(run), *sizes]) == 0
    assert main(["look", str(run), "--stop", "auto", "--out", str(tmp_path / "a.png")]) == 2
    assert "evaluate RUN --stop auto" in capsys.readouterr().err
    assert main(["evaluate", str(run), "--stop", "auto", "--within", "100"]) == 0
    printed = capsys.readouterr()
    assert "Stop at 0.01" in printed.err
    assert "1.00 of 3 glimpses on average" in printed.out
    assert read_stop(run / "best").mean_glimpses == 1
    assert main(["look", str(run), "--stop", "auto", "--out", str(tmp_path / "a.png"), "--json"]) == 0
    looks = json.loads(capsys.readouterr().out)
    assert {len(one["locations"]) for one in looks} == {1}
    assert main(["evaluate", str(run), "--stop", "0.5", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["stop"] == 0.5
    assert 1 <= facts["mean_glimpses"] <= 3


def test_a_look_ends_when_it_is_sure():
    model, image = from_pretrained("digits"), load("digits").test.read(torch.tensor([0]))[0]
    whole = look(model, image)
    sure = whole.probabilities.amax(-1)
    seen = look(model, image, stop=0.9)
    first = next(step for step, value in enumerate(sure.tolist()) if value >= 0.9)
    assert len(seen.locations) == first + 1
    torch.testing.assert_close(seen.probabilities, whole.probabilities[: first + 1])


def test_multiply_adds_of_a_glimpse():
    """The paper's network: 64 x 128, 2 x 128, 256 x 256 three times, 256 x 2 and 256 x 10."""
    expected = 64 * 128 + 2 * 128 + 3 * 256 * 256 + 256 * 2 + 256 * 10
    assert multiply_adds(from_pretrained("mnist-paper")) == expected
