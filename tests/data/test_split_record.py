"""Records of splits: images are identified by content, and training images never become test images."""

import json
import random
import unicodedata

import pytest
import torch

from foveate.data.split_record import (
    SPLITS,
    Found,
    SplitRecord,
    match_classes,
    match_files,
    parse_record,
    tensor_digest,
)

RECORD = SplitRecord(
    "/photos",
    ("cat", "dog"),
    (3, 4, 5),
    {
        "train": {"cat/1.png": "A", "dog/1.png": "B"},
        "validation": {"cat/2.png": "C"},
        "test": {"dog/2.png": "D", "cat/3.png": "A"},  # the last is a copy of a training image
    },
)


def files(**digests: str) -> list[Found]:
    """Return the files of a folder."""
    return [Found(path.replace("_", "/") + ".png", digest) for path, digest in digests.items()]


def paths_of(found: list[Found], name: str) -> list[str]:
    return [found[i].path for i in match_files(RECORD, found).splits[name]]


def test_an_unchanged_folder_gives_the_same_splits_in_the_same_order():
    found = files(cat_1="A", cat_2="C", cat_3="A", dog_1="B", dog_2="D")
    match = match_files(RECORD, found)
    assert {name: [found[i].path for i in index] for name, index in match.splits.items()} == {
        name: list(RECORD.splits[name]) for name in SPLITS
    }
    assert match.differences == ""


def test_files_are_found_by_content():
    found = files(cat_9="A", cat_8="A", dog_7="D", dog_1="B", cat_0="C")
    match = match_files(RECORD, found)
    assert [len(match.splits[name]) for name in SPLITS] == [2, 1, 2]
    assert match.differences == ""


def test_the_last_copy_of_an_image_belongs_to_training():
    found = files(cat_3="A", dog_1="B", cat_2="C", dog_2="D")
    assert paths_of(found, "train") == ["cat/3.png", "dog/1.png"]
    assert paths_of(found, "test") == ["dog/2.png"]


def test_differences_are_counted_exactly():
    found = files(cat_1="A", cat_2="changed", cat_3="A", dog_5="new", dog_6="new", cat_7="D")
    match = match_files(RECORD, found)
    assert match.differences == (
        "2 new (`dog/5.png`, `dog/6.png`), 1 gone (`dog/1.png`), 1 changed (`cat/2.png`), "
        "1 in another class (`cat/7.png`)"
    )


def test_no_change_turns_a_training_image_into_a_test_image():
    trained_on = set("abcdef")
    record = SplitRecord(
        "/photos",
        ("x",),
        (1, 2, 2),
        {
            "train": {f"x/{digest}": digest for digest in sorted(trained_on)},
            "validation": {"x/g": "g", "x/h": "h"},
            "test": {f"x/{digest}": digest for digest in "ijklm"},
        },
    )
    for seed in range(200):
        generator = random.Random(seed)
        digests = generator.choices("abcdefghijklmnop", k=generator.randrange(25))
        found = [Found(f"x/{generator.choice('abcdefghijklmnop')}{i}", digest) for i, digest in enumerate(digests)]
        match = match_files(record, found)
        claimed = [i for name in SPLITS for i in match.splits[name]]
        assert len(claimed) == len(set(claimed))
        assert not trained_on & {found[i].digest for i in match.splits["test"]}
        assert len(match.gone) + len(match.changed) == 13 - len(claimed)
        assert len(match.new) == len(found) - len(claimed)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ({"cat", "dog", "bird"}, "Found `bird` added"),
        ({"cat"}, "Found `dog` missing"),
        ({"cat", "Dog"}, "Found `Dog` added, `dog` missing"),
    ],
)
def test_added_and_missing_classes_are_refused(labels, message):
    with pytest.raises(ValueError, match=f"should be the 2 of the run. {message}"):
        match_classes(RECORD, labels)


def test_unicode_forms_of_a_class_are_equal():
    composed, decomposed = (unicodedata.normalize(form, "café") for form in ("NFC", "NFD"))
    record = SplitRecord("/x", (composed, "z"), (1, 2, 2), {name: {} for name in SPLITS})
    assert match_classes(record, {decomposed, "z"}) == {decomposed: 0, "z": 1}


def test_a_record_survives_json():
    odd = SplitRecord("/\udce9", ("a\nb", "☕"), (1, 2, 2), {name: {"a\udce9/1.png": "0"} for name in SPLITS})
    for record in (RECORD, odd):
        assert parse_record(record.to_json()) == record


@pytest.mark.parametrize(
    "changes",
    [
        {"source": 1},
        {"classes": [1, 2]},
        {"shape": [3, 4]},
        {"shape": [0, 1, 1]},
        {"splits": {"train": {}}},
        {"more": 1},
    ],
)
def test_invalid_records_are_refused(changes):
    facts = json.loads(RECORD.to_json()) | changes
    for text in (json.dumps(facts), "", "[]", "\ufffd"):
        with pytest.raises(ValueError, match=r"`split\.json` should hold the source, classes, shape and splits"):
            parse_record(text, "split.json")


def test_tensor_digest_depends_on_values_shape_and_type():
    x = torch.arange(6, dtype=torch.uint8)
    others = [x.view(2, 3), x.view(3, 2), x.flip(0), x.long()]
    assert len({tensor_digest(y) for y in [x, *others]}) == 5
    assert tensor_digest(x.view(2, 3).t()) == tensor_digest(x.view(2, 3).t().contiguous())
