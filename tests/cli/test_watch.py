"""`foveate watch`: what it shows of a run, when it ends, and what it calls out."""

import json
import os
import time
from pathlib import Path

import pytest

from foveate import recipes, settings
from foveate.cli import main
from foveate.training.fit import fit
from foveate.viewing.dashboard import BARS
from training.tiny import tiny


@pytest.fixture(autouse=True)
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal as wide as the names of temporary folders need."""
    monkeypatch.setenv("COLUMNS", "200")


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that is done."""
    folder = tmp_path_factory.mktemp("runs") / "done"
    fit(tiny(epochs=4), folder)
    return folder


def under_way(folder: Path, epochs: int, **numbers: float) -> Path:
    """The folder of a run that has done some epochs, with these numbers in every line."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(settings.to_json(recipes.read("digits")))
    line = {"train_error": 0.3, "validation_error": 0.2, "best_validation_error": 0.2, "best_epoch": 1} | numbers
    lines = [json.dumps({"epoch": i + 1, "seconds": 2.0 * i + 2, **line}) + "\n" for i in range(epochs)]
    (folder / "metrics.jsonl").write_text("".join(lines))
    return folder


def shown(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """What it prints where the output is no terminal."""
    capsys.readouterr()
    assert main(["watch", *arguments]) == 0
    return capsys.readouterr().out


def test_a_run_that_is_done_is_shown_once(done: Path, capsys: pytest.CaptureFixture[str]):
    said = shown(capsys, str(done))
    last = json.loads((done / "metrics.jsonl").read_text().splitlines()[-1])
    assert "4/4" in said
    assert f"{last['validation_error']:.2%}" in said
    assert f"{last['best_validation_error']:.2%} (epoch {last['best_epoch']})" in said
    assert f"gradient norm        {last['gradient_norm']:.3f}" in said
    assert any(letter in BARS for letter in said)
    assert "done" in said
    assert "\x1b" not in said


def test_several_runs_have_a_curve_and_a_row_each(done: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    other = under_way(tmp_path / "other", 10)
    said = shown(capsys, str(done), str(other))
    rows = [line for line in said.splitlines() if line.startswith((str(done)[:8], str(other)[:8]))]
    assert "10/" in said
    assert "left" in said
    assert len(rows) >= 2
    assert "gradient norm" not in said
    assert all(any(letter in BARS for letter in row) for row in rows)


def test_a_run_in_its_first_epoch(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert "in its first epoch" in shown(capsys, str(under_way(tmp_path / "new", 0)))


def test_a_run_that_fell_silent_is_said_to_be(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    folder = under_way(tmp_path / "old", 5)
    assert "left" in shown(capsys, str(folder))
    for path in folder.iterdir():
        os.utime(path, (time.time() - 600,) * 2)
    assert "silent for 10 min: stopped?" in shown(capsys, str(folder))


@pytest.mark.parametrize(
    ("numbers", "words"),
    [({"loss": float("nan")}, "diverged"), ({"at_border": 0.99}, "collapsed"), ({"policy_std": 0.001}, "nothing new")],
)
def test_what_has_gone_wrong_is_said(
    numbers: dict[str, float], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    said = shown(capsys, str(under_way(tmp_path / "run", 20, **numbers)))
    assert said.count("Warning: ") == 1
    assert words in said
    assert "Warning" not in shown(capsys, str(under_way(tmp_path / "well", 20)))


def test_it_follows_until_the_run_is_done(done: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys):
    """On a terminal: it looks again until test.json is there."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    folder, looks = under_way(tmp_path / "run", 3), []

    def sleep(seconds: float) -> None:
        looks.append(seconds)
        under_way(folder, 3 + len(looks))
        if len(looks) == 4:
            (folder / "test.json").write_text("{}")

    monkeypatch.setattr(time, "sleep", sleep)
    assert main(["watch", str(folder)]) == 0
    assert len(looks) == 4
    assert f"7/{recipes.read('digits').training.epochs}" in capsys.readouterr().out
    assert main(["watch", str(folder), "--once"]) == 0
    assert len(looks) == 4


def test_ctrl_c_ends_it_quietly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.setenv("FORCE_COLOR", "1")

    def sleep(seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(time, "sleep", sleep)
    assert main(["watch", str(under_way(tmp_path / "run", 3))]) == 0
    assert capsys.readouterr().err == ""


def test_what_is_no_run_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["watch", str(tmp_path)]) == 2
    assert "Found no" in capsys.readouterr().err
