"""Layouts of folders of images: litter, splits, and the order of files."""

import unicodedata
from pathlib import Path

import pytest

from foveate.data.layout import list_files

LITTER = [
    "cat/Thumbs.db",
    "Thumbs.db",
    "cat/desktop.ini",
    "__MACOSX/cat/._1.png",
    "@eaDir/1.png",
    "cat/@eaDir/1.png",
    "lost+found/x",
    "__pycache__/x.pyc",
    "cat/1.txt",
    "cat/1.XML",
    "dog/1.json",
    "dog/1.AAE",
    "cat/1.xmp",
    "cat/ehthumbs.db",
    "#recycle/cat/1.png",
    "cat/Icon\r",
    "@tmp/1.png",
    "RECYCLER/1.png",
    "cat/1.png:Zone.Identifier",
    "cat/1.db:encryptable",
    "dog/1.npy",
]


def touch(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def names(folder: Path) -> list[str]:
    return [file.path.relative_to(folder).as_posix() for file in list_files(folder)]


@pytest.mark.parametrize("litter", LITTER)
def test_litter_is_ignored_and_named(tmp_path, litter):
    touch(tmp_path, "cat/1.png", "dog/1.png", litter)
    kind = next((part for part in litter.split("/") if part not in ("cat", "dog")), litter)
    kind = f"*{Path(kind).suffix.lower()}" if kind.startswith("1.") else kind
    with pytest.warns(UserWarning, match="holds files that are not images and are ignored") as said:
        assert names(tmp_path) == ["cat/1.png", "dog/1.png"]
    assert f"1 x `{kind}`." in str(said[0].message)


def test_litter_is_counted_by_kind(tmp_path):
    touch(tmp_path, "cat/1.png", "dog/1.png", "cat/1.txt", "cat/2.TXT", "dog/1.txt", "cat/Thumbs.db")
    with pytest.warns(UserWarning, match=r"ignored: 3 x `\*.txt`, 1 x `Thumbs.db`\.$") as said:
        list_files(tmp_path)
    assert len(said) == 1


def test_a_class_with_only_notes_is_refused(tmp_path):
    touch(tmp_path, "cat/1.png", "dog/1.txt")
    with pytest.raises(ValueError, match=r"should hold images\. Found none in .*dog"):
        list_files(tmp_path)


@pytest.mark.parametrize("train", ["train", "Train", "TRAINING", "train "])
@pytest.mark.parametrize("other", [("TEST", "test"), ("testing", "test"), ("Dev", "validation"), ("val", "validation")])
def test_split_folders_are_recognized_in_any_case(tmp_path, train, other):
    touch(tmp_path, f"{train}/cat/1.png", f"{other[0]}/cat/1.png")
    assert {file.split for file in list_files(tmp_path)} == {"train", other[1]}


@pytest.mark.parametrize("beside", ["train/cat/1.png test/cat/1.png more/1.png", "val/cat/1.png test/cat/1.png"])
def test_split_folders_without_train_or_next_to_others_are_refused(tmp_path, beside):
    touch(tmp_path, *beside.split())
    with pytest.raises(ValueError, match="train/ with val/ and test/ or without them, and no other folders"):
        list_files(tmp_path)


def test_classes_may_have_names_of_splits(tmp_path):
    touch(tmp_path, "train/1.png", "bus/1.png", "test/1.png")
    assert {(file.label, file.split) for file in list_files(tmp_path)} == {
        ("train", None),
        ("bus", None),
        ("test", None),
    }


@pytest.mark.parametrize(
    "pair",
    [
        ("Cat", "cat"),
        ("cat", "cat "),
        ("a  b", "a b"),
        ("cat", "cat\u200b"),
        ("\ufb01", "FI"),
        ("cat", "c\u0430t"),  # Cyrillic
        ("\u0421\u0410\u0422", "cat"),
        ("bike", "bi\u03bae"),  # Greek
        tuple(unicodedata.normalize(f, "é") for f in ("NFC", "NFD")),
    ],
)
def test_class_names_that_look_alike_are_reported(tmp_path, pair):
    touch(tmp_path, f"{pair[0]}/1.png", f"{pair[1]}/2.png", "dog/1.png")
    if len({path.name for path in tmp_path.iterdir()}) < 3:
        pytest.skip("this file system takes them for one")
    first, second = sorted(pair)
    with pytest.warns(UserWarning, match="Classes differ only in") as said:
        list_files(tmp_path)
    assert f": {first!a} and {second!a}." in str(said[0].message)


def test_files_are_sorted_by_composed_code_points(tmp_path):
    wanted = ["1.png", "10.png", "9.png", "Z.png", "a.png", "z.png", "é.png", "😀.png"]
    folder = touch(tmp_path, "dog/1.png", *(f"cat/{unicodedata.normalize('NFD', name)}" for name in reversed(wanted)))
    assert [unicodedata.normalize("NFC", Path(name).name) for name in names(folder)[:-1]] == wanted
