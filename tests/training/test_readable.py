"""A run whose files could not be read again is refused before its first step."""

import json
import os
from pathlib import Path

import pytest

from foveate import fit
from foveate.training import check
from foveate.training.check import check_readable
from training.tiny import tiny

LATIN = os.fsdecode(b"caf\xe9")


@pytest.mark.parametrize(
    ("setting", "changes"),
    [
        ("source", {"source": f"/{LATIN}"}),
        ("pretrained", {"pretrained": LATIN}),
        ("classes", {"classes": ("a", LATIN)}),
    ],
)
def test_a_name_that_is_no_utf8_is_named(tmp_path: Path, setting: str, changes: dict):
    with pytest.raises(ValueError, match=rf"`{setting}` should be named in UTF-8\. Found `.*caf\\udce9`: rename it\."):
        fit(tiny(**changes), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_run_folder_that_is_no_utf8_is_named(tmp_path: Path):
    with pytest.raises(ValueError, match=r"`folder` should be named in UTF-8"):
        fit(tiny(), tmp_path / LATIN)
    assert list(tmp_path.iterdir()) == []


def test_settings_that_are_read_back_as_others_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(check, "to_json", lambda config: json.dumps({"training": {"epochs": 3}}))
    with pytest.raises(ValueError, match="the same when they are read back"):
        check_readable(tiny(), tmp_path)


@pytest.mark.parametrize("name", ["猫", "e\u0301", "a b", "'\"\\\n", "\x7f"])
def test_any_other_name_is_taken(tmp_path: Path, name: str):
    check_readable(tiny(classes=("a", name)), tmp_path / "猫")
