"""`foveate predict` gives to each picture the answer of `look`, in files or as lines, and passes over bad ones."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from foveate import from_pretrained, look
from foveate.cli import main
from foveate.viewing import predictions
from foveate.viewing.predictions import list_pictures, predict_files


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Five pictures of 8 x 8 pixels in two folders, a broken one, and files that are no pictures."""
    generator = np.random.default_rng(0)
    for i in range(5):
        path = tmp_path / "pictures" / "ab"[i % 2] / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(generator.integers(0, 256, (8, 8), dtype=np.uint8)).save(path)
    (tmp_path / "pictures" / "broken.png").write_bytes(b"no picture")
    (tmp_path / "pictures" / "Thumbs.db").touch()
    (tmp_path / "pictures" / "notes.txt").touch()
    (tmp_path / "pictures" / ".hidden.png").touch()
    return tmp_path / "pictures"


@pytest.mark.parametrize("batch", [2, 64])
@pytest.mark.parametrize("stop", [None, 0.6])
@pytest.mark.filterwarnings("ignore::foveate.viewing.look.UnfamiliarPicture")
def test_answers_are_those_of_look(folder: Path, stop: float | None, batch: int, monkeypatch: pytest.MonkeyPatch):
    """Whatever lies beside a picture in its batch."""
    monkeypatch.setattr(predictions, "BATCH", batch)
    model = from_pretrained("digits")
    found = list(predict_files(model, list_pictures([folder]), stop=stop, top=2))
    assert [each.path.name for each in found] == ["0.png", "2.png", "4.png", "1.png", "3.png", "broken.png"]
    for each in found[:-1]:
        seen = look(model, each.path, stop=stop)
        best = sorted(zip(seen.probabilities[-1].tolist(), seen.classes, strict=True), reverse=True)[:2]
        assert each.classes == tuple(name for _, name in best)
        assert each.probabilities == pytest.approx([probability for probability, _ in best], abs=1e-5)
        assert each.num_glimpses == len(seen.locations)
    assert "should be a readable image" in found[-1].error


def test_a_table_and_json_lines_hold_every_picture(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    table, lines = tmp_path / "out.csv", tmp_path / "out.jsonl"
    words = ["predict", "digits", str(folder), "--csv", str(table), "--json", str(lines), "--top", "2"]
    assert main(words) == 1
    told = capsys.readouterr()
    assert not told.out
    assert "broken.png" in told.err
    assert "5 pictures answered, 1 unreadable" in told.err
    with table.open(newline="") as file:
        rows = list(csv.DictReader(file))
    entries = [json.loads(line) for line in lines.read_text().splitlines()]
    assert [row["path"] for row in rows] == [entry["path"] for entry in entries]
    for row, entry in zip(rows[:-1], entries[:-1], strict=True):
        assert [row["class_1"], row["class_2"]] == list(entry["answers"])
        assert float(row["probability_1"]) == pytest.approx(entry["answers"][row["class_1"]], abs=1e-6)
        assert row["glimpses"] == str(entry["num_glimpses"]) == "6"
    assert rows[-1]["error"] == entries[-1]["error"] != ""


def test_lines_are_printed_where_no_file_is_asked_for(folder: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["predict", "digits", str(folder / "a"), "--top", "1"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines] == [str(folder / "a" / f"{i}.png") for i in (0, 2, 4)]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["nowhere"], "`nowhere` should be a picture or a folder of pictures. Found no such file."),
        (["empty"], "`empty` should hold pictures. Found no file in it."),
        (["a.png", "--csv", "a.png"], "`--csv` should be another file than the pictures. Found `a.png`."),
        (["a.png", "--json", "a.png/x"], "`--json` should be in a folder."),
        (["a.png", "--top", "0"], "`top` should be at least 1. Found `top = 0`."),
    ],
)
def test_what_cannot_be_done_is_said(words, sentence, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    Image.new("L", (8, 8)).save("a.png")
    assert main(["predict", "digits", *words]) == 2
    assert sentence in capsys.readouterr().err


def test_nothing_half_written_stays_where_no_picture_can_be_read(folder: Path, tmp_path: Path):
    assert main(["predict", "digits", str(folder / "broken.png"), "--csv", str(tmp_path / "out.csv")]) == 2
    assert (tmp_path / "out.csv").read_text().count("\n") == 2
