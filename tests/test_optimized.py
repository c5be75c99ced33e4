"""Promised guards hold under `python -O`, which removes assertions."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "src" / "foveate"

GUARDS = """
import hashlib, io, sys, tempfile, zipfile
from pathlib import Path
import numpy
import torch
import foveate
from foveate import ReinforceGamma, config
from foveate.data.idx import read_idx
from foveate.settings import from_json
from foveate.storage.checkpoint import load_checkpoint

assert False, "this runs under -O only"

def bomb():
    "A checkpoint that unpacks to a thousand times its size, under a right checksum."
    file, packed = io.BytesIO(), io.BytesIO()
    torch.save({"x": torch.zeros(10**6)}, file)
    with zipfile.ZipFile(file) as plain, zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as small:
        for part in plain.infolist():
            small.writestr(part.filename, plain.read(part))
    folder = Path(tempfile.mkdtemp())
    content = packed.getvalue()
    (folder / "last.pt").write_bytes(content + hashlib.sha256(content).digest())
    load_checkpoint(folder)

def gamma():
    ReinforceGamma()(torch.ones(1, 1))

def model(**changes):
    return foveate.build(config.Model(image=(1, 8, 8), classes=("a", "b"), glimpse_size=(4, 4), **changes))

def loss(label):
    small = model()
    foveate.HybridLoss()(small(torch.rand(4, 1, 8, 8)), torch.as_tensor(label))

def criterion(target):
    foveate.VRClassReward(model())(torch.rand(4, 2), torch.zeros(4, 1), torch.as_tensor(target))

def broken_weights():
    small = model()
    with torch.no_grad():
        next(small.parameters()).fill_(torch.nan)
    foveate.save_pretrained(small, Path(tempfile.mkdtemp()) / "model")

def picture(content):
    foveate.look(model(), content)

def folder(*names):
    root = Path(tempfile.mkdtemp())
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"no picture")
    foveate.data.load(str(root))

def journal():
    root = Path(tempfile.mkdtemp())
    (root / "train-images-idx3-ubyte").write_bytes(b"\\0\\0\\x08\\x03" + b"\\xff" * 12)
    read_idx(root / "train-images-idx3-ubyte", 3)

guards = {
    "bomb": bomb,
    "gamma": gamma,
    "size of a glimpse": lambda: foveate.SpatialGlimpse(0),
    "image outside of [0, 1]": lambda: model()(torch.full((1, 1, 8, 8), 200.0)),
    "image of another shape": lambda: model()(torch.rand(1, 1, 8)),
    "image of int64": lambda: model()(torch.ones(1, 1, 8, 8, dtype=torch.int64)),
    "label of floats": lambda: loss([0.0, 1.0, 0.0, 1.0]),
    "label out of range": lambda: loss([0, 1, 2, 0]),
    "label of shape (N, 1)": lambda: loss([[0], [1], [1], [0]]),
    "target of shape (N, 1)": lambda: criterion([[0], [1], [1], [0]]),
    "weights that are NaN": broken_weights,
    "bytes that are no picture": lambda: picture(b"nothing"),
    "pixels outside of 0..255": lambda: picture(numpy.full((8, 8), 300)),
    "folder of unreadable files": lambda: folder("a/1.png", "b/1.png"),
    "folder without classes": lambda: folder(),
    "damaged idx file": journal,
    "impossible setting": lambda: foveate.build(config.Model(image=(1, 8, 8), classes=("a", "b"), num_glimpses=0)),
    "config with an unknown key": lambda: from_json('{"imge": [1, 8, 8]}', config.Model),
}
for name, guard in guards.items():
    try:
        guard()
    except ValueError as error:
        print("refused", name, "with:", error)
    else:
        print("taken:", name)
"""


def test_guards_hold_without_assertions():
    run = subprocess.run([sys.executable, "-O", "-c", GUARDS], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    said = run.stdout.splitlines()
    assert len(said) == 18
    assert [line for line in said if not line.startswith("refused")] == []


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_nothing_in_the_package_is_asserted(path: Path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert [node.lineno for node in ast.walk(tree) if isinstance(node, ast.Assert)] == []
