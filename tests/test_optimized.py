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
import torch
from foveate import ReinforceGamma
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

for guard in (bomb, gamma):
    try:
        guard()
    except ValueError as error:
        print(guard.__name__, "refused:", error)
"""


def test_guards_hold_without_assertions():
    run = subprocess.run([sys.executable, "-O", "-c", GUARDS], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert [line.split(":")[0] for line in run.stdout.splitlines()] == ["bomb refused", "gamma refused"]


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_nothing_in_the_package_is_asserted(path: Path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert [node.lineno for node in ast.walk(tree) if isinstance(node, ast.Assert)] == []
