"""Folders of images: layout, sizes, colors, unreadable files, in memory and on disk."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from asserts import assert_equal
from foveate.data import InMemory, load
from foveate.data.folder import load_folder
from foveate.data.on_disk import Cache, OnDisk
from foveate.data.picture import Decoder, open_picture


def everything(images) -> torch.Tensor:
    return images.read(torch.arange(len(images)))


def save(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels.astype(np.uint8)).save(path)


def fill(
    folder: Path, classes: str = "ab", count: int = 10, shape: tuple[int, ...] = (4, 6), *, first: int = 0
) -> Path:
    """Write a folder of images whose pixels are 100 * class + number."""
    for k, name in enumerate(classes):
        for i in range(first, first + count):
            save(folder / name / f"{i:02}.png", np.full(shape, 100 * k + i))
    return folder


def test_classes_are_the_sorted_subfolders(tmp_path):
    data = load(str(fill(tmp_path / "pets", "ba")))
    assert (data.name, data.classes) == ("pets", ("a", "b"))
    assert (len(data.train), len(data.validation), len(data.test)) == (13, 3, 4)
    assert data.train.shape == (1, 4, 6)
    for split in (data.train, data.validation, data.test):
        assert_equal(everything(split)[:, 0, 0, 0] < 100, split.label == 1)


@pytest.mark.parametrize("validation", ["val", "Valid", "VALIDATION", "dev", None])
@pytest.mark.parametrize("test", ["test", "Testing", None])
def test_split_folders_are_used(tmp_path, validation, test):
    fill(tmp_path / "train")
    for name, first in ((validation, 20), (test, 30)):
        if name:
            fill(tmp_path / name, count=4, first=first)
    data = load(str(tmp_path), test=0.5, validation=0.5)
    test_count = 8 if test else 10
    rest = 20 if test else 10
    assert len(data.test) == test_count
    assert len(data.validation) == (8 if validation else rest // 2)
    assert len(data.train) == (rest if validation else rest - rest // 2)


def test_hidden_files_and_files_outside_classes_are_ignored(tmp_path):
    fill(tmp_path)
    (tmp_path / ".git").mkdir()
    (tmp_path / "a" / ".DS_Store").write_text("x")
    (tmp_path / "README").write_text("x")
    assert load(str(tmp_path)).classes == ("a", "b")


def test_every_image_is_in_one_split_chosen_by_the_seed(tmp_path):
    fill(tmp_path)
    splits = []
    for seed in (0, 0, 1):
        data = load(str(tmp_path), split_seed=seed)
        splits.append([everything(s)[:, 0, 0, 0].tolist() for s in (data.train, data.validation, data.test)])
        assert sorted(number for split in splits[-1] for number in split) == [
            100 * k + i for k in range(2) for i in range(10)
        ]
    assert splits[0] == splits[1] != splits[2]


def test_held_out_last_takes_the_last_files_of_each_class(tmp_path):
    fill(tmp_path)
    data = load(str(tmp_path), held_out="last", validation=0.25, test=0.2)
    held = [everything(s)[:, 0, 0, 0].tolist() for s in (data.train, data.validation, data.test)]
    assert held == [[*range(6), *range(100, 106)], [6, 7, 106, 107], [8, 9, 108, 109]]


def make_wrong(folder: Path, what: str) -> None:
    """Write an invalid folder."""
    fill(folder)
    if what == "class":
        fill(folder / "c")
    elif what == "empty":
        (folder / "c").mkdir()
    elif what == "split":
        fill(folder / "train")
        fill(folder / "test")
    elif what == "twice":
        for name in ("train", "val", "Valid"):
            fill(folder / "new" / name)
    elif what == "one":
        fill(folder / "new", "a")
    elif what == "only":
        fill(folder / "new/train", "ab")
        fill(folder / "new/test", "abc")
    elif what == "few":
        fill(folder / "new", "ab")
        fill(folder / "new", "c", 1)


@pytest.mark.parametrize(
    ("what", "where", "message"),
    [
        ("missing", "nowhere/at/all", "Found nothing at"),
        ("file", "a/00.png", "Found a file at"),
        ("flat", "a", "Found no subfolder"),
        ("class", "", "Found the folder"),
        ("empty", "", "Found none in"),
        ("split", "", "train/ with val/ and test/ or without them, and no other folders"),
        ("twice", "new", "one folder per split. Found Valid, train, val"),
        ("one", "new", "at least 2 classes. Found only `a`"),
        ("only", "new", "Every class should be in every split. Found no `c` in train"),
        ("few", "new", "Every class should be in every split. Found no `c` in"),
    ],
)
def test_invalid_folders_are_refused(tmp_path, what, where, message):
    make_wrong(tmp_path, what)
    with pytest.raises((ValueError, FileNotFoundError), match=re.escape(message)):
        load(f"{tmp_path}/{where}")


def break_images(folder: Path) -> None:
    (folder / "a" / "text.png").write_text("no image")
    (folder / "a" / "cut.png").write_bytes((folder / "a" / "00.png").read_bytes()[:45])
    (folder / "b" / "empty.jpg").write_bytes(b"")
    (folder / "b" / "gone.png").symlink_to(folder / "nothing")


def test_unreadable_files_are_refused_with_names_and_count(tmp_path):
    break_images(fill(tmp_path))
    with pytest.raises(ValueError, match=r"Found 4 that are not: .*cut\.png.*text\.png.*empty\.jpg.* and 1 more"):
        load(str(tmp_path))


def test_unreadable_files_are_skipped_with_names_and_count(tmp_path):
    good = everything(load(str(fill(tmp_path))).train)
    break_images(tmp_path)
    with pytest.warns(UserWarning, match=r"Found 4 that are not: .*; skipped"):
        data = load(str(tmp_path), unreadable="skip")
    assert_equal(everything(data.train), good)


def test_a_folder_without_a_readable_file_is_refused(tmp_path):
    for name in "ab":
        (tmp_path / name).mkdir()
        (tmp_path / name / "x.png").write_text("x")
    with pytest.raises(ValueError, match="Found 2 that are not"):
        load(str(tmp_path), unreadable="skip")


def test_a_class_without_a_readable_file_is_refused(tmp_path):
    fill(tmp_path, "abc")
    for path in (tmp_path / "b").iterdir():
        path.write_text("x")
    with pytest.raises(ValueError, match=r"Found 10 that are not: .* That leaves no image of `b`: remove the folder"):
        load(str(tmp_path), unreadable="skip")


def test_copies_of_training_images_are_reported(tmp_path):
    fill(tmp_path / "train")
    fill(tmp_path / "val", count=4, first=20)
    fill(tmp_path / "test", count=4, first=7)
    with pytest.warns(UserWarning, match="6 of the 8 test images are copies of training images"):
        load(str(tmp_path))


def test_a_decompression_bomb_is_refused(tmp_path, monkeypatch):
    fill(tmp_path)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    with pytest.raises(ValueError, match=r"Found 20 that are not: .*decompression bomb"):
        load(str(tmp_path))


def test_other_sizes_are_refused_with_names_and_count(tmp_path):
    save(fill(tmp_path) / "b" / "odd.png", np.zeros((4, 7)))
    with pytest.raises(ValueError, match=r"of 4 x 6 pixels. Found 1 that is not: .*odd\.png` \(4 x 7\)"):
        load(str(tmp_path))
    with pytest.raises(ValueError, match=r"of 4 x 7 pixels. Found 20 that are not: .* and 17 more"):
        load(str(tmp_path), image_size=(4, 7))


@pytest.mark.parametrize(
    ("resize", "expected"),
    [
        ("stretch", [[90] * 4] * 4),
        ("pad", [[0] * 4, [90] * 4, [90] * 4, [0] * 4]),
        ("crop", [[90] * 4] * 4),
    ],
)
def test_resize(tmp_path, resize, expected):
    save(tmp_path / "x.png", np.full((4, 8), 90))
    assert Decoder((1, 4, 4), resize)(tmp_path / "x.png")[0].tolist() == expected


def test_crop_cuts_the_middle_and_stretch_does_not(tmp_path):
    save(tmp_path / "x.png", np.repeat([[0, 0, 90, 90, 90, 90, 0, 0]], 4, 0))
    assert (Decoder((1, 4, 4), "crop")(tmp_path / "x.png") == 90).all()
    assert not (Decoder((1, 4, 4), "stretch")(tmp_path / "x.png") == 90).all()


@pytest.mark.parametrize(("color", "channels"), [("auto", 3), ("gray", 1), ("rgb", 3)])
def test_color(tmp_path, color, channels):
    fill(tmp_path, shape=(4, 6, 3))
    assert load(str(tmp_path)).train.shape == (1, 4, 6), "gray pixels in a color file are gray"
    pixels = np.zeros((4, 6, 3))
    pixels[1, 2] = 255, 0, 0
    save(tmp_path / "b" / "red.png", pixels)
    assert load(str(tmp_path), color=color).train.shape == (channels, 4, 6)


GREY = np.arange(20, dtype=np.uint8).reshape(4, 5) * 12
RED = np.array([255, 0, 0])


def write_modes(folder: Path) -> dict[str, tuple[Path, np.ndarray]]:
    """Write one image in many modes, and return each file with its expected RGB pixels."""
    gray, rgb = Image.fromarray(GREY), np.repeat(GREY[..., None], 3, -1)
    clear = Image.fromarray(np.dstack([rgb, np.full_like(GREY, 255)]))
    clear.putpixel((0, 0), (9, 9, 9, 0))
    on_paper = rgb.copy()
    on_paper[0, 0] = 255
    turned = Image.Exif()
    turned[0x0112] = 6  # to be turned right by a quarter
    sixteen = Image.fromarray(GREY.astype(np.uint16) * 257)
    pictures = {
        "gray.png": (gray, rgb, {}),
        "alpha.png": (clear, on_paper, {}),
        "grey_alpha.png": (clear.convert("LA"), on_paper, {}),
        "palette.png": (gray.convert("P"), rgb, {}),
        "palette.gif": (gray.convert("P"), rgb, {}),
        "bits.png": (Image.fromarray(GREY > 99), np.where(rgb > 99, 255, 0), {}),
        "sixteen.png": (sixteen, rgb, {}),
        "sixteen.tiff": (sixteen, rgb, {}),
        "float.tiff": (Image.fromarray(GREY.astype(np.float32) / 255), rgb, {}),
        "cmyk.tiff": (Image.new("CMYK", (5, 4), (0, 255, 255, 0)), np.broadcast_to(RED, (4, 5, 3)), {}),
        "exif.png": (gray, np.rot90(rgb, -1), {"exif": turned}),
        "animated.gif": (gray.convert("P"), rgb, {"save_all": True, "append_images": [Image.new("L", (5, 4), 7)]}),
    }
    for name, (picture, _, options) in pictures.items():
        picture.save(folder / name, **options)
    return {name: (folder / name, expected) for name, (_, expected, _) in pictures.items()}


def test_every_picture_mode_is_read_correctly(tmp_path):
    for name, (path, expected) in write_modes(tmp_path).items():
        np.testing.assert_array_equal(np.asarray(open_picture(path)), expected, err_msg=name)


@pytest.mark.parametrize("wrong", [np.full((2, 2), 1.5, np.float32), np.full((2, 2), 2**20, np.int32)])
def test_pixels_outside_known_ranges_are_refused(tmp_path, wrong):
    Image.fromarray(wrong).save(tmp_path / "x.tiff")
    with pytest.raises(ValueError, match="pixels outside 0 to"):
        open_picture(tmp_path / "x.tiff")


def test_images_on_disk_equal_images_in_memory(tmp_path):
    fill(tmp_path)
    held, read = load(str(tmp_path), cache_gib=480 / 2**30), load(str(tmp_path), cache_gib=479 / 2**30)
    for name in ("train", "validation", "test"):
        in_memory, on_disk = getattr(held, name), getattr(read, name)
        assert isinstance(in_memory, InMemory)
        assert isinstance(on_disk, OnDisk)
        index = torch.randint(len(on_disk), (50,), generator=torch.Generator().manual_seed(0))
        assert_equal(on_disk.read(index), in_memory.read(index))
        assert_equal(on_disk.label, in_memory.label)
    both, as_held = read.train + read.validation, held.train + held.validation
    index = torch.arange(len(both)).flip(0)
    assert len(both) == len(read.train) + len(read.validation)
    assert_equal(both.read(index), as_held.read(index))
    assert_equal(both.label, as_held.label)


def test_the_cache_keeps_recent_images_within_its_limit():
    decoded = []

    class Counting(Decoder):
        def __call__(self, path: Path) -> torch.Tensor:
            decoded.append(path.name)
            return torch.full(self.shape, int(path.name), dtype=torch.uint8)

    cache = Cache(Counting((1, 2, 5)), limit=35)  # room for three
    for batch in ("1", "2", "3", "1", "4", "1", "2", "5555", "123456"):
        images = cache.read([Path(name) for name in batch])
        assert images[:, 0, 0, 0].tolist() == [int(name) for name in batch]
        assert cache.size <= 35
    assert "".join(decoded) == "1234" + "2" + "5" + "346"


def test_a_file_that_disappears_is_named_in_the_error(tmp_path):
    data = load(str(fill(tmp_path)), cache_gib=1 / 2**30)
    for path in (tmp_path / "a").iterdir():
        path.unlink()
    with pytest.raises(ValueError, match=r"`.*/a/.*png` should be a readable image. Found no regular file"):
        everything(data.train)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"resize": "zoom"}, "`resize` should be one of refuse, pad, crop, stretch"),
        ({"color": "blue"}, "`color = blue`"),
        ({"unreadable": "no"}, "`unreadable = no`"),
        ({"image_size": (0, 5)}, "two positive numbers or two zeros"),
        ({"image_size": (-1, 5)}, "two positive numbers or two zeros"),
        ({"cache_gib": 0.0}, "`cache_gib = 0.0`"),
    ],
)
def test_invalid_options_are_refused(tmp_path, options, message):
    with pytest.raises(ValueError, match=message):
        load(str(fill(tmp_path)), **options)


def test_image_size_may_be_one_number(tmp_path):
    assert load(str(fill(tmp_path)), image_size=8, resize="pad").train.shape == (1, 8, 8)


def splits_of(data) -> list[list[int]]:
    return [everything(split)[:, 0, 0, 0].tolist() for split in (data.train, data.validation, data.test)]


@pytest.mark.parametrize("cache_gib", [4.0, 1 / 2**30])
def test_a_record_reproduces_the_split_after_moving_all_files(tmp_path, cache_gib):
    before = load(str(fill(tmp_path / "old")), split_seed=5)
    for path in (tmp_path / "old").rglob("*.png"):
        new = tmp_path / "new" / "train" / path.parent.name / f"{hash(path.name)}.png"
        new.parent.mkdir(parents=True, exist_ok=True)
        path.rename(new)
    after = load(str(tmp_path / "new"), record=before.record, cache_gib=cache_gib)
    assert splits_of(after) == splits_of(before)
    assert (after.record.splits, after.record.source) == (before.record.splits, str(tmp_path / "new"))


def test_files_that_are_not_in_the_record_are_left_out(tmp_path):
    before = load(str(fill(tmp_path)))
    save(tmp_path / "a" / "!first.png", np.zeros((9, 9, 3)))
    save(tmp_path / "a" / "color.png", np.arange(72).reshape(4, 6, 3))
    (tmp_path / "b" / "broken.png").write_text("x")
    with pytest.warns(UserWarning, match=r"3 new \(`a/!first.png`, `a/color.png`, `b/broken.png`\)\. Only images of"):
        after = load(str(tmp_path), record=before.record)
    assert splits_of(after) == splits_of(before)
    assert after.train.shape == before.train.shape


def test_a_record_keeps_the_channels_without_the_color_image(tmp_path):
    save(fill(tmp_path) / "a" / "color.png", np.arange(72).reshape(4, 6, 3))
    before = load(str(tmp_path))
    (tmp_path / "a" / "color.png").unlink()
    with pytest.warns(UserWarning, match=r"1 gone \(`a/color.png`\)"):
        after = load(str(tmp_path), record=before.record)
    assert before.train.shape == after.train.shape == (3, 4, 6)
    assert sum(map(len, splits_of(after))) == 20


def test_a_record_keeps_the_size_without_the_first_image(tmp_path):
    save(fill(tmp_path) / "a" / "!first.png", np.full((5, 9), 77))
    before = load(str(tmp_path), resize="pad", image_size=(5, 9))
    (tmp_path / "a" / "!first.png").unlink()
    with pytest.warns(UserWarning, match="1 gone"):
        after = load(str(tmp_path), resize="pad", record=before.record)
    assert before.train.shape == after.train.shape == (1, 5, 9)


def test_a_named_source_with_other_images_is_refused():
    record = load("digits").record
    assert load("digits", record=record).record == record
    with pytest.raises(
        ValueError, match=r"`digits` should be the images of the run\. Found others in train, validation"
    ):
        load("digits", split_seed=1, record=record)


def test_zeros_read_images_at_the_median_of_their_sizes(tmp_path):
    """No first file decides for all; a picture on its side counts as it is seen, and large ones are reduced."""
    sizes = [(8, 10), (20, 30), (20, 30), (24, 36), (40, 60)]  # height, width
    for label in "ab":
        (tmp_path / label).mkdir()
        for i, (height, width) in enumerate(sizes):
            Image.new("L", (width, height), 10 * i + ord(label)).save(tmp_path / label / f"{i}.png")
    assert load_folder(tmp_path, resize="pad").train.shape == (1, 20, 30)
    with pytest.raises(ValueError, match="Every image should be of 8 x 10 pixels"):
        load_folder(tmp_path)
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    for label in "ab":
        for path in (tmp_path / label).iterdir():
            path.unlink()
        for i in range(5):
            color = 10 * i + ord(label)
            Image.new("L", (1000, 500), color).save(tmp_path / label / f"{i}.jpg", exif=exif)
    assert load_folder(tmp_path, resize="crop").train.shape == (1, 256, 128)


@pytest.mark.parametrize("cache_gib", [4.0, 1e-7])
def test_every_image_knows_its_file(tmp_path, cache_gib):
    fill(tmp_path)
    test = load(str(tmp_path), cache_gib=cache_gib).test
    assert len(set(test.names)) == len(test) > 1
    for i, name in enumerate(test.to("cpu").names):
        with Image.open(name) as picture:
            assert np.array_equal(everything(test)[i, 0].numpy(), np.asarray(picture))
    assert (test + test).names == test.names * 2
