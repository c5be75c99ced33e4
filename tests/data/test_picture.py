"""Picture files: broken metadata, number types, HEIC, and bounded memory."""

import io
import struct
import sys
import threading
import time
import types
import warnings
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageFile, TiffImagePlugin

from foveate.data import load
from foveate.data.budget import ByteBudget, map_in_threads, usable_cpus
from foveate.data.decode import decode_files
from foveate.data.layout import File
from foveate.data.picture import Decoder, has_color, open_picture, upright

TURNED = (0x112, 3, 1, struct.pack("<HH", 6, 0))  # orientation 6: rotate clockwise by 90 degrees
PIXELS = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3) * 12


def exif(*entries: tuple[int, int, int, bytes], extra: bytes = b"", magic: int = 42) -> bytes:
    """Return EXIF data with entries (tag, type, count, 4 bytes)."""
    body = struct.pack("<H", len(entries))
    for tag, kind, count, value in entries:
        body += struct.pack("<HHI", tag, kind, count) + value
    return struct.pack("<2sHI", b"II", magic, 8) + body + bytes(4) + extra


AFTER_TWO = struct.pack("<I", 8 + 2 + 2 * 12 + 4)  # offset of the bytes after two entries
READABLE = {  # the orientation is intact, other entries are broken
    "negative rational": exif(TURNED, (0x11A, 10, 1, AFTER_TWO), extra=struct.pack("<ii", -1, 0)),
    "rational 0/0": exif(TURNED, (0x11A, 5, 1, AFTER_TWO), extra=bytes(8)),
    "nan": exif(TURNED, (0x11A, 12, 1, AFTER_TWO), extra=struct.pack("<d", float("nan"))),
    "text instead of a number": exif(TURNED, (0x100, 2, 4, b"abc\0")),
    "offset beyond the end": exif(TURNED, (0x8825, 4, 1, struct.pack("<I", 2**20))),
}
UNREADABLE = {
    "nothing": b"\0",
    "garbage": b"not exif at all",
    "only the header": b"II*\0",
    "wrong byte order": b"XX" + exif(TURNED)[2:],
    "BigTIFF header": exif(TURNED, magic=43),
    "zeros": bytes(40),
    "orientation 9": exif((0x112, 3, 1, struct.pack("<HH", 9, 0))),
    "text": exif((0x112, 2, 2, b"6\0\0\0")),
}


def png(metadata: bytes) -> io.BytesIO:
    """Return a PNG file with EXIF data."""
    file = io.BytesIO()
    Image.fromarray(PIXELS).save(file, "PNG")
    content = file.getvalue()
    at = content.index(b"IDAT") - 4
    chunk = b"eXIf" + metadata
    crc = struct.pack(">I", zlib.crc32(chunk))
    return io.BytesIO(content[:at] + struct.pack(">I", len(metadata)) + chunk + crc + content[at:])


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
@pytest.mark.parametrize("metadata", READABLE.values(), ids=READABLE)
def test_a_readable_orientation_is_applied_despite_broken_metadata(metadata):
    np.testing.assert_array_equal(np.asarray(open_picture(png(metadata))), np.rot90(PIXELS, -1))


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
@pytest.mark.parametrize("metadata", UNREADABLE.values(), ids=UNREADABLE)
def test_an_unreadable_orientation_is_ignored(metadata):
    np.testing.assert_array_equal(np.asarray(open_picture(png(metadata))), PIXELS)


def test_every_orientation_is_applied_once_like_pillow_does(tmp_path):
    from PIL import ImageOps

    for orientation in range(1, 9):
        data = Image.Exif()
        data[0x112] = orientation
        for name in ("x.png", "x.tiff", "x.webp"):
            Image.fromarray(PIXELS).save(tmp_path / name, exif=data, **({"lossless": True} if "webp" in name else {}))
            expected = np.asarray(ImageOps.exif_transpose(Image.open(tmp_path / name)))
            picture = open_picture(tmp_path / name)
            np.testing.assert_array_equal(np.asarray(picture), expected)
            np.testing.assert_array_equal(np.asarray(upright(picture)), expected)


def test_upright_does_not_change_its_input():
    data = Image.Exif()
    data[0x112] = 6
    file = io.BytesIO()
    Image.fromarray(PIXELS).save(file, "PNG", exif=data)
    picture = Image.open(file)
    assert upright(picture).size == (2, 3)
    assert (picture.size, picture.getexif()[0x112]) == ((3, 2), 6)


@pytest.mark.parametrize("kind", [np.uint16, np.int32])
@pytest.mark.parametrize(("white", "said"), [(255, "at most 255"), (4095, "at most 4095"), (65535, None)])
def test_integers_of_8_12_and_16_bits_are_scaled_to_the_full_range(tmp_path, kind, white, said):
    path = tmp_path / "x.tiff"
    Image.fromarray(np.array([[0, white // 2, white]], kind)).save(path)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        pixels = np.asarray(open_picture(path))[0, :, 0].tolist()
    assert pixels == [0, 127, 255]
    assert [said in str(one.message) for one in caught] == ([True] if said else [])


def test_a_black_picture_gives_no_warning(tmp_path):
    Image.fromarray(np.zeros((2, 2), np.uint16)).save(tmp_path / "x.png")
    assert not np.asarray(open_picture(tmp_path / "x.png")).any()


def test_12_bit_color_in_16_bits_gives_a_warning(tmp_path):
    rows = b"".join(b"\0" + struct.pack(">9H", *[4095] * 9) for _ in range(2))
    header = struct.pack(">IIBBBBB", 3, 2, 16, 2, 0, 0, 0)
    content = b"\x89PNG\r\n\x1a\n"
    for name, body in ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")):
        content += struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
    with pytest.warns(UserWarning, match="use only the lowest 12 are nearly black"):
        open_picture(io.BytesIO(content))


def test_has_color_checks_every_strip(monkeypatch):
    monkeypatch.setattr("foveate.data.picture.STRIP", 10)
    pixels = np.full((7, 4, 3), 9, np.uint8)
    assert not has_color(Image.fromarray(pixels))
    pixels[6, 3] = 9, 9, 8
    assert has_color(Image.fromarray(pixels))


HEIC = b"\0\0\0\x18ftypheic" + bytes(40)


def test_heic_is_refused_with_advice(tmp_path):
    (tmp_path / "x.heic").write_bytes(HEIC)
    for file in (tmp_path / "x.heic", io.BytesIO(HEIC)):
        with pytest.raises(ValueError, match="a HEIC picture; convert it to JPEG or PNG, or install `pillow-heif`"):
            open_picture(file)


@pytest.fixture
def heif_plugin(monkeypatch):
    """Return a function that registers a plugin; it reads every HEIC picture as one red pixel."""

    class Plugin(ImageFile.ImageFile):
        format = "HEIF"

        def _open(self):
            self._mode = "RGB"
            self._size = (1, 1)
            self.tile = []
            self.im = Image.new("RGB", (1, 1), "red").im

    def register() -> None:
        Image.register_open("HEIF", Plugin, lambda start: start[4:12] == b"ftypheic")

    Image.init()
    monkeypatch.setattr(Image, "OPEN", dict(Image.OPEN))
    monkeypatch.setattr(Image, "ID", list(Image.ID))
    return register


def test_heic_is_read_by_a_registered_plugin(tmp_path, heif_plugin):
    heif_plugin()
    (tmp_path / "x.heic").write_bytes(HEIC)
    assert np.asarray(open_picture(tmp_path / "x.heic")).tolist() == [[[255, 0, 0]]]


def test_heic_is_read_by_an_installed_pillow_heif(tmp_path, heif_plugin, monkeypatch):
    module: Any = types.ModuleType("pillow_heif")
    module.__spec__ = types.SimpleNamespace(name="pillow_heif")
    module.register_heif_opener = heif_plugin
    monkeypatch.setitem(sys.modules, "pillow_heif", module)
    (tmp_path / "x.heic").write_bytes(HEIC)
    assert np.asarray(open_picture(tmp_path / "x.heic")).tolist() == [[[255, 0, 0]]]


def test_loading_a_folder_does_not_change_warning_filters(tmp_path):
    for name in "ab":
        (tmp_path / name).mkdir()
        for i in range(20):
            Image.fromarray(np.full((20, 20), i + 100 * (name == "b"), np.uint8)).save(tmp_path / name / f"{i}.png")
    before = list(warnings.filters)
    for _ in range(5):
        load(str(tmp_path))
    assert list(warnings.filters) == before


def test_usable_cpus_respects_the_affinity(monkeypatch):
    monkeypatch.setattr("os.cpu_count", lambda: 1000)
    assert usable_cpus() < 1000


def test_a_budget_is_never_exceeded_and_never_blocks_forever():
    budget, seen, lock = ByteBudget(10), [], threading.Lock()

    def work(count: int) -> None:
        with budget.hold(count), lock:
            seen.append(budget.used)
            time.sleep(0.001)

    threads = [threading.Thread(target=work, args=(count,)) for count in [3, 7, 10, 99, 1] * 10]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert len(seen) == 50
    assert max(seen) <= 10
    assert budget.used == 0


def test_every_file_is_decoded_once(tmp_path, monkeypatch):
    files = []
    for i in range(12):
        path = tmp_path / f"{i}.png"
        Image.fromarray(np.full((4, 4), i, np.uint8)).save(path)
        files.append(File(path, "x", None))
    loads = []
    monkeypatch.setattr("PIL.PngImagePlugin.PngImageFile.load_end", lambda self: loads.append(1))
    decoded = decode_files(files, (4, 4), resize="refuse", color="auto", unreadable="refuse", limit=10**6)
    assert len(loads) == 12
    corners = [one.pixels[0, 0, 0].item() for one in decoded if one.pixels is not None]
    assert corners == list(range(12))


@pytest.mark.parametrize("resize", ["pad", "crop", "stretch"])
def test_gray_pixels_are_equal_in_one_and_three_channels(resize):
    gray = np.random.default_rng(0).integers(0, 256, (13, 29), dtype=np.uint8)
    one = Decoder((1, 8, 8), resize).convert(Image.fromarray(gray))
    three = Decoder((3, 8, 8), resize).convert(Image.fromarray(gray))
    assert (three == one).all()


def test_results_of_threads_keep_their_order():
    assert map_in_threads(lambda n: n * n, list(range(100))) == [n * n for n in range(100)]


def test_tiff_metadata_is_ignored(tmp_path):
    info = TiffImagePlugin.ImageFileDirectory_v2()
    info[270] = "x" * 100
    Image.fromarray(PIXELS).save(tmp_path / "x.tiff", tiffinfo=info)
    np.testing.assert_array_equal(np.asarray(open_picture(Path(tmp_path / "x.tiff"))), PIXELS)


def test_a_picture_without_tiles_is_read():
    """Pillow 10.4 sets them to None once a picture is loaded, and others never have any."""
    picture: Any = Image.new("L", (2, 3), 7)
    picture.tile = None
    assert upright(picture).size == (2, 3)
