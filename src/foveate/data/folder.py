"""A folder of images, one subfolder per class: looked through first, then decoded into memory or as it is read."""

import math
import os
import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch

from foveate.data.layout import File, list_files
from foveate.data.on_disk import Cache, OnDisk, decode_all
from foveate.data.picture import Decoder, open_picture
from foveate.data.records import Dataset, Images, InMemory
from foveate.data.split import divide

Look = tuple[int, int, bool]  # height, width, whether it has colour


def load_folder(
    folder: Path,
    *,
    validation: float = 1 / 6,
    test: float = 0.2,
    split_seed: int = 0,
    held_out: str = "random",
    resize: str = "refuse",
    image_size: tuple[int, int] = (0, 0),
    colour: str = "auto",
    unreadable: str = "refuse",
    memory: float = 4.0,
) -> Dataset:
    """Return the images of a folder, one subfolder per class, below train/, val/ and test/ where there are such.

    A split without a folder is held out of the training images. `image_size` is (height, width) in pixels, zeros take
    the first image's. `resize` is refuse, pad, crop or stretch; `colour` is auto, grey or rgb; `unreadable` is
    refuse or skip. A set larger than `memory` gibibytes is decoded as it is read, through a cache of that size.

    Raises:
        ValueError: if a subfolder, an image or an option is not what it should be.
        FileNotFoundError: if there is no such folder.
    """
    _check_options(resize, image_size, colour, unreadable, memory)
    files, looks = _look_through(list_files(folder), unreadable)
    shape = _shape(files, looks, resize, image_size, colour)
    classes = tuple(sorted({file.label for file in files}))
    if len(classes) == 1:
        raise ValueError(f"`{folder}` should hold images of at least 2 classes. Found only `{classes[0]}`.")
    label = torch.tensor([classes.index(file.label) for file in files])
    names = {file.split for file in files if file.split}
    own = {name: torch.tensor([i for i, file in enumerate(files) if file.split == name]) for name in names}
    splits = divide(label, classes, own, validation=validation, test=test, seed=split_seed, held_out=held_out)
    cache = Cache(Decoder(shape, resize), int(memory * 2**30))
    held = len(files) * math.prod(shape) <= cache.limit
    paths = [file.path for file in files]
    loaded = {
        name: _images([paths[i] for i in index.tolist()], label[index], cache, held) for name, index in splits.items()
    }
    return Dataset(folder.resolve().name, classes, **loaded)


def _images(paths: list[Path], label: torch.Tensor, cache: Cache, held: bool) -> Images:
    """Return one split, decoded now where it can be held in memory."""
    if held:
        return InMemory(torch.stack(decode_all(cache.decode, paths)), label)
    return OnDisk(tuple(paths), label, cache)


def _look_through(files: list[File], unreadable: str) -> tuple[list[File], list[Look]]:
    """Return the readable files and how they look; every file is decoded once, for only that tells."""
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        looks = list(pool.map(_look_at, [file.path for file in files]))
    broken = [f"`{file.path}` ({look})" for file, look in zip(files, looks, strict=True) if isinstance(look, str)]
    if broken:
        sentence = f"Every file of a class should be a readable image. Found {len(broken)} that {_are(broken)} not: "
        sentence += _first(broken)
        if unreadable == "refuse":
            raise ValueError(f"{sentence}. Remove what is no image, or choose `unreadable = skip`.")
        if len(broken) == len(files):
            raise ValueError(f"{sentence}.")
        warnings.warn(f"{sentence}; skipped.", stacklevel=4)
    good = [(file, look) for file, look in zip(files, looks, strict=True) if not isinstance(look, str)]
    return [file for file, _ in good], [look for _, look in good]


def _look_at(path: Path) -> Look | str:
    """Return how an image looks, or why it cannot be read."""
    try:
        pixels = np.asarray(open_picture(path))
    except ValueError as error:
        return str(error)
    height, width, _ = pixels.shape
    return height, width, bool((pixels != pixels[..., :1]).any())


def _shape(
    files: list[File], looks: list[Look], resize: str, image_size: tuple[int, int], colour: str
) -> tuple[int, int, int]:
    """Return channels, height and width of all images."""
    rgb = colour == "rgb" or (colour == "auto" and any(coloured for *_, coloured in looks))
    height, width = image_size if any(image_size) else looks[0][:2]
    other = [
        f"`{file.path}` ({h} x {w})" for file, (h, w, _) in zip(files, looks, strict=True) if (h, w) != (height, width)
    ]
    if other and resize == "refuse":
        raise ValueError(
            f"Every image should be of {height} x {width} pixels. Found {len(other)} that {_are(other)} not: "
            f"{_first(other)}. Choose `resize = pad`, `crop` or `stretch`, and an `image_size`."
        )
    return (3 if rgb else 1), height, width


def _are(things: Sequence[str]) -> str:
    return "is" if len(things) == 1 else "are"


def _first(things: Sequence[str], count: int = 3) -> str:
    """Return the first few things and how many more there are."""
    more = f" and {len(things) - count} more" if len(things) > count else ""
    return ", ".join(things[:count]) + more


def _check_options(resize: str, image_size: tuple[int, int], colour: str, unreadable: str, memory: float) -> None:
    choices = {
        "resize": (resize, ("refuse", "pad", "crop", "stretch")),
        "colour": (colour, ("auto", "grey", "rgb")),
        "unreadable": (unreadable, ("refuse", "skip")),
    }
    for name, (value, allowed) in choices.items():
        if value not in allowed:
            raise ValueError(f"`{name}` should be one of {', '.join(allowed)}. Found `{name} = {value}`.")
    if min(image_size) < 0 or (0 in image_size and any(image_size)):
        raise ValueError(
            f"`image_size` should be two positive numbers or two zeros. Found `image_size = {image_size}`."
        )
    if not memory > 0:
        raise ValueError(f"`memory` should be more than 0 gibibytes. Found `memory = {memory}`.")
