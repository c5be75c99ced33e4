"""What is in a folder of images: `list_files` reads the classes and the splits from the names of its subfolders."""

import dataclasses
from pathlib import Path

SPLITS = {"train": "train", "val": "validation", "valid": "validation", "validation": "validation", "test": "test"}


@dataclasses.dataclass(frozen=True)
class File:
    """One file of a folder of images: where it is, the class it belongs to, and its split where the folder says so."""

    path: Path
    label: str
    split: str | None


def list_files(folder: Path) -> list[File]:
    """Return the files of a folder in the order of their names: `class/file`, or `train|val|test/class/file`.

    Hidden files, and files beside the subfolders, are no part of it.

    Raises:
        FileNotFoundError: if there is no such folder.
        ValueError: if it has no class, or a subfolder is not what it should be.
    """
    if not folder.is_dir():
        found = "a file" if folder.exists() else "nothing"
        raise FileNotFoundError(
            f"`source` should be a folder with one subfolder per class. Found {found} at `{folder}`."
        )
    names = [path.name for path in _subfolders(folder)]
    if "train" not in names or not set(names) <= set(SPLITS):
        return _list_classes(folder, None)
    splits = [SPLITS[name] for name in names]
    if len(set(splits)) < len(splits):
        raise ValueError(f"`{folder}` should hold one folder per split. Found {', '.join(names)}.")
    return [file for name in names for file in _list_classes(folder / name, SPLITS[name])]


def _list_classes(folder: Path, split: str | None) -> list[File]:
    """Return the files of a folder with one subfolder per class."""
    classes = _subfolders(folder)
    if not classes:
        raise ValueError(f"`{folder}` should hold one subfolder per class. Found no subfolder.")
    return [File(path, folder.name, split) for folder in classes for path in _list_class(folder)]


def _list_class(folder: Path) -> list[Path]:
    """Return the files of one class."""
    paths = _visible(folder)
    inner = next((path for path in paths if path.is_dir()), None)
    if inner:
        raise ValueError(
            f"The folder of a class should hold images. Found the folder `{inner}`; "
            f"above the classes there may be train/, val/ and test/, and nothing beside them."
        )
    if not paths:
        raise ValueError(f"The folder of a class should hold images. Found none in `{folder}`.")
    return paths


def _subfolders(folder: Path) -> list[Path]:
    return [path for path in _visible(folder) if path.is_dir()]


def _visible(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if not path.name.startswith("."))
