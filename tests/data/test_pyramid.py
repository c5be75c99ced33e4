"""Pyramids: windows of files are those of the array they were written from, whatever the form of the file."""

import os
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from foveate.data import pyramid as pyramids
from foveate.data.huge import open_pyramid
from foveate.data.pyramid import ArrayPyramid, TileCache, TiledPyramid, halvings, with_channels

SIZE = (70, 90)
GRAY = np.random.default_rng(0).integers(0, 256, (*SIZE, 1), dtype=np.uint8)
COLOR = np.random.default_rng(1).integers(0, 256, (*SIZE, 3), dtype=np.uint8)
DEEP = np.random.default_rng(2).integers(0, 65536, SIZE, dtype=np.uint16)
MAP = np.random.default_rng(3).integers(0, 65536, (3, 256), dtype=np.uint16)
BITS = GRAY[..., 0] > 127
ALPHA = np.concatenate([COLOR, GRAY], axis=2)
TILE = {"tile": (32, 48)}


def on_white() -> np.ndarray:
    """What pillow makes of transparent pixels on white paper."""
    paper = Image.new("RGBA", (SIZE[1], SIZE[0]), "white")
    return np.asarray(Image.alpha_composite(paper, Image.fromarray(ALPHA)).convert("RGB"))


RGB: dict[str, Any] = {"photometric": "rgb"}
# The form of a file: what is written, how, and what is read.
FORMS = {
    "tiles": (GRAY[..., 0], TILE, GRAY),
    "deflate": (GRAY[..., 0], {**TILE, "compression": "zlib", "predictor": True}, GRAY),
    "LZW, big endian": (COLOR, {**TILE, **RGB, "compression": "lzw", "byteorder": ">"}, COLOR),
    "BigTIFF": (COLOR, {**TILE, **RGB, "bigtiff": True}, COLOR),
    "strips": (COLOR, {**RGB, "rowsperstrip": 16}, COLOR),
    "one strip": (GRAY[..., 0], {}, GRAY),
    "planar tiles": (np.moveaxis(COLOR, 2, 0), {**TILE, **RGB, "planarconfig": "separate"}, COLOR),
    "planar strips": (np.moveaxis(COLOR, 2, 0), {**RGB, "planarconfig": "separate", "rowsperstrip": 9}, COLOR),
    "16 bits": (DEEP, TILE, np.rint(DEEP / 257).astype(np.uint8)[..., None]),
    "1 bit": (BITS, {**TILE, "photometric": "minisblack"}, (255 * BITS.astype(np.uint8))[..., None]),
    "palette": (
        GRAY[..., 0],
        {**TILE, "photometric": "palette", "colormap": MAP},
        np.moveaxis(np.rint(MAP / 257).astype(np.uint8)[:, GRAY[..., 0]], 0, 2),
    ),
    "white is 0": (GRAY[..., 0], {**TILE, "photometric": "miniswhite"}, 255 - GRAY),
    "transparent": (ALPHA, {**TILE, **RGB, "extrasamples": ["unassalpha"]}, on_white()),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_window_of_a_file_is_that_of_the_array(form: str, tmp_path: Path) -> None:
    written, options, expected = FORMS[form]
    file = tmp_path / "image.tif"
    order = {name: options[name] for name in ("bigtiff", "byteorder") if name in options}
    with tifffile.TiffWriter(file, **order) as writer:
        writer.write(written, **{name: value for name, value in options.items() if name not in order})
    found = open_pyramid(file)
    assert found.shape == expected.shape
    for y, x, height, width in ((0, 0, *SIZE), (30, 40, 5, 17), (69, 0, 1, 90), (31, 47, 2, 2)):
        near = 1 if form == "transparent" else 0  # pillow rounds otherwise
        window = found.read(0, y, x, height, width).astype(int)
        assert np.abs(window - expected[y : y + height, x : x + width]).max() <= near


def test_jpeg_tiles_are_what_their_decoder_gives(tmp_path: Path) -> None:
    smooth = np.asarray(Image.fromarray(COLOR[:8, :8]).resize((90, 70)))
    tifffile.imwrite(tmp_path / "image.tif", smooth, tile=(32, 48), photometric="rgb", compression="jpeg")
    window = open_pyramid(tmp_path / "image.tif").read(0, 0, 0, *SIZE)
    assert np.array_equal(window, tifffile.imread(tmp_path / "image.tif"))
    assert np.abs(window.astype(int) - smooth).mean() < 4


def write_levels(file: Path, levels: list[np.ndarray], inside: bool, **options: Any) -> Path:
    """A TIFF file with levels inside the first image, or one after the other."""
    with tifffile.TiffWriter(file) as writer:
        writer.write(levels[0], subifds=len(levels) - 1 if inside else 0, **TILE, **options)
        for level in levels[1:]:
            writer.write(level, subfiletype=1, **TILE, **options)
    return file


def write_deep_zoom(file: Path, image: np.ndarray, tile: int, overlap: int) -> Path:
    """A Deep Zoom image in PNG tiles."""
    levels = halvings(image)
    for number, level in enumerate(reversed(levels)):
        folder = file.with_name(f"{file.stem}_files") / str(number)
        folder.mkdir(parents=True)
        for y in range(0, len(level), tile):
            for x in range(0, level.shape[1], tile):
                top, left = max(0, y - overlap), max(0, x - overlap)
                pixels = level[top : y + tile + overlap, left : x + tile + overlap]
                Image.fromarray(pixels).save(folder / f"{x // tile}_{y // tile}.png")
    size = f'<Size Width="{image.shape[1]}" Height="{len(image)}"/>'
    head = (
        f'<Image xmlns="http://schemas.microsoft.com/deepzoom/2008" TileSize="{tile}" Overlap="{overlap}" Format="png">'
    )
    file.write_text(f'<?xml version="1.0"?>{head}{size}</Image>')
    return file


@pytest.mark.parametrize("kind", ["inside", "beside", "deep zoom"])
def test_every_level_of_a_file_is_that_of_the_array(kind: str, tmp_path: Path) -> None:
    expected = ArrayPyramid(COLOR)
    if kind == "deep zoom":
        file = write_deep_zoom(tmp_path / "image.dzi", COLOR, tile=32, overlap=2)
    else:
        file = write_levels(tmp_path / "image.tif", halvings(COLOR)[:4], kind == "inside", photometric="rgb")
    found = open_pyramid(file)
    assert found.levels == expected.levels[: len(found.levels)]
    assert len(found.levels) == (8 if kind == "deep zoom" else 4)
    for level, (height, width) in enumerate(found.levels):
        assert np.array_equal(found.read(level, 0, 0, height, width), expected.arrays[level])
        assert np.array_equal(
            found.read(level, height // 2, 0, 1, width), expected.arrays[level][height // 2 : height // 2 + 1]
        )


@given(st.integers(0, 69), st.integers(0, 89), st.integers(1, 70), st.integers(1, 90), st.data())
def test_any_tiling_gives_the_same_window(y: int, x: int, height: int, width: int, data: st.DataObject) -> None:
    tile = data.draw(st.tuples(st.integers(1, 80), st.integers(1, 100)))

    def decode(level: int, row: int, column: int) -> np.ndarray:
        return COLOR[row * tile[0] : (row + 1) * tile[0], column * tile[1] : (column + 1) * tile[1]]

    height, width = min(height, 70 - y), min(width, 90 - x)
    found = TiledPyramid(Path(), [SIZE], [tile], 3, decode).read(0, y, x, height, width)
    assert np.array_equal(found, COLOR[y : y + height, x : x + width])


def test_colors_become_gray_as_in_pillow() -> None:
    gray = np.asarray(Image.fromarray(COLOR).convert("L"))
    assert np.array_equal(with_channels(COLOR, 1)[..., 0], gray)
    assert np.array_equal(with_channels(GRAY, 3), np.concatenate([GRAY] * 3, axis=2))


def test_a_window_decodes_its_tiles_only_and_once(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "image.tif", GRAY[..., 0], **TILE)
    found = open_pyramid(tmp_path / "image.tif")
    assert found.num_tiles == 3 * 2
    for _ in range(2):
        found.read(0, 40, 10, 10, 60)
        assert (found.num_read, found.num_decoded) == (2, 2)


def test_the_cache_keeps_what_was_read_last_within_its_bytes() -> None:
    cache = TileCache(3 * (200 + 100))
    asked = []
    for key in (1, 2, 3, 1, 4, 1, 2):
        cache.get((key,), lambda: asked.append(key) or np.zeros((10, 10, 1), np.uint8))  # noqa: B023
        assert cache.num_bytes <= cache.max_bytes
    assert asked == [1, 2, 3, 4, 2]


def test_memory_stays_within_the_cache_over_ten_thousand_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pyramids, "TILES", TileCache(50_000))
    found = TiledPyramid(Path(), [(1000, 1000)], [(10, 10)], 1, lambda *tile: np.zeros((10, 10, 1), np.uint8))
    for number in range(10_000):
        found.read(0, 10 * (number // 100), 10 * (number % 100), 1, 1)
    assert found.num_read == 10_000
    assert pyramids.TILES.num_bytes <= 50_000


def test_threads_and_forks_read_one_pyramid(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "image.tif", COLOR, photometric="rgb", compression="zlib", tile=(16, 16))
    found = open_pyramid(tmp_path / "image.tif")
    wrong = []

    def read() -> None:
        for y in range(0, 60, 3):
            if not np.array_equal(found.read(0, y, y, 10, 10), COLOR[y : y + 10, y : y + 10]):
                wrong.append(y)

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    if hasattr(os, "fork"):
        with pyramids.TILES._lock:  # held by another thread while the process forks
            child = os.fork()
            if child == 0:
                read()
                os._exit(len(wrong))
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def patched(file: Path, tag: str, value: Any) -> Path:
    """The file with another value of a tag."""
    with tifffile.TiffFile(file, mode="r+b") as tif:
        tif.pages.first.tags[tag].overwrite(value, dtype="I" if isinstance(value, list) else None)
    return file


@pytest.mark.parametrize(
    ("tag", "value", "sentence"),
    [
        ("TileByteCounts", [10**9] + [1536] * 5, r"row 0, column 0: 1,000,000,000 bytes for 32 x 48 pixels"),
        ("TileOffsets", [10**6] * 6, r"row 0, column 0: 0 of [\d,]+ bytes; the file is cut"),
        ("TileOffsets", [1, 2], r"the places of 2 tiles instead of 6"),
        ("ImageWidth", 9000, r"the places of 6 tiles instead of \d+"),
        ("Orientation", 6, r"an image that lies on its side \(orientation 6\)"),
        ("TileWidth", 2**30, r"tiles of 32 x \d+ pixels, too large to decode; `foveate tile` writes smaller ones"),
        ("BitsPerSample", 4, r"pixels of 4 bits"),
        ("PhotometricInterpretation", 5, r"colors of the kind SEPARATED"),
    ],
)
def test_what_lies_is_refused_in_one_sentence(tag: str, value: Any, sentence: str, tmp_path: Path) -> None:
    file = tmp_path / "image.tif"
    upright = (274, 3, 1, 1, True)
    tifffile.imwrite(file, GRAY[..., 0], compression="zlib", extratags=[upright], metadata=None, **TILE)
    with pytest.raises(ValueError, match=rf"^`.*image.tif` should [^\n]*{sentence}[^\n]*$"):
        open_pyramid(patched(file, tag, value)).read(0, 0, 0, 10, 10)


@pytest.mark.parametrize("kind", ["int8", "float32", "uint32"])
def test_numbers_without_a_range_are_refused(kind: str, tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "image.tif", GRAY[..., 0].astype(kind), photometric="minisblack", **TILE)
    with pytest.raises(ValueError, match=f"pixels of the type {kind}; convert them"):
        open_pyramid(tmp_path / "image.tif")


def test_a_directory_that_leads_back_to_itself_ends(tmp_path: Path) -> None:
    file = write_levels(tmp_path / "image.tif", halvings(GRAY)[:3], inside=False)
    with tifffile.TiffFile(file) as tif:
        places = [page.offset for page in tif.pages]
    content = bytearray(file.read_bytes())
    entries = int.from_bytes(content[places[2] : places[2] + 2], "little")
    end = places[2] + 2 + 12 * entries
    content[end : end + 4] = places[1].to_bytes(4, "little")
    file.write_bytes(content)
    assert np.array_equal(open_pyramid(file).read(0, 0, 0, *SIZE), GRAY)


def test_a_file_cut_or_changed_anywhere_gives_pixels_or_one_sentence(tmp_path: Path) -> None:
    file = write_levels(tmp_path / "image.tif", halvings(COLOR)[:2], True, photometric="rgb", compression="zlib")
    content = file.read_bytes()
    rng = np.random.default_rng(0)
    said = []
    for number in range(120):
        broken = bytearray(content)
        if number % 3 == 0:
            del broken[rng.integers(len(content)) :]
        else:
            broken[rng.integers(400 if number % 3 == 1 else len(content))] ^= 1 << rng.integers(8)
        file.write_bytes(broken)
        try:
            found = open_pyramid(file)
            found.read(0, 0, 0, *(min(side, 200) for side in found.shape[:2]))
        except ValueError as error:
            said.append(str(error))
    assert len(said) > 40
    assert not [sentence for sentence in said if "\n" in sentence or "` should " not in sentence]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("no xml", "should describe a Deep Zoom image"),
        ('<Image TileSize="0" Overlap="0" Format="png"><Size Width="9" Height="9"/></Image>', "tiles of at most 8192"),
        ('<Image TileSize="9" Overlap="1" Format="../x"><Size Width="9" Height="9"/></Image>', "format '../x'"),
        ('<Image TileSize="9" Overlap="1" Format="png"></Image>', "Found StopIteration"),
    ],
)
def test_a_deep_zoom_file_that_lies_is_refused(text: str, sentence: str, tmp_path: Path) -> None:
    (tmp_path / "image.dzi").write_text(text)
    with pytest.raises(ValueError, match=sentence):
        open_pyramid(tmp_path / "image.dzi")


def test_a_deep_zoom_tile_that_is_missing_is_black_and_one_of_another_size_is_refused(tmp_path: Path) -> None:
    file = write_deep_zoom(tmp_path / "image.dzi", COLOR, tile=32, overlap=0)
    (tmp_path / "image_files" / "7" / "0_0.png").unlink()
    Image.new("RGB", (5, 5)).save(tmp_path / "image_files" / "7" / "1_0.png")
    found = open_pyramid(file)
    assert not found.read(0, 0, 0, 32, 32).any()
    with pytest.raises(ValueError, match="row 0, column 1: 5 x 5 pixels instead of 32 x 32"):
        found.read(0, 0, 0, 32, 33)


def test_windows_outside_or_too_large_are_refused() -> None:
    found = ArrayPyramid(GRAY)
    for window in ((0, 69, 0, 2, 1), (0, 0, -1, 1, 1), (0, 0, 0, 0, 1)):
        with pytest.raises(ValueError, match="should lie within the 70 x 90 pixels"):
            found.read(*window)
    with pytest.raises(ValueError, match="from 0 to 7"):
        found.read(8, 0, 0, 1, 1)
    large = TiledPyramid(Path(), [(10**5, 10**5)], [(256, 256)], 1, lambda *tile: None)
    with pytest.raises(ValueError, match="the image needs coarser levels"):
        large.read(0, 0, 0, 10**5, 10**5)


def test_a_missing_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="There should be an image"):
        open_pyramid(tmp_path / "image.tif")
