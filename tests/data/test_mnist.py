"""MNIST: strict reading of idx files, layouts of the folder, and downloads."""

import gzip
import hashlib
import re
import struct
import tracemalloc

import numpy as np
import pytest
import torch

from asserts import assert_equal
from foveate.data import load_mnist, mnist
from foveate.data.download import MIRRORS, download, remove_damaged
from foveate.data.idx import MAX_BYTES, read_idx
from foveate.data.sources import load
from foveate.data.split import stratified_split


def idx(array: np.ndarray) -> bytes:
    """Return the bytes of an idx file."""
    return struct.pack(f">4B{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes()


def files(train: int = 120, test: int = 20) -> dict[str, bytes]:
    """Return the files of a small MNIST: images of 4 x 5 pixels that all equal the number of the image."""
    made = {}
    for split, n in (("train", train), ("t10k", test)):
        number = np.arange(n, dtype=np.uint8)
        made[f"{split}-images-idx3-ubyte"] = idx(np.broadcast_to(number[:, None, None], (n, 4, 5)))
        made[f"{split}-labels-idx1-ubyte"] = idx(number % 10)
    return made


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Return the folder for idx files inside FOVEATE_DATA."""
    monkeypatch.setenv("FOVEATE_DATA", str(tmp_path))
    (tmp_path / "mnist").mkdir()
    return tmp_path / "mnist"


@pytest.mark.parametrize("zipped", [True, False])
def test_mnist_is_read_from_plain_and_zipped_files(folder, zipped):
    for name, content in files().items():
        path = folder / (f"{name}.gz" if zipped else name)
        path.write_bytes(gzip.compress(content) if zipped else content)
    data = load_mnist()
    assert (len(data.train), len(data.validation), len(data.test)) == (100, 20, 20)
    assert data.train.shape == (1, 4, 5)
    for split in (data.train, data.validation, data.test):
        image = split.read(torch.arange(len(split)))
        assert_equal(image[:, 0, 3, 4].long() % 10, split.label)
    numbers = torch.cat([split.read(torch.arange(len(split)))[:, 0, 0, 0] for split in (data.train, data.validation)])
    assert numbers.sort().values.tolist() == list(range(120))


def test_the_seed_does_not_change_the_test_set(folder):
    for name, content in files().items():
        (folder / name).write_bytes(content)
    first, second = load_mnist(split_seed=0), load_mnist(split_seed=1)
    assert not torch.equal(first.train.read(torch.arange(9)), second.train.read(torch.arange(9)))
    assert_equal(first.test.read(torch.arange(20)), second.test.read(torch.arange(20)))


def test_the_last_images_can_be_held_out(folder):
    for name, content in files().items():
        (folder / name).write_bytes(content)
    data = load("mnist", held_out="last")
    numbers = data.validation.read(torch.arange(20))[:, 0, 0, 0].tolist()
    assert numbers == list(range(100, 120))


GOOD = files()["train-images-idx3-ubyte"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the first bytes (none)"),
        (b"hello", "the first bytes 68 65 6c 6c"),
        (b"\0\0\x08\x01" + GOOD[4:], "the first bytes 00 00 08 01"),
        (b"\0\0\x0d\x03" + GOOD[4:], "the first bytes 00 00 0d 03"),
        (GOOD[:9], "its header cut short"),
        (GOOD[:-1], "only 2399 bytes where its header declares 2400"),
        (GOOD + b"x", "more bytes where its header declares 2400"),
        (idx(np.zeros((0, 4, 5), np.uint8)), "a header that declares 0 x 4 x 5 bytes"),
        (b"\0\0\x08\x03" + b"\xff" * 12, "a header that declares 4294967295 x 4294967295 x 4294967295 bytes"),
    ],
    ids=["empty", "text", "labels", "floats", "cut header", "cut short", "too long", "no image", "lie"],
)
@pytest.mark.parametrize("zipped", [True, False])
def test_damaged_idx_files_are_refused(tmp_path, content, message, zipped):
    path = tmp_path / ("file.gz" if zipped else "file")
    path.write_bytes(gzip.compress(content) if zipped else content)
    with pytest.raises(ValueError, match=re.escape(f"`{path}` should be an idx file") + ".*" + re.escape(message)):
        read_idx(path, 3)


@pytest.mark.parametrize(
    "content",
    [b"plain", gzip.compress(GOOD)[:-9], gzip.compress(GOOD)[:20] + b"x" * 40],
    ids=["plain", "cut short", "garbled"],
)
def test_damaged_gzip_files_are_refused(tmp_path, content):
    path = tmp_path / "file.gz"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=re.escape(f"`{path}` should be a whole gzip file")):
        read_idx(path, 3)


def test_a_wrong_header_and_a_bomb_cost_no_memory(tmp_path):
    liar, bomb = tmp_path / "liar.gz", tmp_path / "bomb.gz"
    liar.write_bytes(gzip.compress(struct.pack(">4B3I", 0, 0, 8, 3, MAX_BYTES, 1, 1) + b"x"))
    bomb.write_bytes(gzip.compress(GOOD + bytes(2**26)))
    for path in (liar, bomb):
        tracemalloc.start()
        with pytest.raises(ValueError, match="where its header declares"):
            read_idx(path, 3)
        assert tracemalloc.get_traced_memory()[1] < 2**23
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"train-labels-idx1-ubyte": idx(np.zeros(9, np.uint8))}, "as many images as labels. Found 120 and 9"),
        ({"t10k-labels-idx1-ubyte": idx(np.full(20, 10, np.uint8))}, "labels from 0 to 9. Found 10"),
        (
            {"t10k-images-idx3-ubyte": idx(np.zeros((20, 4, 4), np.uint8))},
            "of one shape. Found (1, 4, 5) and (1, 4, 4)",
        ),
        ({"t10k-labels-idx1-ubyte": idx(np.zeros(20, np.uint8))}, "Found no `1` in test"),
    ],
)
def test_files_that_do_not_match_are_refused(folder, changes, message):
    for name, content in (files() | changes).items():
        (folder / name).write_bytes(content)
    with pytest.raises(ValueError, match=re.escape(message)):
        load_mnist()


def test_a_missing_file_is_named_in_the_error(folder):
    with pytest.raises(FileNotFoundError, match="Found no `train-images-idx3-ubyte`"):
        load_mnist()


CONTENT = {"one": b"first", "two": b"second"}
MD5 = {name: hashlib.md5(content).hexdigest() for name, content in CONTENT.items()}


class Mirrors:
    """Mirrors that serve files from a table; other requests fail."""

    def __init__(self, first: dict[str, bytes], second: dict[str, bytes]) -> None:
        self.files: dict[str, dict[str, bytes]] = dict(zip(MIRRORS, (first, second), strict=True))
        self.asked: list[str] = []

    def __call__(self, url, path) -> None:
        mirror, name = url.rsplit("/", 1)
        self.asked.append(url)
        path.write_bytes(b"half")
        if name not in self.files[f"{mirror}/"]:
            raise ConnectionError("no route")
        path.write_bytes(self.files[f"{mirror}/"][name])


def zipped(names: str, level: int = 9) -> dict[str, bytes]:
    return {f"{name}.gz": gzip.compress(CONTENT[name], level) for name in names.split()}


def test_the_checksum_ignores_compression_and_mirrors_are_tried_in_turn(tmp_path):
    wrong = {"two.gz": gzip.compress(b"not the second")}
    mirrors = Mirrors(zipped("one", 0) | wrong, zipped("one two", 9))
    folder = download(tmp_path / "cache", mirrors, MD5)
    assert {path.name: gzip.decompress(path.read_bytes()) for path in folder.iterdir()} == {
        "one.gz": b"first",
        "two.gz": b"second",
    }
    assert [url[-6:-3] for url in mirrors.asked] == ["one", "two", "two"]
    download(folder, mirrors, MD5)
    assert len(mirrors.asked) == 3, "what is there is not downloaded again"


@pytest.mark.parametrize(
    "bad",
    [b"", b"no gzip", gzip.compress(b"first")[:-5], gzip.compress(b"first")[:12] + b"x" * 40, gzip.compress(b"other")],
    ids=["empty", "plain", "cut short", "garbled", "other"],
)
def test_damaged_downloads_are_never_kept(tmp_path, bad):
    with pytest.raises(FileNotFoundError) as raised:
        download(tmp_path, Mirrors({"one.gz": bad}, {}), MD5)
    assert list(tmp_path.iterdir()) == []
    message = str(raised.value)
    assert "\n" not in message
    assert "set FOVEATE_DATA to a folder that holds mnist/" in message
    assert "ConnectionError" in message


LAYOUTS = {
    "ours": "mnist/{}",
    "torchvision": "MNIST/raw/{}",
    "torchvision, inside its MNIST": "raw/{}",
    "torchvision, as its examples call it": "data/MNIST/raw/{}.gz",
    "torchvision, in a folder for it": "mnist/MNIST/raw/{}.gz",
    "kaggle": "mnist/{dotted}",
    "kaggle, a folder for each": "{dotted}/{dotted}",
    "the files alone": "{}.gz",
}


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_layouts_of_torchvision_and_kaggle_are_read(tmp_path, monkeypatch, layout):
    monkeypatch.setenv("FOVEATE_DATA", str(tmp_path))
    for name, content in files().items():
        path = tmp_path / layout.format(name, dotted=name.replace("-idx", ".idx"))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    assert len(load_mnist().test) == 20


@pytest.mark.parametrize(
    ("where", "message"), [("nowhere", "Found nothing at"), ("file", "Found a file at"), ("", "Found none in")]
)
def test_a_wrong_variable_is_refused(tmp_path, monkeypatch, where, message):
    (tmp_path / "file").touch()
    monkeypatch.setenv("FOVEATE_DATA", str(tmp_path / where))
    monkeypatch.setattr(mnist, "download", lambda: pytest.fail("it was passed over"))
    with pytest.raises(FileNotFoundError, match=f"`FOVEATE_DATA` should name a folder.*{message}.*or unset it"):
        load_mnist()


def test_damaged_files_in_the_cache_are_downloaded_again(tmp_path, monkeypatch):
    made = files()
    md5 = {name: hashlib.md5(content).hexdigest() for name, content in made.items()}
    mirrors = Mirrors({f"{name}.gz": gzip.compress(content) for name, content in made.items()}, {})
    monkeypatch.delenv("FOVEATE_DATA", raising=False)
    monkeypatch.setattr(mnist, "download", lambda: download(tmp_path, mirrors, md5))
    monkeypatch.setattr(mnist, "remove_damaged", lambda folder: remove_damaged(folder, md5))
    assert len(load_mnist().test) == 20
    damaged = tmp_path / "t10k-images-idx3-ubyte.gz"
    damaged.write_bytes(damaged.read_bytes()[:-20])
    with pytest.warns(UserWarning, match=r"downloading them again: t10k-images-idx3-ubyte\.gz"):
        assert len(load_mnist().test) == 20
    assert len(mirrors.asked) == 5, "only the damaged file is downloaded again"


def test_without_the_variable_the_download_is_read(tmp_path, monkeypatch):
    for name, content in files().items():
        (tmp_path / f"{name}.gz").write_bytes(gzip.compress(content))
    monkeypatch.delenv("FOVEATE_DATA", raising=False)
    monkeypatch.setattr(mnist, "download", lambda: tmp_path)
    assert len(load_mnist().test) == 20


@pytest.mark.mnist
def test_the_real_files():
    data = load_mnist()
    assert (len(data.train), len(data.validation), len(data.test), data.train.shape) == (
        50000,
        10000,
        10000,
        (1, 28, 28),
    )
    assert data.test.label[:10].tolist() == [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]


@pytest.mark.slow
@pytest.mark.mnist
def test_every_second_image_is_ordered_by_writer():
    """The slant of digits reveals their writers; from about 58,050 on both halves are one series."""
    images = mnist._read(mnist._own_folder(), "train")
    lean = leaning(images.image, images.label)
    for start, least, most in ((1, 0.5, 1), (0, -0.1, 0.1)):
        half = lean[start:58000:2] - lean[start:58000:2].mean()
        assert least < (half[:-1] * half[1:]).mean() / half.var() < most
    assert stratified_split(images.label, 1 / 6, 0, "validation", held_out="last")[1].min() > 49000


def leaning(image, label):
    """Return the slant of each digit in standard deviations of its class."""
    image = image[:, 0].double()
    y, x = torch.meshgrid(torch.arange(28.0), torch.arange(28.0), indexing="ij")
    ink = image.sum((1, 2))
    x, y = (axis - ((image * axis).sum((1, 2)) / ink)[:, None, None] for axis in (x, y))
    lean = -(image * x * y).sum((1, 2)) / (image * y * y).sum((1, 2))
    for k in range(10):
        alike = lean[label == k]
        lean[label == k] = (alike - alike.mean()) / alike.std()
    return lean
