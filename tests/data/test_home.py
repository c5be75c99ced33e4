"""Paths that begin with `~` give a home folder or one sentence."""

from pathlib import Path

import pytest

from foveate import export, fit, from_pretrained, look, save_pretrained
from foveate.cli import main
from foveate.cli.options import expand_homes
from foveate.data.download import _cache
from foveate.data.home import expand_home
from foveate.data.sources import load
from foveate.training.load import load_run
from foveate.viewing.predictions import list_pictures
from foveate.viewing.report import make_report
from training.tiny import tiny

pwd = pytest.importorskip("pwd", reason="Windows has no list of users.")


@pytest.fixture
def homeless(monkeypatch: pytest.MonkeyPatch) -> None:
    """A user without a home folder, as in a container that runs under any number."""

    def nobody(number: int) -> None:
        raise KeyError(number)

    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(pwd, "getpwuid", nobody)


def test_a_home_folder_takes_the_place_of_the_tilde(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert expand_home("~/images") == tmp_path / "images"
    assert expand_home("images/~") == Path("images/~")


@pytest.mark.parametrize("source", ["~no-such-user/images", "~no-such-user"])
def test_a_user_that_does_not_exist_is_named(source: str):
    with pytest.raises(ValueError, match=r"`~no-such-user.*` should begin with a home folder that exists"):
        load(source)


def test_every_path_of_a_command_may_begin_with_a_home_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert expand_homes(["look", "~/run", "--out=~/x", "a~b", "--stop", "0.9"]) == [
        "look",
        f"{tmp_path}/run",
        f"--out={tmp_path}/x",
        "a~b",
        "--stop",
        "0.9",
    ]


@pytest.mark.parametrize(
    "command",
    [
        "train digits --folder ~no-such-user/run",
        "train digits --folder=~no-such-user/run",
        "sweep digits -o ~no-such-user/sweep",
        "look digits --out ~no-such-user/looks",
        "evaluate digits --report --out ~no-such-user/report",
        "predict digits . --csv ~no-such-user/table.csv",
        "export digits ~no-such-user/digits.onnx",
    ],
)
def test_nothing_is_written_for_a_user_that_does_not_exist(
    command: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.chdir(tmp_path)
    assert main(command.split()) == 2
    assert "should begin with a home folder that exists" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


LONG, DEEP, NULL = "x" * 5000, "x/" * 3000, "a\0b"


@pytest.mark.parametrize("path", [LONG, DEEP])
def test_a_path_that_no_file_can_have_is_one_sentence(path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Everywhere a path is taken in Python; the system's own error has no sentence."""
    model = from_pretrained("digits")
    doors = [
        lambda: load(f"{path}/"),
        lambda: look(model, path),
        lambda: list_pictures([Path(path)]),
        lambda: from_pretrained(path),
        lambda: load_run(path),
        lambda: fit(tiny(), path),
        lambda: save_pretrained(model, path),
        lambda: export(model, f"{path}.pt2"),
        lambda: make_report(model, load("digits").test, path, title="", config=tiny()),
    ]
    for door in doors:
        with pytest.raises(
            ValueError, match=r"^`x.{58,}\.\.\.` should be a path that a file can have\. Found .* too long"
        ):
            door()
    monkeypatch.setenv("FOVEATE_DATA", path)
    with pytest.raises(ValueError, match="should be a path that a file can have"):
        load("mnist")
    with pytest.raises(ValueError, match="Found a null character"):
        save_pretrained(model, NULL)


@pytest.mark.usefixtures("homeless")
def test_without_a_home_folder_every_path_says_so(monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(ValueError, match="should begin with a home folder that exists"):
        load("~/images")
    with pytest.raises(ValueError, match=r"should find the user's home folder\. Found none: set `HOME`"):
        _cache()
    monkeypatch.setenv("FOVEATE_DATA", "~/data")
    with pytest.raises(ValueError, match=r"`~/data` should begin with a home folder"):
        load("mnist")
