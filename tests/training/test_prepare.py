"""Pictures are fitted as in training by every way in: `prepare`, `evaluate --source` and the example of export."""

import json
import runpy
import sys
import types
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from foveate import save_pretrained
from foveate.cli import main
from foveate.config import Model
from foveate.data.records import Images
from foveate.training.build import build
from foveate.training.load import load_run
from foveate.training.prepare import inner_size, prepare
from foveate.training.scenes import load_scenes, resolve
from foveate.web.examples import DIGITS, strokes
from foveate.web.handwriting import draw_on_pad
from training.tiny import tiny

EXAMPLE = Path(__file__).parents[2] / "examples" / "run_onnx.py"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two classes of pictures of different sizes, gray and in color, one lying on its side."""
    folder = tmp_path_factory.mktemp("pictures")
    generator = np.random.default_rng(0)
    lying = Image.Exif()
    lying[0x0112] = 6
    for number in range(12):
        path = folder / "ab"[number % 2] / f"{number}.png"
        path.parent.mkdir(exist_ok=True)
        height, width = generator.integers(9, 60, 2)
        shape = (height, width, 3) if number % 3 else (height, width)
        pixels = generator.integers(0, 256, shape, dtype=np.uint8)
        Image.fromarray(pixels).save(path, exif=lying if number % 4 == 1 else None)
    return folder


def pixels_of(images: Images) -> torch.Tensor:
    return images.read(torch.arange(len(images)))


def example_sees(path: Path, model: Model, monkeypatch: pytest.MonkeyPatch) -> torch.Tensor:
    """What the example gives to a session of onnxruntime."""
    config = asdict(model) | {"picture_size": inner_size(model)}
    facts = {name: json.dumps(value) for name, value in {**asdict(model), "config": config}.items()}
    given = []

    class Session:
        def __init__(self, file: str) -> None:
            pass

        def get_modelmeta(self) -> Any:
            return types.SimpleNamespace(custom_metadata_map=facts)

        def run(self, names: None, inputs: dict[str, np.ndarray]) -> list[np.ndarray]:
            given.append(torch.from_numpy(inputs["image"].copy()))
            return [np.ones((1, 1, 2)), np.zeros((1, 1, 2))]

    monkeypatch.setitem(sys.modules, "onnxruntime", types.SimpleNamespace(InferenceSession=Session))  # type: ignore
    monkeypatch.setattr(sys, "argv", ["run_onnx.py", "model.onnx", str(path)])
    runpy.run_path(str(EXAMPLE))
    return given[0][0]


@pytest.mark.parametrize("color", ["gray", "rgb"])
@pytest.mark.parametrize("size", [{}, {"image_size": (12, 30)}, {"image_size": (15, 16), "canvas_size": 40}])
@pytest.mark.parametrize("resize", ["pad", "crop", "stretch"])
def test_every_way_in_gives_the_pixels_of_training(
    resize: str, size: dict, color: str, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    config = tiny(source=str(folder), resize=resize, color=color, **size)
    scenes = load_scenes(config.data)
    model = resolve(config, scenes).model
    trained = pixels_of(scenes.test)
    paths = [Path(name) for name in scenes.source.test.names]
    for path, pixels in zip(paths, trained, strict=True):
        for image in (path, path.read_bytes(), Image.open(path)):
            assert torch.equal(prepare(image, model).image, pixels)
        assert torch.equal(example_sees(path, model, monkeypatch), pixels)
    save_pretrained(build(model), tmp_path)
    with pytest.warns(UserWarning, match="does not say which images"):
        images = load_run(tmp_path, "cpu").images("test", str(folder))
    assert torch.equal(pixels_of(images), trained)


@pytest.mark.filterwarnings("default")
def test_evaluate_reads_ink_on_paper_as_look_does(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """Dark ink on white paper, as photographs of digits are; fitted as photographs, none is read."""
    for split in ("train", "val", "test"):
        for digit in DIGITS:
            path = tmp_path / split / digit / f"{split}.png"
            path.parent.mkdir(parents=True)
            Image.fromarray(255 - draw_on_pad(strokes(digit), (200, 280))[0][0].numpy()).save(path)
    Image.new("L", (50, 50), "white").save(tmp_path / "test" / "0" / "blank.png")
    assert main(["evaluate", "mnist", "--source", str(tmp_path), "--json"]) == 0
    said = capsys.readouterr()
    result = json.loads(said.out)
    assert (result["n"], result["num_errors"] - (result["confusion"][0][0] == 1)) == (11, 0)
    assert "1 of 11 images: No ink stands out" in said.err
