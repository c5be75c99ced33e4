"""Whatever a file holds, reading it gives a result or one clear sentence, in bounded memory and time."""

import io
import struct
import subprocess
import sys
import time
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from foveate import fit
from foveate.cli import main
from foveate.data.picture import Decoder
from foveate.storage.checkpoint import load_checkpoint, save_checkpoint
from fuzz.targets import TARGETS, run_config, run_folder, said, seeds

MOST_SECONDS = 20.0  # for any one input, on a busy machine
FEW = settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


@st.composite
def damaged(draw: st.DrawFn, whole: list[bytes]) -> bytes:
    """A whole file with some bytes changed, cut off, doubled or put in; or no such file at all."""
    content = bytearray(draw(st.sampled_from(whole)))
    for _ in range(draw(st.integers(1, 4))):
        where = draw(st.integers(0, max(0, len(content) - 1)))
        kind = draw(st.sampled_from(["change", "cut", "insert", "repeat", "huge"]))
        if kind == "cut":
            del content[where : where + draw(st.integers(1, 64))]
        elif kind == "repeat":
            content[where:where] = content[where : where + draw(st.integers(1, 64))]
        elif kind == "huge":
            content[where : where + 4] = draw(
                st.sampled_from([b"\xff\xff\xff\x7f", b"9999", b"\0\0\0\0", b"\x7f\xff\xff\xff"])
            )
        else:
            stop = where + (kind == "change")
            content[where:stop] = draw(st.binary(min_size=1, max_size=8))
    return draw(st.sampled_from([bytes(content), draw(st.binary(max_size=64))]))


@pytest.mark.parametrize("name", TARGETS)
@FEW
@given(data=st.data())
def test_a_damaged_file_is_read_or_told_in_a_sentence(tmp_path: Path, name: str, data: st.DataObject):
    content = data.draw(damaged(seeds(name)))
    start = time.monotonic()
    said(TARGETS[name], content, tmp_path)
    assert time.monotonic() - start < MOST_SECONDS


@pytest.mark.parametrize("name", TARGETS)
def test_a_whole_file_is_read(tmp_path: Path, name: str):
    for content in seeds(name):
        if content:
            assert said(TARGETS[name], content, tmp_path) == "" or name == "idx"


DEEP = b"[" * 100_000
TEXTS = {
    "deep": b'{"model": ' + DEEP,
    "deep-toml": b"a = " + DEEP,
    "digits": b'{"training": {"epochs": ' + b"9" * 5000 + b"}}",
    "digits-toml": b"[training]\nepochs = " + b"9" * 5000,
    "large-float": b'{"training": {"learning_rate": ' + b"9" * 400 + b"}}",
    "large-float-toml": b"[training]\nlearning_rate = " + b"9" * 400,
    "nan": b'{"training": {"learning_rate": NaN}}',
    "not-utf8": b"\xff\xfe{",
    "list": b"[]",
    "null": b"null",
    "wrong-section": b'{"training": []}',
    "surrogate": b'{"training": {"device": "\\ud800"}}',
    "big": b" " * (2**24 + 1),
}


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize("target", ["toml", "config_json", "model_json"])
def test_texts_that_break_parsers_are_told_in_a_sentence(tmp_path: Path, target: str, name: str):
    assert said(TARGETS[target], TEXTS[name], tmp_path)


SIZES = [
    '"hidden_size": 1000000000000',
    '"hidden_size": 2000000',
    '"depth": 1000000000',
    '"scale": 1e300, "depth": 3',
    '"image": [1, 1000000000, 1000000000]',
    '"num_glimpses": 1000000000000',
    '"what_width": 1000000000',
    '"glimpse_size": [1000000, 1000000]',
]


@pytest.mark.parametrize("size", SIZES)
def test_settings_cannot_take_more_memory_than_the_weights_beside_them(tmp_path: Path, size: str):
    resource = pytest.importorskip("resource", reason="Windows does not tell a process its peak memory.")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    model = '{"image": [1, 8, 8], "classes": ["a", "b"], ' + size + "}"
    model = model.replace('"image": [1, 8, 8], ', "") if '"image"' in size else model
    assert said(TARGETS["model_json"], model.encode(), tmp_path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000  # KiB


def test_a_checkpoint_cannot_unpack_to_more_than_its_own_size(tmp_path: Path):
    file = io.BytesIO()
    torch.save({"a": torch.zeros(2**22)}, file)
    bomb = io.BytesIO()
    with zipfile.ZipFile(file) as plain, zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as packed:
        for part in plain.infolist():
            packed.writestr(part.filename, plain.read(part))
    assert len(bomb.getvalue()) < 100_000
    assert "Found something else" in said(TARGETS["checkpoint"], bomb.getvalue(), tmp_path)


class Code:
    """What a pickle would run."""

    def __reduce__(self) -> tuple:
        return Path.touch, (Path("run"),)


def test_code_in_a_checkpoint_is_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    file = io.BytesIO()
    torch.save({"progress": Code()}, file)
    assert "Found something else (UnpicklingError)" in said(TARGETS["checkpoint"], file.getvalue(), tmp_path)
    assert not Path("run").exists()


JUNK = [None, -1, 10**30, "x", [], {}, {"a": 1}, float("nan"), torch.zeros(2), torch.zeros(1 << 10, dtype=torch.uint8)]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run to forge checkpoints of."""
    return run_folder(tmp_path_factory.mktemp("forged") / "run")


@settings(FEW, max_examples=8)
@given(data=st.data())
def test_a_forged_checkpoint_is_gone_on_with_or_told_in_a_sentence(run: Path, data: st.DataObject):
    """Any part of the state replaced by anything, with a right checksum."""
    whole, place = load_checkpoint(run), load_checkpoint(run)
    try:
        for _ in range(data.draw(st.integers(0, 4))):
            inner = [name for name, value in place.items() if isinstance(value, dict) and value]
            if not inner:
                break
            place = place[data.draw(st.sampled_from(inner))]
        forged = load_checkpoint(run)
        _replace(forged, data)
        save_checkpoint(run, forged)
        said(lambda content, folder: fit(run_config(2), run, resume=True), b"", run)
    finally:
        save_checkpoint(run, whole)
        save_checkpoint(run, whole)


def _replace(state: dict, data: st.DataObject) -> None:
    """One value, at any depth, replaced or gone."""
    while True:
        name = data.draw(st.sampled_from(sorted(state, key=str)))
        if isinstance(state[name], dict) and state[name] and data.draw(st.integers(0, 4)):
            state = state[name]
            continue
        if data.draw(st.booleans()):
            state[name] = data.draw(st.sampled_from(JUNK))
        else:
            del state[name]
        return


GREY = np.arange(100, dtype=np.uint8).reshape(10, 10)


def odd_pictures() -> dict[str, Image.Image]:
    """Pictures that others stumble over."""
    ramp = Image.fromarray(GREY)
    return {
        "1x1.png": ramp.resize((1, 1)),
        "20000x3.png": ramp.resize((20000, 3)),
        "3x20000.png": ramp.resize((3, 20000)),
        "cmyk.jpg": ramp.convert("CMYK"),
        "sixteen.png": Image.fromarray(GREY.astype(np.uint16) * 257),
        "alpha.png": ramp.convert("RGBA"),
        "ycbcr.jpg": ramp.convert("YCbCr"),
        "one-bit.bmp": ramp.convert("1"),
        "palette.gif": ramp.convert("P"),
    }


@pytest.mark.parametrize("resize", ["pad", "crop", "stretch"])
@pytest.mark.parametrize("name", sorted(odd_pictures()))
def test_odd_pictures_give_pixels_under_any_name(tmp_path: Path, name: str, resize: str):
    odd_pictures()[name].save(tmp_path / name)
    (tmp_path / name).rename(tmp_path / "wrong.txt")
    assert Decoder((1, 8, 8), resize)(tmp_path / "wrong.txt").shape == (1, 8, 8)


@pytest.mark.parametrize("size", [(20000, 3), (3, 20000)])
def test_a_picture_too_thin_to_fit_is_shown_a_pixel_wide(tmp_path: Path, size: tuple[int, int]):
    Image.new("L", size, 200).save(tmp_path / "line.png")
    pixels = Decoder((1, 8, 8), "pad")(tmp_path / "line.png")
    assert (pixels == 200).sum() == 8


def png_of(width: int, height: int) -> bytes:
    """A few bytes that claim to be a picture of any size."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")


@pytest.mark.parametrize("size", [(2**31 - 1, 2**31 - 1), (10**5, 10**5), (8193, 8192), (2**26 + 1, 1)])
def test_a_bomb_is_refused_before_it_goes_off(tmp_path: Path, size: tuple[int, int]):
    resource = pytest.importorskip("resource", reason="Windows does not tell a process its peak memory.")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert "pixels" in said(TARGETS["picture"], png_of(*size), tmp_path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # KiB


def test_formats_that_pillow_hands_to_other_programs_are_not_opened(tmp_path: Path):
    """Ghostscript is a language, not a picture."""
    program = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n(run) (w) file closefile\n%%EOF\n"
    assert "no image of a known format" in said(TARGETS["picture"], program, tmp_path)


@pytest.mark.parametrize("content", [b"", b"no picture", png_of(10**5, 10**5), b"\x89PNG\r\n\x1a\n"])
def test_the_command_line_says_it_and_ends_with_2(tmp_path: Path, content: bytes, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "a.png").write_bytes(content)
    assert main(["look", "digits", str(tmp_path / "a.png"), "--out", str(tmp_path / "looks")]) == 2
    sentence = capsys.readouterr().err
    assert sentence.startswith("foveate: ")
    assert sentence.count("\n") == 1


@pytest.mark.slow
def test_two_processes_that_download_at_once_leave_whole_files(tmp_path: Path):
    """Each writes aside and renames; whoever is second puts the same content in the same place."""
    script = f"""
import gzip, hashlib, sys, time
from pathlib import Path
from foveate.data.download import download
content = bytes(range(256)) * 4096
def fetch(url, path):
    packed = gzip.compress(content)
    with path.open("wb") as file:
        for start in range(0, len(packed), 500):
            file.write(packed[start:start + 500])
            file.flush()
            time.sleep(0.001)
names = {{f"file-{{i}}": hashlib.md5(content).hexdigest() for i in range(4)}}
download(Path({str(tmp_path)!r}), fetch, names)
for name in names:
    assert gzip.open(Path({str(tmp_path)!r}) / (name + ".gz")).read() == content
"""
    both = [subprocess.Popen([sys.executable, "-c", script]) for _ in range(2)]
    assert [process.wait(timeout=120) for process in both] == [0, 0]
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"file-{i}.gz" for i in range(4)]
