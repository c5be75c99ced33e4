"""Images too large to load are looked at, answered and tiled without loading them."""

import time
import zlib
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image

import foveate
from foveate.cli import main
from foveate.data.huge import open_pyramid
from foveate.data.pyramid import ArrayPyramid, halvings
from foveate.data.tiling import write_pyramid
from foveate.glimpse.location import boxes
from foveate.glimpse.pyramids import pyramid_boxes
from foveate.glimpse.sensor import SpatialGlimpse
from foveate.viewing.look import look
from foveate.viewing.predictions import predict_files

pytestmark = pytest.mark.filterwarnings("ignore::foveate.viewing.look.UnfamiliarPicture")
RNG = np.random.default_rng(0)
COLOR = RNG.integers(0, 256, (700, 530, 3), dtype=np.uint8)
DIGITS = foveate.from_pretrained("digits")


@pytest.fixture
def tiled(tmp_path: Path) -> Path:
    """A picture of noise in tiles."""
    write_pyramid(ArrayPyramid(COLOR, levels=[]), tmp_path / "tiled.tif")
    return tmp_path / "tiled.tif"


def test_an_image_of_the_models_size_is_answered_as_ever() -> None:
    pixels = torch.from_numpy(RNG.integers(0, 256, (1, 8, 8), dtype=np.uint8))
    array = np.moveaxis(pixels.numpy(), 0, 2)
    expected = look(DIGITS, pixels)
    for native in (look(DIGITS, ArrayPyramid(array, levels=[])), look(DIGITS, array, resize="native")):
        assert torch.equal(native.probabilities, expected.probabilities)
        assert torch.equal(native.locations, expected.locations)
        assert torch.equal(native.boxes[:, 0], expected.boxes[:, 0])
        assert torch.equal(native.image, expected.image)


def test_boxes_lie_where_the_windows_are_on_the_whole_image() -> None:
    location = torch.tensor([[0.0, 0.0], [-1.0, 1.0]])
    windows = SpatialGlimpse(8, 3).windows
    same = pyramid_boxes(location, [(80, 160)], windows, (80, 160))
    assert torch.equal(same, boxes(location, (80, 160), windows))
    half = pyramid_boxes(location, [(80, 160), (40, 80), (20, 40)], windows, (40, 80))
    assert half[0].tolist() == [[38, 18, 42, 22], [36, 16, 44, 24], [32, 12, 48, 28]]
    tiny = pyramid_boxes(location, [(10**5, 10**5)], ((1, 1),), (100, 100))
    assert tiny[0, 0].tolist() == [49, 49, 50, 50]


def test_a_file_is_read_at_its_own_size_where_asked(tiled: Path) -> None:
    seen = look(DIGITS, tiled, resize="native")
    assert (seen.original, seen.name) == ((700, 530), "tiled.tif")
    assert seen.image.shape == (1, 700, 530)
    gray = open_pyramid(tiled, channels=1)
    assert torch.equal(seen.glimpses, look(DIGITS, gray).glimpses)
    with pytest.raises(ValueError, match="`ink` should be 'auto' where an image is read at its own size"):
        look(DIGITS, tiled, resize="native", ink="dark")


def test_a_file_too_large_to_load_is_fitted_from_a_coarse_level(tiled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("foveate.data.intake.MAX_PIXELS", 100_000)
    monkeypatch.setattr("foveate.data.intake.COARSE", 100_000)
    seen = look(DIGITS, tiled, resize="stretch")
    assert seen.original == (700, 530)
    assert seen.zoom == pytest.approx((8 / 530, 8 / 700))
    coarse = Image.fromarray(halvings(COLOR)[1])
    assert torch.equal(seen.image, look(DIGITS, coarse, resize="stretch").image)
    tifffile.imwrite(tiled, COLOR, photometric="rgb", tile=(256, 256))
    with pytest.raises(ValueError, match=r"The coarsest has 700 x 530: `foveate tile` writes coarser ones"):
        look(DIGITS, tiled)


def test_a_sparse_image_of_a_hundred_thousand_pixels_a_side_is_looked_at(tmp_path: Path) -> None:
    file = tmp_path / "sparse.tif"
    digit = np.zeros((256, 256), np.uint8)
    digit[100:128, 100:110] = 255
    options = {"dtype": np.uint8, "tile": (256, 256), "compression": "zlib", "metadata": None}
    with tifffile.TiffWriter(file, bigtiff=True) as writer:
        for level in range(8):
            size = -(-100_000 // 2**level)
            tiles = [b""] * (-(-size // 256)) ** 2
            tiles[len(tiles) // 2] = zlib.compress(digit.tobytes())
            writer.write(iter(tiles), shape=(size, size), subifds=7 * (level == 0), subfiletype=level > 0, **options)
    began = time.process_time()
    image = open_pyramid(file)
    seen = look(DIGITS, image)
    assert seen.image.shape == (1, 782, 782)
    assert image.num_read < 0.001 * image.num_tiles
    assert image.num_decoded < 10
    assert time.process_time() - began < 10  # it takes half a second; all tiles would take hours


def test_pictures_are_answered_at_their_own_size_and_a_broken_tile_spoils_its_own_only(tiled: Path) -> None:
    content = bytearray(tiled.read_bytes())
    with tifffile.TiffFile(tiled) as tif:
        place = tif.pages.first.dataoffsets[4]
        for offset, count in zip(tif.pages.first.dataoffsets, tif.pages.first.databytecounts, strict=True):
            content[offset : offset + count] = b"x" * count
    assert place
    broken = tiled.with_name("broken.tif")
    broken.write_bytes(content)
    Image.fromarray(COLOR).save(tiled.with_name("plain.png"))
    found = list(predict_files(DIGITS, [broken, tiled, tiled.with_name("plain.png")], resize="native"))
    assert "should have tiles that can be read" in found[0].error
    assert found[1].classes[0] == look(DIGITS, tiled, resize="native").answer
    assert len(found[2].classes) == 3


@pytest.mark.parametrize("channels", [1, 3])
def test_tiles_hold_every_level(channels: int, tmp_path: Path) -> None:
    image = COLOR[..., :channels]
    rows = []
    sizes = write_pyramid(ArrayPyramid(image, levels=[]), tmp_path / "a.tif", progress=lambda *done: rows.append(done))
    found = open_pyramid(tmp_path / "a.tif")
    assert rows == [(row, 6) for row in range(1, 7)]
    assert sizes == found.levels == [(700, 530), (350, 265), (175, 133)]
    for level, (height, width) in enumerate(found.levels):
        assert np.array_equal(found.read(level, 0, 0, height, width), halvings(image)[level])
    assert list(tmp_path.iterdir()) == [tmp_path / "a.tif"]


def test_the_command_tiles_pictures_and_files_of_tiles(
    tmp_path: Path, tiled: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Image.fromarray(COLOR[..., 0]).save(tmp_path / "gray.png")
    assert main(["tile", str(tmp_path / "gray.png"), str(tmp_path / "gray.tif")]) == 0
    assert capsys.readouterr().out.strip().startswith(f"{tmp_path / 'gray.tif'}: 530 x 700 pixels in 3 levels, 0.")
    assert np.array_equal(open_pyramid(tmp_path / "gray.tif").read(0, 0, 0, 700, 530), COLOR[..., :1])
    assert main(["tile", str(tiled), str(tmp_path / "small.tif"), "--quality", "80"]) == 0
    assert np.abs(open_pyramid(tmp_path / "small.tif").read(2, 0, 0, 175, 133) - 127.5).mean() < 40
    assert main(["look", "digits", str(tiled), "--resize", "native", "--out", str(tmp_path / "looks")]) == 0
    assert (tmp_path / "looks" / "tiled.png").is_file()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["tiled.tif", "out.png"], "`OUT` should end in .tif"),
        (["tiled.tif", "tiled.tif"], "`OUT` should be another file than the picture"),
        (["tiled.tif", "out.tif", "--quality", "0"], "`--quality` should be from 1 to 100. Found 0"),
        (["none.jpg", "out.tif"], "There should be an image `none.jpg`. Found none"),
        (["text.png", "out.tif"], "no image of a known format"),
    ],
)
def test_what_cannot_be_tiled_is_refused(
    words: list[str], sentence: str, tiled: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tiled.parent)
    Path("text.png").write_text("no picture")
    before = tiled.read_bytes()
    assert main(["tile", *words]) == 2
    assert sentence in capsys.readouterr().err
    assert tiled.read_bytes() == before
    assert not Path("out.tif").exists()


def test_a_write_that_is_stopped_leaves_nothing(tiled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("foveate.data.tiling.halved", lambda strip: (_ for _ in ()).throw(KeyboardInterrupt))
    out = tiled.with_name("out.tif")
    assert main(["tile", str(tiled), str(out)]) == 130
    assert list(tiled.parent.iterdir()) == [tiled]
