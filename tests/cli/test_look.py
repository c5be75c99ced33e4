"""`foveate look`: images are made ready as in training, answered one by one, and drawn without replacing anything."""

import json
import os
import shutil
import sys
from pathlib import Path

import pytest
from PIL import Image, ImageOps

from foveate import weights
from foveate.cli import main
from foveate.cli.output import check_writable, is_picture_name, picture_paths
from foveate.config import Config, Data
from foveate.training.fit import fit
from foveate.web.examples import DIGITS, strokes
from foveate.web.handwriting import draw_on_pad
from training.tiny import tiny


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """The folder of a run whose model is the shipped one of digits."""
    return Path(shutil.copytree(weights.FOLDER / "digits", tmp_path / "run"))


@pytest.fixture
def digits(tmp_path: Path) -> list[str]:
    """Ten digits in dark ink on white paper, as files."""
    paths = []
    for digit in DIGITS:
        paths.append(str(tmp_path / f"{digit}.png"))
        ImageOps.invert(Image.fromarray(draw_on_pad(strokes(digit), (280, 280))[0][0].numpy())).save(paths[-1])
    return paths


def answers(capsys: pytest.CaptureFixture[str]) -> list[dict]:
    """What `--json` printed."""
    return json.loads(capsys.readouterr().out)


def test_answers_and_pictures(run: Path, digits: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    out = tmp_path / "looks"
    assert main(["look", str(run), *digits[:2], "--out", str(out)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(": ")[0] for line in lines] == [*digits[:2], "Pictures"]
    assert sorted(path.name for path in out.iterdir()) == ["0.png", "1.png"]
    assert main(["look", str(run), *digits[:2], "--out", str(tmp_path / "both.png"), "--json"]) == 0
    first, _ = answers(capsys)
    assert (first["path"], first["picture"]) == (digits[0], str(tmp_path / "both.png"))
    with Image.open(first["picture"]) as picture:
        assert min(picture.size) > 100


def test_animations_lie_next_to_pictures_or_alone(
    run: Path, digits: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    looks, both = tmp_path / "looks", tmp_path / "both.gif"
    options = ["--num-glimpses", "2", "--json"]
    assert main(["look", str(run), *digits[:2], "--animate", "--out", str(looks), *options]) == 0
    assert [(entry["picture"], entry["animation"]) for entry in answers(capsys)] == [
        (str(looks / f"{name}.png"), str(looks / f"{name}.webp")) for name in "01"
    ]
    assert main(["look", str(run), *digits[:2], "--out", str(both), *options]) == 0
    assert [entry["animation"] for entry in answers(capsys)] == [str(both)] * 2
    for path in (looks / "0.webp", looks / "1.webp", both):
        with Image.open(path) as file:
            assert getattr(file, "is_animated", False)


@pytest.mark.parametrize(("name", "least"), [("mnist", 10), ("digits", 9), ("translated", 10)])
def test_dark_ink_on_paper_is_read_without_a_hint(
    name: str, least: int, digits: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    assert main(["look", name, *digits, "--out", str(tmp_path / "all.png"), "--json"]) == 0
    entries = answers(capsys)
    assert sum(entry["answer"] == digit for entry, digit in zip(entries, DIGITS, strict=True)) >= least
    assert all(entry["inverted"] for entry in entries)


def test_pictures_are_fitted_as_in_training(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """A mark that only `crop` keeps visible: the model's images are those of training, with no option given."""
    for label, darkest in (("a", 0), ("b", 10)):
        (tmp_path / "data" / label).mkdir(parents=True)
        for i in range(10):
            Image.new("L", (60, 20), darkest + 20 * i).save(tmp_path / "data" / label / f"{i}.png")
    config = tiny(epochs=1)
    data = Data(source=str(tmp_path / "data"), resize="crop", image_size=(20, 20))
    fit(Config(data=data, model=config.model, loss=config.loss, training=config.training), tmp_path / "run")
    picture = Image.new("L", (60, 20))
    picture.paste(255, (20, 0, 40, 20))
    picture.save(tmp_path / "new.png")
    for folder in (tmp_path / "run", tmp_path / "run" / "best"):
        config = json.loads((folder / "config.json").read_text())
        model = config.get("model", config)
        assert (model["picture_size"], model["picture_resize"], model["handwriting"]) == ([20, 20], "crop", "")
    arguments = ["look", str(tmp_path / "run"), str(tmp_path / "new.png"), "--out", str(tmp_path / "x.png"), "--json"]
    assert main(arguments) == 0
    assert answers(capsys)[0]["zoom"] == [1.0, 1.0]
    assert main([*arguments, "--resize", "pad"]) == 0
    assert answers(capsys)[0]["zoom"] == pytest.approx([1 / 3, 1 / 3])


def test_images_of_the_same_name_are_all_kept(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """Whatever their names: numbered ones, another suffix, another case."""
    names = ["one/a-2.png", "one/a.png", "two/a.png", "two/a.bmp", "two/A.png", "one/a-1.png"]
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.new("L", (8, 8)).save(tmp_path / name)
    images = [str(tmp_path / name) for name in names]
    assert main(["look", str(run), *images, "--animate", "--out", str(tmp_path / "looks"), "--json"]) == 0
    entries = answers(capsys)
    assert [entry["path"] for entry in entries] == images
    files = {entry[kind] for entry in entries for kind in ("picture", "animation")}
    assert len({file.lower() for file in files}) == 2 * len(names)
    assert {str(path) for path in (tmp_path / "looks").iterdir()} == files


@pytest.mark.skipif(sys.platform != "linux", reason="Elsewhere every name is UTF-8.")
def test_names_that_are_not_utf8_are_drawn_and_listed(
    run: Path, digits: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    names = [os.fsdecode(name) for name in (b"\xfe.png", b"\xff.png")]
    paths = [shutil.copy(digits[1], tmp_path / name) for name in names]
    assert main(["look", str(run), *map(str, paths), "--out", str(tmp_path / "looks"), "--json"]) == 0
    assert [seen["picture"] for seen in answers(capsys)] == [
        str(tmp_path / "looks" / "\ufffd.png"),
        str(tmp_path / "looks" / "\ufffd-1.png"),
    ]
    table = tmp_path / "table.csv"
    assert main(["predict", str(run), *map(str, paths), "--csv", str(table)]) == 0
    rows = table.read_text(encoding="utf-8").splitlines()[1:]
    assert [row.split(",")[0] for row in rows] == [rf"{tmp_path}/\udcfe.png", rf"{tmp_path}/\udcff.png"]


def test_an_image_is_never_replaced_by_its_picture(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    Image.new("L", (8, 8), 9).save("a.png")
    before = Path("a.png").read_bytes()
    assert main(["look", str(run), "a.png", "--out", "."]) == 0
    assert Path("a.png").read_bytes() == before
    assert Path("a-1.png").exists()
    assert main(["look", str(run), "a.png", "--out", "a.png"]) == 2
    assert "one of them" in capsys.readouterr().err
    assert Path("a.png").read_bytes() == before


def test_a_folder_may_have_a_dot_in_its_name(run: Path, digits: list[str], tmp_path: Path):
    for name in ("looks.v1", "2026.11.26", "run-0.5", "made.png"):
        out = tmp_path / name
        if name == "made.png":
            out.mkdir()
        assert main(["look", str(run), digits[0], "--out", str(out)]) == 0
        assert [path.name for path in out.iterdir()] == ["0.png"]


@pytest.mark.parametrize("name", ["looks.bmp", "looks.mp4"])
def test_a_format_that_is_not_written_is_refused(name: str):
    with pytest.raises(ValueError, match=r"or end with \.png, "):
        is_picture_name(Path(name))


def test_one_unreadable_image_does_not_keep_the_others_from_being_answered(
    run: Path, digits: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    (tmp_path / "text.png").write_text("no picture")
    images = [str(tmp_path / "text.png"), digits[3], str(tmp_path / "absent.png"), digits[4]]
    out = tmp_path / "looks"
    assert main(["look", str(run), *images, "--out", str(out)]) == 1
    said = capsys.readouterr()
    assert [line.split(": ")[0] for line in said.out.splitlines()] == [digits[3], digits[4], "Pictures"]
    assert [line.startswith("foveate: `") for line in said.err.splitlines()] == [True, True]
    assert "text.png" in said.err.splitlines()[0]
    assert "Found no such file" in said.err.splitlines()[1]
    assert main(["look", str(run), *images, "--out", str(out), "--json"]) == 1
    entries = answers(capsys)
    assert [entry["path"] for entry in entries] == [digits[3], digits[4], images[0], images[2]]
    assert ["error" in entry for entry in entries] == [False, False, True, True]


@pytest.mark.parametrize("content", [b"", b"no picture"])
def test_no_readable_image_ends_in_exit_code_2(
    run: Path, content: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    (tmp_path / "a.png").write_bytes(content)
    out = tmp_path / "looks"
    assert main(["look", str(run), str(tmp_path / "a.png"), "--out", str(out)]) == 2
    said = capsys.readouterr().err
    assert said.startswith("foveate: ")
    assert "a.png" in said
    assert said.count("\n") == 1
    assert not out.exists()


def test_a_place_that_cannot_be_written_is_refused_before_anything_is_computed(
    run: Path, digits: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    def compute(*arguments: object, **options: object) -> None:
        raise AssertionError

    # The report first: a module that is imported while `look` is replaced would keep the replacement.
    monkeypatch.setattr("foveate.viewing.report.make_report", compute)
    monkeypatch.setattr("foveate.viewing.look.look", compute)
    (tmp_path / "file").write_text("")
    assert main(["look", str(run), digits[0], "--out", str(tmp_path / "file" / "looks")]) == 2
    assert "which is a file" in capsys.readouterr().err
    writable = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: not str(path).startswith(str(run)) and writable(path, mode))
    for command in (["look", str(run), digits[0]], ["evaluate", str(run), "--report"]):
        assert main(command) == 2
        assert "which is read-only" in capsys.readouterr().err
    check_writable(tmp_path / "new" / "folder")
    assert not (tmp_path / "new").exists()


def test_names_are_unlike_each_other_and_unlike_the_inputs():
    paths = picture_paths(["a.jpg", "b.png"], Path("here"), [Path("here/a.jpg"), Path("here/b-1.webp")])
    assert [path.name for path in paths] == ["a-1.png", "b.png"]


def test_a_model_of_scenes_warns_where_an_image_was_resized_to_a_scene(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    sizes = {"scene": (60, 60), "photo": (200, 100), "strip": (20, 60), "speck": (4, 4), "dot": (3, 3)}
    paths = {name: str(tmp_path / f"{name}.png") for name in sizes}
    for name, size in sizes.items():
        Image.new("L", size).save(paths[name])
    out = ["--out", str(tmp_path / "looks.png"), "--json"]
    assert main(["look", "cluttered60", paths["scene"], *out]) == 0
    assert not capsys.readouterr().err
    assert main(["look", "cluttered60", *paths.values(), "--resize", "pad", *out]) == 0
    said = capsys.readouterr()
    assert len(json.loads(said.out)) == len(sizes)
    assert "`photo.png`, `strip.png`, `speck.png` and 1 more: The model knows images of 28 x 28 pixels" in said.err
    assert said.err.count("\n") == 1


def test_without_images_it_looks_at_the_test_set(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["look", str(run), "--out", str(tmp_path / "looks")]) == 0
    assert capsys.readouterr().out.count("(it is ") == len(list((tmp_path / "looks").iterdir())) == 6
