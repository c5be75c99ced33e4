"""Exported models: the same answers as in PyTorch, for batches of any size, without this package."""

import builtins
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from foveate import build, export, from_pretrained, list_models, load_run
from foveate.cli import main
from foveate.data import load
from foveate.training.build import Attention
from test_project import BLOCK
from training.tiny import tiny_model

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "run_onnx.py"
pytestmark = pytest.mark.usefixtures("without_shape_checks")


def outputs_of(file: Path, image: torch.Tensor) -> list[torch.Tensor]:
    """What onnxruntime computes, on one thread."""
    onnxruntime: Any = pytest.importorskip("onnxruntime", reason="Needs the extra `export`.")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(file, options)
    return [torch.from_numpy(value) for value in session.run(["probabilities", "locations"], {"image": image.numpy()})]


def outputs_of_torch(model: Attention, image: torch.Tensor, num_glimpses: int | None = None) -> list[torch.Tensor]:
    with torch.no_grad():
        rollout = model(image, num_glimpses=num_glimpses, sample=False)
    return [rollout.logits.softmax(-1), rollout.locations]


def assert_equal(found: list[torch.Tensor], wanted: list[torch.Tensor]) -> None:
    torch.testing.assert_close(found, wanted, rtol=0, atol=1e-5)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("export")


@pytest.fixture
def digits(folder: Path, without_shape_checks: None) -> Path:
    """The model `digits` in ONNX with three glimpses; converting takes seconds, so it is done once."""
    pytest.importorskip("onnxscript", reason="Needs the extra `export`.")
    file = folder / "digits.onnx"
    if not file.is_file():
        assert main(["export", "digits", str(file), "--num-glimpses", "3"]) == 0
    return file


def test_onnx_answers_as_pytorch_does(digits: Path) -> None:
    model = from_pretrained("digits")
    image = load("digits").test.read(torch.arange(100))
    for batch in (image, image[:1], image[:7]):
        assert_equal(outputs_of(digits, batch), outputs_of_torch(model, batch, 3))


@pytest.mark.slow
@pytest.mark.mnist
@pytest.mark.parametrize("name", list_models())
def test_every_model_of_the_package_answers_as_in_pytorch(name: str, tmp_path: Path) -> None:
    run = load_run(name, "cpu")
    image = run.images("test").read(torch.arange(100))
    file = export(run.model, tmp_path / "model.onnx")
    assert_equal(outputs_of(file, image), outputs_of_torch(run.model, image))


def test_a_model_of_color_images_is_exported_too(tmp_path: Path) -> None:
    pytest.importorskip("onnxscript", reason="Needs the extra `export`.")
    settings = {"image": (3, 12, 16), "depth": 2, "num_glimpses": 2, "core": "lstm", "first_glimpse": "center"}
    settings |= {"image_mean": (0.5, 0.4, 0.3), "image_std": (0.2, 0.3, 0.25)}
    model = build(tiny_model(**settings)).eval()
    image = torch.randint(256, (100, 3, 12, 16), dtype=torch.uint8)
    file = export(model, tmp_path / "color.onnx")
    assert_equal(outputs_of(file, image), outputs_of_torch(model, image))


def test_metadata_tell_what_goes_in_and_what_comes_out(digits: Path) -> None:
    onnxruntime: Any = pytest.importorskip("onnxruntime", reason="Needs the extra `export`.")
    session = onnxruntime.InferenceSession(digits)
    facts = session.get_modelmeta().custom_metadata_map
    assert json.loads(facts["classes"]) == list("0123456789")
    assert (json.loads(facts["image"]), json.loads(facts["num_glimpses"])) == ([1, 8, 8], 3)
    assert json.loads(facts["config"])["glimpse_size"] == [4, 4]
    shapes = {value.name: value.shape for value in (*session.get_inputs(), *session.get_outputs())}
    batch = shapes["image"][0]
    assert isinstance(batch, str)
    assert shapes["probabilities"] == [3, batch, 10]
    assert shapes["locations"] == [3, batch, 2]


def test_the_example_needs_neither_foveate_nor_pytorch(digits: Path, tmp_path: Path) -> None:
    assert len(EXAMPLE.read_text(encoding="utf-8").splitlines()) <= 23
    image = load("digits").test.read(torch.tensor([0]))
    Image.fromarray(image[0, 0].numpy()).save(tmp_path / "picture.png")
    run = f"import runpy, sys; sys.argv = sys.argv[1:]; runpy.run_path({str(EXAMPLE)!r})"
    command = [sys.executable, "-c", BLOCK.format(blocked={"foveate", "torch"}) + run]
    done = subprocess.run(
        [*command, str(EXAMPLE), str(digits), str(tmp_path / "picture.png")], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    probabilities, _ = outputs_of_torch(from_pretrained("digits"), image, 3)
    assert f"says {int(probabilities[-1].argmax())} ({probabilities[-1].max():.1%})" in done.stdout.splitlines()[-1]


def test_a_program_of_pytorch_computes_the_same(tmp_path: Path) -> None:
    model = build(tiny_model(ensemble=2, dropout=0.5))  # in training: exported in evaluation mode
    file = export(model, tmp_path / "model.pt2", num_glimpses=3)
    assert model.training
    extra = {"metadata.json": ""}
    program = torch.export.load(file, extra_files=extra).module()
    facts = json.loads(extra["metadata.json"])
    assert json.loads(facts["num_glimpses"]) == 3
    for size in (1, 2, 7):
        image = torch.randint(256, (size, 1, 8, 8), dtype=torch.uint8)
        rollout = model.eval()(image, num_glimpses=3, sample=False)
        torch.testing.assert_close(program(image), (rollout.logits.softmax(-1), rollout.locations))


def test_what_cannot_be_exported_is_refused_in_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match=r"`file` should end with .onnx or .pt2"):
        export(build(tiny_model()), tmp_path / "model.tflite")
    with pytest.raises(ValueError, match="`first_glimpse` should be"):
        export(build(tiny_model(first_glimpse="random")), tmp_path / "model.onnx")
    real = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name.startswith("onnx"):
            raise ModuleNotFoundError("No module", name="onnx")
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'foveate\[export\]'"):
        export(build(tiny_model(num_glimpses=1)), tmp_path / "model.onnx")
    assert list(tmp_path.iterdir()) == []
