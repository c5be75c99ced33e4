"""What is fuzzed: each target reads bytes as one kind of untrusted file. It gives a result or one clear sentence."""

import functools
import gzip
import io
import json
import struct
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from foveate import build, fit, from_pretrained, settings
from foveate.config import Config, Data, Model, Training
from foveate.data.folder import load_folder
from foveate.data.idx import read_idx
from foveate.data.picture import Decoder
from foveate.storage.checkpoint import DIGEST, LAST, load_checkpoint
from foveate.training.check import check
from foveate.training.folder import CONFIG
from foveate.training.pretrained import save_pretrained

CLEAR = (ValueError, OSError, MemoryError)  # what the command line prints as one sentence, with exit code 2
LONGEST = 1000  # characters of a sentence
FORMATS = ("png", "jpeg", "gif", "webp", "tiff", "bmp", "ppm", "tga", "ico")
SMALL = Model(
    image=(1, 8, 8),
    classes=("a", "b"),
    num_glimpses=1,
    glimpse_size=(2, 2),
    what_width=2,
    where_width=2,
    join_width=2,
    hidden_size=2,
)


def said(target: Callable[[bytes, Path], object], content: bytes, folder: Path) -> str:
    """The sentence that a target ends with, "" where there is a result; anything else it raises is a bug."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            target(content, folder)
    except CLEAR as error:
        sentence = str(error) if str(error) else type(error).__name__
        assert len(sentence) < LONGEST, sentence
        return sentence
    return ""


def idx(content: bytes, folder: Path) -> None:
    """An idx file, plain and gzipped."""
    (folder / "plain").write_bytes(content)
    said(lambda content, folder: read_idx(folder / "plain", 3), content, folder)
    (folder / "zipped.gz").write_bytes(content)
    read_idx(folder / "zipped.gz", 3)


def toml(content: bytes, folder: Path) -> None:
    """A recipe."""
    (folder / "a.toml").write_bytes(content)
    check(settings.read(folder / "a.toml"))


def config_json(content: bytes, folder: Path) -> None:
    """The settings of a run."""
    (folder / "a.json").write_bytes(content)
    check(settings.read(folder / "a.json"))


def model_json(content: bytes, folder: Path) -> None:
    """The settings beside weights that are whole."""
    _lay_model(folder)
    (folder / "config.json").write_bytes(content)
    from_pretrained(folder)


def weights(content: bytes, folder: Path) -> None:
    """The weights beside settings that are whole."""
    _lay_model(folder)
    (folder / "model.safetensors").write_bytes(content)
    from_pretrained(folder)


def checkpoint(content: bytes, folder: Path) -> None:
    """A checkpoint that says of itself that it is whole: whoever forges one can count a checksum too."""
    import hashlib

    body = content[:-DIGEST] if hashlib.sha256(content[:-DIGEST]).digest() == content[-DIGEST:] else content
    (folder / LAST).write_bytes(body + hashlib.sha256(body).digest())
    load_checkpoint(folder)


def picture(content: bytes, folder: Path) -> None:
    """An image of any format, under a name of another."""
    (folder / "a.jpg").write_bytes(content)
    for shape, resize in (((1, 8, 8), "pad"), ((3, 9, 4), "crop"), ((1, 1, 1), "stretch")):
        pixels = Decoder(shape, resize)(folder / "a.jpg")
        assert (tuple(pixels.shape), pixels.dtype) == (shape, torch.uint8)


def image_folder(content: bytes, folder: Path) -> None:
    """A folder with one such image among whole ones."""
    for number in range(12):
        path = folder / "pets" / "ab"[number % 2] / f"{number}.png"
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.full((8, 8), number, np.uint8)).save(path)
    (folder / "pets" / "a" / "new.png").write_bytes(content)
    load_folder(folder / "pets", resize="pad", image_size=(8, 8), unreadable="skip")


TARGETS: dict[str, Callable[[bytes, Path], object]] = {
    function.__name__: function
    for function in (idx, toml, config_json, model_json, weights, checkpoint, picture, image_folder)
}


@functools.cache
def seeds(name: str) -> list[bytes]:
    """Whole files of a target's kind, for a fuzzer to change."""
    header = struct.pack(">4B3I", 0, 0, 8, 3, 2, 2, 2)
    if name == "idx":
        return [header + bytes(8), gzip.compress(header + bytes(8)), b""]
    if name == "toml":
        return [settings.to_toml(Config(), every=True).encode(), b"[training]\nlearning_rate = 1e-3\n"]
    if name == "config_json":
        return [settings.to_json(Config()).encode()]
    if name == "model_json":
        return [settings.to_json(SMALL).encode()]
    if name == "weights":
        return [_weights()]
    if name == "checkpoint":
        return [_checkpoint()]
    return _pictures()


def _lay_model(folder: Path) -> None:
    torch.manual_seed(0)
    save_pretrained(build(SMALL), folder)


def _weights() -> bytes:
    from safetensors.torch import save

    torch.manual_seed(0)
    return save(build(SMALL).state_dict())


def _checkpoint() -> bytes:
    """A small checkpoint, without its checksum."""
    state = {"progress": {"epoch": 1, "best_error": 0.5}, "learner": {"model": build(SMALL).state_dict()}}
    file = io.BytesIO()
    torch.save(state, file)
    return file.getvalue()


def _pictures() -> list[bytes]:
    """A picture in every format."""
    made, picture = [], Image.fromarray(np.arange(300, dtype=np.uint8).reshape(10, 10, 3))
    for name in FORMATS:
        file = io.BytesIO()
        picture.save(file, name, **({"sizes": [picture.size]} if name == "ico" else {}))
        made.append(file.getvalue())
    return made


def run_folder(folder: Path) -> Path:
    """A run that has just begun, to be resumed from a forged checkpoint."""
    if not (folder / CONFIG).exists():
        fit(run_config(1), folder)
    return folder


def run_config(epochs: int) -> Config:
    """A run of a moment."""
    data, model = Data(source="digits", epoch_size=32), Model(**{**vars(SMALL), "image": (0, 0, 0), "classes": ()})
    return Config(data=data, model=model, training=Training(epochs=epochs, batch_size=16, device="cpu"))


def as_json(value: object) -> bytes:
    """JSON, with what JSON does not know as Python writes it."""
    return json.dumps(value).encode()
