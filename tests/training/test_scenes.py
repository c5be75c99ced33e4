"""The split belongs to the run: no change of the folder turns a training image into a test image."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from foveate import fit, from_pretrained, save_pretrained
from foveate.cli import main
from foveate.training.load import load_run
from training.tiny import Interrupt, outcome, tiny

NOISE = {"source": "noise", "epoch_size": 0, "epochs": 2}


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """Return a folder with images of noise in two classes inside the working directory."""
    monkeypatch.chdir(tmp_path)
    generator = np.random.default_rng(0)
    for name in "ab":
        (tmp_path / "noise" / name).mkdir(parents=True)
        for i in range(30):
            pixels = generator.integers(0, 256, (8, 8), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "noise" / name / f"{i:02}.png")
    return tmp_path / "noise"


def images_of(run: Path, split: str = "test", **options) -> torch.Tensor:
    images = load_run(run, "cpu").images(split, **options)
    return images.read(torch.arange(len(images)))


def trained_on(run: Path) -> set[bytes]:
    folder = load_run(run, "cpu")
    from foveate.training.scenes import load_scenes, read_record

    train = load_scenes(folder.config.data, record=read_record(run, folder.config.data)).train
    return {pixels.numpy().tobytes() for pixels in train.read(torch.arange(len(train)))}


def rename_all(folder: Path) -> None:
    for i, path in enumerate(sorted(folder.rglob("*.png"), reverse=True)):
        path.rename(path.with_name(f"x{i}.png"))


def move(folder: Path) -> None:
    shutil.move(folder, folder.parent / "elsewhere")


@pytest.mark.parametrize("change", [lambda folder: None, rename_all])
def test_renaming_files_does_not_change_the_test_images(folder, change):
    fit(tiny(**NOISE), "run")
    before = images_of(Path("run"))
    seen = trained_on(Path("run"))
    change(folder)
    after = images_of(Path("run"))
    assert torch.equal(before, after)
    assert not seen & {pixels.numpy().tobytes() for pixels in after}


@pytest.mark.filterwarnings("default")
def test_new_files_are_counted_and_never_tested(folder, capsys):
    fit(tiny(**NOISE), "run")
    before = {pixels.numpy().tobytes() for pixels in images_of(Path("run"))}
    for i in range(5):
        Image.fromarray(np.full((8, 8), i, np.uint8)).save(folder / "a" / f"0{i}b.png")
    gone = sorted((folder / "b").iterdir())[:10]
    for path in gone:
        path.unlink()
    with pytest.warns(UserWarning, match=r"has changed since the run was split: 5 new .*, 10 gone"):
        after = {pixels.numpy().tobytes() for pixels in images_of(Path("run"))}
    assert after < before
    assert main(["evaluate", "run", "--json"]) == 0
    assert "5 new" in capsys.readouterr().err


def test_a_copied_model_knows_which_images_it_was_trained_on(folder, tmp_path):
    """The folder best/, copied elsewhere without its run; with images added, the split would be another."""
    fit(tiny(**NOISE), "run")
    seen, tested = trained_on(Path("run")), images_of(Path("run"))
    shutil.copytree("run/best", tmp_path / "copy")
    Image.fromarray(np.full((8, 8), 5, np.uint8)).save(folder / "a" / "00b.png")
    with pytest.warns(UserWarning, match="1 new"):
        assert torch.equal(images_of(tmp_path / "copy"), tested)
    folder = folder.rename(tmp_path / "moved")
    with pytest.warns(UserWarning, match="1 new"):
        after = images_of(tmp_path / "copy", source=str(folder))
    assert torch.equal(after, tested)
    assert not seen & {pixels.numpy().tobytes() for pixels in after}


def test_a_model_without_a_record_gives_a_warning(folder, tmp_path):
    fit(tiny(**NOISE), "run")
    save_pretrained(from_pretrained("run"), tmp_path / "model")
    with pytest.warns(UserWarning, match="does not say which images its model was trained on"):
        assert len(images_of(tmp_path / "model", source=str(folder)))


def test_a_model_of_another_source_is_evaluated_on_a_folder(folder, tmp_path):
    fit(tiny(epochs=1), "run")
    shutil.copytree("run/best", tmp_path / "copy")
    assert torch.equal(images_of(tmp_path / "copy"), images_of(Path("run")))
    with pytest.raises(ValueError, match="`classes` should be"):
        images_of(tmp_path / "copy", source=str(folder))


@pytest.mark.parametrize("change", ["add", "remove"])
def test_added_and_removed_classes_are_refused(folder, capsys, change):
    fit(tiny(**NOISE), "run")
    if change == "add":
        shutil.copytree(folder / "a", folder / "c")
    else:
        shutil.rmtree(folder / "b")
    assert main(["evaluate", "run"]) == 2
    assert re.search(r"foveate: The classes should be the 2 of the run\. Found `[bc]`", capsys.readouterr().err)


def test_images_are_found_from_any_directory_and_after_moving(folder, tmp_path, monkeypatch, capsys):
    fit(tiny(**NOISE), "run")
    before = images_of(Path("run"))
    (tmp_path / "other" / "noise").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "other")
    assert torch.equal(before, images_of(tmp_path / "run"))
    move(folder)
    capsys.readouterr()
    shutil.rmtree("noise")
    assert main(["evaluate", str(tmp_path / "run")]) == 2
    assert "Found no such folder: name it with `--source`" in capsys.readouterr().err
    assert main(["evaluate", str(tmp_path / "run"), "--source", str(tmp_path / "elsewhere")]) == 0
    assert torch.equal(before, images_of(tmp_path / "run", source=str(tmp_path / "elsewhere")))


@pytest.mark.filterwarnings("default")
def test_a_run_resumes_bit_for_bit_after_its_images_moved(folder):
    config = tiny(**NOISE)
    fit(config, "whole")
    with pytest.raises(KeyboardInterrupt):
        fit(config, "parts", listener=Interrupt(1, 1))
    rename_all(folder)
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(folder / "a" / "!new.png")
    move(folder)
    with pytest.warns(UserWarning, match="1 new"):
        fit(tiny(**NOISE | {"source": "elsewhere"}), "parts", resume=True)
    whole, parts = outcome(Path("whole")), outcome(Path("parts"))
    whole["config"]["data"]["source"] = "elsewhere"
    assert parts == whole
    assert images_of(Path("parts")).shape == images_of(Path("parts"), source="elsewhere").shape


def test_a_run_without_all_training_images_does_not_resume(folder):
    config = tiny(**NOISE)
    with pytest.raises(KeyboardInterrupt):
        fit(config, "run", listener=Interrupt(1, 1))
    record = load_run_record(Path("run"))
    (folder / next(iter(record["train"]))).unlink()
    with (
        pytest.warns(UserWarning, match="1 gone"),
        pytest.raises(ValueError, match=r"should find all of its images\. Found 39 of 40 train images"),
    ):
        fit(config, "run", resume=True)


def load_run_record(run: Path) -> dict[str, dict[str, str]]:
    return json.loads((run / "split.json").read_text())["splits"]


@pytest.mark.parametrize("resume", [True, False])
@pytest.mark.parametrize(("content", "message"), [(None, "Found no such file"), ("{}", "Found something else")])
def test_a_run_without_its_record_is_refused(folder, resume, content, message):
    fit(tiny(**NOISE), "run")
    if content is None:
        Path("run/split.json").unlink()
    else:
        Path("run/split.json").write_text(content)
    with pytest.raises(ValueError, match=message):
        fit(tiny(**NOISE), "run", resume=True) if resume else images_of(Path("run"))


def test_a_named_source_with_other_images_is_refused(tmp_path, monkeypatch):
    fit(tiny(), tmp_path)
    images_of(tmp_path)
    record = (tmp_path / "split.json").read_text()
    digest = load_run_record(tmp_path)["test"]["digits"]
    (tmp_path / "split.json").write_text(record.replace(digest, digest[::-1]))
    with pytest.raises(ValueError, match=r"`digits` should be the images of the run\. Found others in test"):
        images_of(tmp_path)
    (tmp_path / "split.json").unlink()
    assert len(images_of(tmp_path)) == 359
    assert len(images_of(tmp_path, source="digits")) == 359
    with pytest.raises(ValueError, match=r"or the path of a folder\. Found `photos`"):
        images_of(tmp_path, source="photos")


def test_starting_from_a_run_with_another_split_gives_a_warning(folder):
    fit(tiny(**NOISE, split_seed=0), "first")
    fit(tiny(**NOISE, split_seed=0, pretrained="first"), "same split")
    with pytest.warns(UserWarning, match=r"has trained on \d+ of its (8 validation|12 test) images") as said:
        fit(tiny(**NOISE, split_seed=1, pretrained="first"), "another split")
    trained = set(load_run_record(Path("first"))["train"].values())
    for warning, name in zip(said, ("validation", "test"), strict=True):
        count = len(trained & set(load_run_record(Path("another split"))[name].values()))
        assert f"trained on {count} of its" in str(warning.message)


@pytest.mark.parametrize(("source", "standardize", "expected"), [("noise", "auto", True), ("noise", "off", False)])
def test_photographs_are_standardized_by_their_training_images(folder, source, standardize, expected):
    fit(tiny(**NOISE, standardize=standardize), "run")
    loaded = load_run(Path("run"), "cpu")
    assert bool(loaded.config.model.image_mean) == expected
    if expected:
        image = loaded.images("train")
        pixels = image.read(torch.arange(len(image))).double() / 255
        assert loaded.config.model.image_mean == (round(float(pixels.mean()), 4),)
        assert float(loaded.model.glimpse.sensor.std) == pytest.approx(float(pixels.std(correction=0)), abs=1e-4)
    fit(tiny(**NOISE | {"epochs": 3}, standardize=standardize), "run", resume=True)


def test_handwriting_is_not_standardized(tmp_path):
    fit(tiny(epochs=1), tmp_path / "run")
    assert "glimpse.sensor.mean" not in load_run(tmp_path / "run", "cpu").model.state_dict()
