"""Data sets from folders of images with one subfolder per class."""

import dataclasses
import math
import warnings
from pathlib import Path

import torch
from torch import Tensor

from foveate.data.budget import map_in_threads
from foveate.data.decode import Decoded, are, decode_files, survey_size
from foveate.data.layout import File, list_files
from foveate.data.on_disk import Cache, OnDisk
from foveate.data.picture import Decoder
from foveate.data.records import Dataset, Images, InMemory
from foveate.data.split import split_indices
from foveate.data.split_record import SPLITS, Found, SplitRecord, file_digest, first_few, match_classes, match_files


def load_folder(
    folder: Path,
    *,
    validation: float = 1 / 6,
    test: float = 0.2,
    split_seed: int = 0,
    held_out: str = "random",
    resize: str = "refuse",
    image_size: tuple[int, int] = (0, 0),
    color: str = "auto",
    unreadable: str = "refuse",
    cache_gib: float = 4.0,
    record: SplitRecord | None = None,
) -> Dataset:
    """Return the images of a folder with one subfolder per class, optionally inside train/, val/ and test/.

    A split without a folder of its own is held out of the training images. `image_size` is (height, width) in
    pixels; zeros take the one size of all, or the median of the sizes with another `resize` than refuse. `resize`
    is refuse, pad, crop or stretch; `color` is auto, gray or rgb; `unreadable` is refuse or skip. A set larger than
    `cache_gib` gibibytes is decoded when it is read, with a cache of that size.

    With the `record` of an earlier split, images are assigned to splits by their content. New and changed images are
    left out, and a warning counts all differences.

    Raises:
        ValueError: if a subfolder, an image or an option is invalid, or the classes differ from the record.
        FileNotFoundError: if there is no such folder.
    """
    _check_options(resize, image_size, color, unreadable, cache_gib)
    files = list_files(folder)
    options = {"resize": resize, "unreadable": unreadable, "limit": int(cache_gib * 2**30)}
    if record:
        label_of = match_classes(record, {file.label for file in files})
        files = _recorded_files(folder, files, record)
        channels, *size = record.shape
        decoded = decode_files(files, (size[0], size[1]), color="rgb" if channels == 3 else "gray", **options)
        label = torch.tensor([label_of[one.file.label] for one in decoded], dtype=torch.int64)
        splits = _own_splits(decoded)
        record = dataclasses.replace(record, source=str(folder.resolve()))
    else:
        size = image_size if any(image_size) else survey_size(files, resize)
        decoded = decode_files(files, size, color=color, **options)
        classes = tuple(sorted({file.label for file in files}))
        if len(classes) == 1:
            raise ValueError(f"`{folder}` should hold images of at least 2 classes. Found only `{classes[0]}`.")
        label = torch.tensor([classes.index(one.file.label) for one in decoded])
        own = {name: index for name, index in _own_splits(decoded).items() if len(index)}
        splits = split_indices(
            label, classes, own, validation=validation, test=test, seed=split_seed, held_out=held_out
        )
        shape = (3 if any(one.has_color for one in decoded) else 1, *size)
        record = _make_record(folder, classes, shape, decoded, splits)
    cache = Cache(Decoder(record.shape, resize), options["limit"])
    images = {name: _images(index.tolist(), decoded, label[index], cache) for name, index in splits.items()}
    name = folder.resolve().name
    return Dataset(name, record.classes, images["train"], images["validation"], images["test"], record)


def _recorded_files(folder: Path, files: list[File], record: SplitRecord) -> list[File]:
    """Return the files of a record in its order, with their splits, and warn of differences."""
    digests = map_in_threads(_digest, files)
    found = [Found(_name(folder, file), digest) for file, digest in zip(files, digests, strict=True)]
    match = match_files(record, found)
    if match.differences:
        warnings.warn(
            f"`{folder}` has changed since the run was split: {match.differences}. Only images of the run are used.",
            stacklevel=4,
        )
    recorded = []
    for split, index in match.splits.items():
        recorded += [dataclasses.replace(files[i], split=split) for i in index]
    return recorded


def _digest(file: File) -> str:
    """Return the digest of a file, or nothing if it is unreadable."""
    try:
        return file_digest(file.path) if file.path.is_file() else ""
    except OSError:
        return ""


def _name(folder: Path, file: File) -> str:
    """Return the path of a file inside the folder, with forward slashes."""
    return file.path.relative_to(folder).as_posix()


def _own_splits(decoded: list[Decoded]) -> dict[str, Tensor]:
    """Return the indices of the files in each split folder."""
    splits = {}
    for name in SPLITS:
        index = [i for i, one in enumerate(decoded) if one.file.split == name]
        splits[name] = torch.tensor(index, dtype=torch.int64)
    return splits


def _make_record(
    folder: Path,
    classes: tuple[str, ...],
    shape: tuple[int, int, int],
    decoded: list[Decoded],
    splits: dict[str, Tensor],
) -> SplitRecord:
    """Return the record of a new split, and warn of held-out images that are copies of training images."""
    names = [_name(folder, one.file) for one in decoded]
    digests = map_in_threads(_digest, [one.file for one in decoded])
    entries = {}
    for split, index in splits.items():
        entries[split] = {names[i]: digests[i] for i in index.tolist()}
    trained_on = set(entries["train"].values())
    for split in ("validation", "test"):
        copies = [f"`{name}`" for name, digest in entries[split].items() if digest in trained_on]
        if copies:
            warnings.warn(
                f"{len(copies)} of the {len(entries[split])} {split} images {are(copies)} copies of training images, "
                f"so that the {split} error may be too low: {first_few(copies)}.",
                stacklevel=4,
            )
    return SplitRecord(str(folder.resolve()), classes, shape, entries)


def _images(index: list[int], decoded: list[Decoded], label: Tensor, cache: Cache) -> Images:
    """Return one split, in memory if the whole set fits."""
    shape = cache.decode.shape
    if len(decoded) * math.prod(shape) > cache.limit:
        for i in index:
            cache.add(decoded[i].file.path, decoded[i].pixels)
        return OnDisk(tuple(decoded[i].file.path for i in index), label, cache)
    images = torch.empty((len(index), *shape), dtype=torch.uint8)
    for row, i in enumerate(index):
        pixels = decoded[i].pixels
        images[row] = (
            cache.decode(decoded[i].file.path) if pixels is None else pixels
        )  # one gray channel fills all three
        decoded[i].pixels = None
    return InMemory(images, label, tuple(str(decoded[i].file.path) for i in index))


def _check_options(resize: str, image_size: tuple[int, int], color: str, unreadable: str, cache_gib: float) -> None:
    choices = {
        "resize": (resize, ("refuse", "pad", "crop", "stretch")),
        "color": (color, ("auto", "gray", "rgb")),
        "unreadable": (unreadable, ("refuse", "skip")),
    }
    for name, (value, allowed) in choices.items():
        if value not in allowed:
            raise ValueError(f"`{name}` should be one of {', '.join(allowed)}. Found `{name} = {value}`.")
    if min(image_size) < 0 or (0 in image_size and any(image_size)):
        raise ValueError(
            f"`image_size` should be two positive numbers or two zeros. Found `image_size = {image_size}`."
        )
    if not cache_gib > 0:
        raise ValueError(f"`cache_gib` should be more than 0 gibibytes. Found `cache_gib = {cache_gib}`.")
