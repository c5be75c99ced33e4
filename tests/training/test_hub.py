"""Models of the hub, against a stand-in on this machine: published with a card, downloaded, cached, refused."""

import builtins
import hashlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from foveate import build, evaluate, from_pretrained, list_models, push_to_hub, weights
from foveate.data import load
from training.hub_server import serve
from training.tiny import tiny_model


@pytest.fixture
def repositories(tmp_path: Path) -> Path:
    return tmp_path / "hub"


@pytest.fixture
def asked(repositories: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The requests to a hub that keeps its repositories in a folder; the cache is empty."""
    constants: Any = pytest.importorskip("huggingface_hub.constants", reason="Needs the extra `hub`.")
    monkeypatch.chdir(tmp_path)
    with serve(repositories) as (address, requests):
        monkeypatch.setattr(constants, "ENDPOINT", address)
        template = address + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_PROGRESS_BARS", True)
        yield requests


def test_the_models_of_the_package_are_listed_by_pattern() -> None:
    assert list_models() == sorted(path.name for path in weights.FOLDER.iterdir() if (path / "config.json").is_file())
    assert list_models("*-paper") == [name for name in list_models() if name.endswith("-paper")] != []
    assert list_models("none") == []


def test_a_model_is_the_same_after_the_hub(asked: list[str]) -> None:
    model = build(tiny_model(core="lstm")).eval()
    assert "/commit/" in push_to_hub(model, "me/tiny", token="t")
    copy = from_pretrained("me/tiny")
    assert copy.config == model.config
    for name, value in model.state_dict().items():
        assert torch.equal(copy.state_dict()[name], value)


def test_a_card_says_what_the_model_is(asked: list[str], repositories: Path) -> None:
    found = evaluate(from_pretrained("digits"), load("digits").test)
    push_to_hub("digits", "me/reader", evaluation=found, license="mit", token="t")
    card = (repositories / "me/reader/README.md").read_text(encoding="utf-8")
    head = yaml.safe_load(card.split("---\n")[1])
    assert (head["license"], head["library_name"]) == ("mit", "foveate")
    assert f"{found.error_rate:.2%} ({found.num_errors} of 359 images wrong;" in card
    assert 'foveate.from_pretrained("me/reader")' in card
    assert "images of 8x8 pixels, gray; 6 glimpses of 4x4 pixels" in card
    assert hashlib.sha256((repositories / "me/reader/model.safetensors").read_bytes()).hexdigest() in card


def test_a_class_cannot_break_the_card(asked: list[str], repositories: Path) -> None:
    push_to_hub(build(tiny_model(classes=("a|b", "c\n---\n", "{d}"))), "me/odd", token="t")
    card = (repositories / "me/odd/README.md").read_text(encoding="utf-8")
    assert "| classes | a\\|b, c ---, {d} |" in card
    assert "license" not in card


def test_nothing_but_a_models_files_is_downloaded(asked: list[str], repositories: Path, tmp_path: Path) -> None:
    shutil.copytree(weights.FOLDER / "digits", repositories / "me/digits")
    (repositories / "me/digits/more.bin").write_bytes(b"x")
    from_pretrained("me/digits", revision="main")
    assert not any("more.bin" in line for line in asked)
    assert not list((tmp_path / "cache").rglob("more.bin"))


def test_a_model_is_read_from_the_cache_without_the_hub(
    asked: list[str], repositories: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(weights.FOLDER / "digits", repositories / "me/digits")
    first = from_pretrained("me/digits")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    before = len(asked)
    assert torch.equal(from_pretrained("me/digits").classifier[1].bias, first.classifier[1].bias)
    assert len(asked) == before


def test_a_folder_comes_before_the_hub(asked: list[str], tmp_path: Path) -> None:
    shutil.copytree(weights.FOLDER / "digits", tmp_path / "me" / "digits")
    from_pretrained("me/digits")
    assert asked == []


@pytest.mark.parametrize("name", ["me/none", "me/empty"])
def test_what_the_hub_lacks_is_one_sentence(name: str, asked: list[str], repositories: Path) -> None:
    (repositories / "me/empty").mkdir(parents=True)
    with pytest.raises(FileNotFoundError, match=r"should hold `config.json`|`me/none` should be .*digits.* of the hub"):
        from_pretrained(name)


def test_a_revision_is_of_a_repository(asked: list[str], repositories: Path) -> None:
    shutil.copytree(weights.FOLDER / "digits", repositories / "me/digits")
    with pytest.raises(FileNotFoundError, match="Revision"):
        from_pretrained("me/digits", revision="v9")
    with pytest.raises(ValueError, match="`revision` should go with a repository"):
        from_pretrained("digits", revision="v9")


def test_without_the_extra_one_sentence_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name.startswith("huggingface_hub"):
            raise ModuleNotFoundError("No module", name="huggingface_hub")
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(FileNotFoundError, match=r"`me/none` should be a folder.*pip install 'foveate\[hub\]'"):
        from_pretrained("me/none")
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'foveate\[hub\]'"):
        push_to_hub("digits", "me/none")
