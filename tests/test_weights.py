"""Models that come with the package: found by name, what their cards say is true, and they are in what is installed."""

import hashlib
import importlib
import json
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from foveate import evaluate, from_pretrained, settings, weights
from foveate.cli import main
from foveate.training.load import load_run
from test_documents import blocks, commands
from training.tiny import tiny

ROOT = Path(__file__).parents[1]
NEEDS_MNIST = {
    name
    for name in weights.list_models()
    if settings.read(weights.FOLDER / name / "config.json").data.source != "digits"
}
QUICK = ("digits", "mnist")  # cards that are checked on every push
NAMES = [pytest.param(name, marks=[pytest.mark.mnist] if name in NEEDS_MNIST else []) for name in weights.list_models()]
CARDS = [
    pytest.param(*name.values, marks=[*name.marks, *([] if name.values[0] in QUICK else [pytest.mark.slow])])
    for name in NAMES
]


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with nothing in it, to be in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """The sentence that a command ends with."""
    assert main(arguments) == 2
    return capsys.readouterr().err


def test_digits_comes_with_the_package():
    assert "digits" in weights.list_models()


@pytest.mark.parametrize("name", weights.list_models())
def test_a_model_is_found_by_its_name(name: str, elsewhere: Path):
    model = from_pretrained(name)
    assert next(model.parameters()).dtype == torch.float32  # however they are stored
    assert model.config == settings.read(weights.FOLDER / name / "config.json").model
    rollout = model(torch.zeros(2, *model.config.image))
    assert rollout.final_logits.shape == (2, len(model.config.classes))


def test_a_folder_of_that_name_comes_first(elsewhere: Path, capsys: pytest.CaptureFixture[str]):
    from foveate import fit

    fit(tiny(epochs=1), elsewhere / "digits")
    assert from_pretrained("digits").config.hidden_size == tiny(epochs=1).model.hidden_size
    assert load_run(Path("digits")).folder == Path("digits")
    shutil.rmtree(elsewhere / "digits")
    (elsewhere / "digits").mkdir()  # no run, but nothing is guessed
    with pytest.raises(FileNotFoundError, match=r"Found no `digits.config.json`"):
        from_pretrained("digits")
    assert "Found no `digits" in refused(["evaluate", "digits"], capsys)


@pytest.mark.parametrize("command", ["evaluate", "look"])
def test_an_unknown_name_is_answered_with_those_that_there_are(
    command: str, elsewhere: Path, capsys: pytest.CaptureFixture[str]
):
    sentence = refused([command, "digit"], capsys)
    assert all(name in sentence for name in weights.list_models())
    assert "Did you mean `digits`?" in sentence
    assert sentence.count("\n") == 1
    assert "Did you mean" not in refused([command, "somewhere/else"], capsys)


def test_evaluate_and_look_take_the_name(elsewhere: Path, capsys: pytest.CaptureFixture[str]):
    """What is drawn is kept where one is, never inside the package."""
    before = sorted(weights.FOLDER.rglob("*"))
    assert main(["evaluate", "digits"]) == 0
    assert "Test error: " in capsys.readouterr().out
    assert main(["look", "digits", "--num-glimpses", "1"]) == 0
    assert sorted(path.name for path in elsewhere.iterdir()) == ["looks"]
    assert sorted(weights.FOLDER.rglob("*")) == before


@pytest.mark.parametrize("name", CARDS)
def test_a_card_tells_what_is_measured(name: str):
    """Its error is the error of the weights beside it, to the image."""
    card = (weights.FOLDER / name / "README.md").read_text(encoding="utf-8")
    opened = load_run(Path(name), "cpu")
    found = evaluate(opened.model, opened.images("test"), policy="mean")
    low, high = (f"{100 * bound:.2f}" for bound in found.interval)
    rate = f"**{100 * found.error_rate:.2f} %**"
    error = f"{rate} ({found.num_errors} of {found.n:,} wrong; 95 % interval {low} % to {high} %)"
    assert error in card


@pytest.mark.parametrize("name", weights.list_models())
def test_a_card_names_data_recipe_licence_and_the_very_file(name: str, elsewhere: Path):
    folder = weights.FOLDER / name
    names = ["README.md", "config.json", "model.safetensors"]
    if not name.endswith("-start"):  # a model that others only start from is not asked to stop
        names.append("stop.json")
    assert sorted(path.name for path in folder.iterdir()) == names
    card, data = (folder / "README.md").read_text(encoding="utf-8"), (folder / "model.safetensors").read_bytes()
    assert hashlib.sha256(data).hexdigest() in card
    assert "License: MIT" in card
    assert "Data: " in card
    [recipe] = re.findall(r"\| recipe \| `(foveate train .*)` \|", card)
    assert recipe.split()[2] == name
    start = settings.read(folder / "config.json").training.pretrained
    assert f"| starts from | {f'the model `{start}`' if start else 'random parameters'} |" in card
    assert [words[:3] for words in commands(folder / "README.md")] == [
        ["foveate", "evaluate", name],
        ["foveate", "look", name],
    ]
    exec("\n".join(blocks(folder / "README.md", "python")), {})


def test_all_models_together_are_small():
    assert sum(path.stat().st_size for path in weights.FOLDER.rglob("*.safetensors")) < 8e6


@pytest.fixture
def ship(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """scripts/measure.py, which ships to another place."""
    monkeypatch.syspath_prepend(ROOT / "scripts")
    module = importlib.import_module("measure")
    monkeypatch.setattr(module, "FOLDER", tmp_path / "weights")
    (tmp_path / "weights").mkdir()
    return module


def test_a_run_is_shipped_with_all_that_its_card_needs(ship, tmp_path: Path):
    from foveate import fit

    fit(tiny(epochs=2, seed=7), tmp_path / "run")
    folder = ship.ship(tmp_path / "run", "digits")
    shipped, best = from_pretrained(folder), from_pretrained(tmp_path / "run")
    for name, value in best.state_dict().items():
        torch.testing.assert_close(shipped.state_dict()[name], value, rtol=1e-3, atol=1e-6)
    card = (folder / "README.md").read_text(encoding="utf-8")
    journal = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert f"epoch {journal[-1]['best_epoch']} of 2" in card
    assert "--seed 7" in card
    assert "| run | seed 7" in card
    assert "| starts from | random parameters |" in card


def test_weights_beyond_the_range_of_half_precision_are_kept_in_single(ship, tmp_path: Path):
    from foveate import fit, save_pretrained

    fit(tiny(epochs=1), tmp_path / "run")
    model = from_pretrained(tmp_path / "run")
    with torch.no_grad():
        model.classifier[1].bias += 1e5 * torch.linspace(1, 1.01, 10)  # infinite in half precision
    save_pretrained(model, tmp_path / "run" / "best")
    folder = ship.ship(tmp_path / "run", "digits")
    assert torch.equal(from_pretrained(folder).classifier[1].bias, model.classifier[1].bias)
    stored = {name: tensor.dtype for name, tensor in load_file(folder / "model.safetensors").items()}
    for exact in ("classifier.1.bias", "locator.reach", "locator.unit.fixed_std"):
        assert stored.pop(exact) == torch.float32
    assert set(stored.values()) == {torch.float16}  # what is within its range
    card = (folder / "README.md").read_text(encoding="utf-8")
    assert "in half precision and single precision" in card
    told = json.loads((tmp_path / "run" / "test.json").read_text())
    assert f"of the run, {told['num_errors']} of {told['n']} test images" in card  # of another model by now


def test_wheel_and_sdist_hold_the_models(tmp_path: Path):
    pytest.importorskip("hatchling", reason="Needs hatchling, of the extra `dev`.")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-d", tmp_path], cwd=ROOT, check=True, capture_output=True
    )
    with zipfile.ZipFile(next(tmp_path.glob("*.whl"))) as wheel:
        installed = set(wheel.namelist())
    with tarfile.open(next(tmp_path.glob("*.tar.gz"))) as sdist:
        packed = {name.partition("/")[2] for name in sdist.getnames()}
    for path in weights.FOLDER.rglob("*.*"):
        inside = path.relative_to(ROOT / "src").as_posix()
        if "__pycache__" not in inside:
            assert inside in installed
            assert f"src/{inside}" in packed
    loops = {path.relative_to(ROOT / "src").as_posix() for path in (ROOT / "src").rglob("*.c")}
    assert loops
    assert loops <= installed  # without them everything works, only slower
