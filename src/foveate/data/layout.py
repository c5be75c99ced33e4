"""Classes and splits of a folder of images, read from the names of its subfolders."""

import collections
import dataclasses
import unicodedata
import warnings
from collections.abc import Iterable
from pathlib import Path

SPLITS = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "dev": "validation",
    "test": "test",
    "testing": "test",
}
# Files and folders that systems and programs leave behind; ignored like hidden files.
LITTER = {
    "thumbs.db",
    "ehthumbs.db",
    "desktop.ini",
    "__macosx",
    "@eadir",
    "@recycle",
    "@tmp",
    "recycler",
    "#recycle",
    "#snapshot",
    "icon\r",
    "lost+found",
    "__pycache__",
    "$recycle.bin",
    "system volume information",
}
# Notes and labels next to the images.
SIDECARS = {
    *(".txt", ".xml", ".json", ".jsonl", ".csv", ".tsv", ".md", ".yaml", ".yml", ".toml", ".ini", ".log", ".html"),
    *(".lnk", ".aae", ".xmp", ".npy", ".npz", ".pkl", ".cache"),
    *(
        ".db",
        ".db:encryptable",
        ".identifier",
    ),  # `Thumbs (1).db`, `a.png:Zone.Identifier`
}
# Cyrillic and Greek letters that look like Latin ones.
LOOK_ALIKES = str.maketrans("асеорхуіјѕԁһӏкмтвнԝԛαβνορτυχκι", "aceopxyijsdhlkmtbhwqabvoptuxki")


@dataclasses.dataclass(frozen=True)
class File:
    """One image file: its path, its class, and its split if it is inside a split folder."""

    path: Path
    label: str
    split: str | None


def is_ignored(path: Path) -> bool:
    """Whether a file inside a folder is hidden, litter, or a note next to pictures; `path` is inside the folder."""
    names = [part.lower() for part in path.parts]
    return any(name.startswith(".") or name in LITTER for name in names) or path.suffix.lower() in SIDECARS


def list_files(folder: Path) -> list[File]:
    """Return the files `class/file` or `train|val|test/class/file` of a folder, sorted by name.

    Hidden files, litter, notes next to images, and files outside class folders are ignored.

    Raises:
        FileNotFoundError: if there is no such folder.
        ValueError: if it has no class, or its subfolders are neither classes nor splits.
    """
    if not folder.is_dir():
        found = "a file" if folder.exists() else "nothing"
        raise FileNotFoundError(
            f"`source` should be a folder with one subfolder per class. Found {found} at `{folder}`."
        )
    ignored: set[Path] = set()
    files = []
    for split, subfolder in _split_folders(folder, ignored):
        files += _list_classes(subfolder, split, ignored)
    _say_what_is_ignored(folder, ignored)
    _point_out_alike({file.label for file in files})
    return files


def _split_folders(folder: Path, ignored: set[Path]) -> list[tuple[str | None, Path]]:
    """Return the folders that contain classes, each with its split."""
    subfolders = _subfolders(folder, ignored)
    splits = {path: SPLITS.get(path.name.strip().lower()) for path in subfolders}
    named = [path for path in subfolders if splits[path]]
    holding_classes = [path for path in named if _subfolders(path, set())]
    if "train" not in splits.values() or len(named) < len(subfolders):
        if holding_classes:
            raise ValueError(_wrong_splits(folder, subfolders))
        return [(None, folder)]
    if len(set(splits.values())) < len(splits):
        names = ", ".join(path.name for path in subfolders)
        raise ValueError(f"`{folder}` should hold one folder per split. Found {names}.")
    return [(splits[path], path) for path in subfolders]


def _wrong_splits(folder: Path, subfolders: list[Path]) -> str:
    """Return the error message for split folders without train/ or next to other folders."""
    names = ", ".join(f"`{path.name}`" for path in subfolders)
    return (
        f"`{folder}` should hold either one subfolder per class, or train/ with val/ and test/ or without them, and no "
        f"other folders. Found {names}."
    )


def _list_classes(folder: Path, split: str | None, ignored: set[Path]) -> list[File]:
    """Return the files of all classes in a folder."""
    classes = _subfolders(folder, ignored)
    if not classes:
        raise ValueError(f"`{folder}` should hold one subfolder per class. Found no subfolder.")
    files = []
    for subfolder in classes:
        files += [File(path, subfolder.name, split) for path in _list_class(subfolder, ignored)]
    return files


def _list_class(folder: Path, ignored: set[Path]) -> list[Path]:
    """Return the files of one class."""
    paths = _visible(folder, ignored)
    inner = next((path for path in paths if path.is_dir()), None)
    if inner:
        raise ValueError(
            f"The folder of a class should hold images. Found the folder `{inner}`; "
            f"class folders can only be inside train/, val/ and test/."
        )
    images = [path for path in paths if path.suffix.lower() not in SIDECARS]
    ignored.update(path for path in paths if path.suffix.lower() in SIDECARS)
    if not images:
        raise ValueError(f"The folder of a class should hold images. Found none in `{folder}`.")
    return images


def _subfolders(folder: Path, ignored: set[Path]) -> list[Path]:
    """Return the subfolders that are neither hidden nor litter."""
    return [path for path in _visible(folder, ignored) if path.is_dir()]


def _visible(folder: Path, ignored: set[Path]) -> list[Path]:
    """Return the content of a folder without hidden files and litter, in the same order on every system."""
    paths = [path for path in folder.iterdir() if not path.name.startswith(".")]
    litter = {path for path in paths if path.name.lower() in LITTER}
    ignored.update(litter)
    return sorted(set(paths) - litter, key=_sort_key)


def _sort_key(path: Path) -> tuple[str, str]:
    """Return the sort key of a name: the code points of its composed form, independent of the system."""
    return unicodedata.normalize("NFC", path.name), path.name


def _say_what_is_ignored(folder: Path, ignored: set[Path]) -> None:
    """Warn once of everything that was ignored, with counts."""
    if not ignored:
        return
    kinds: collections.Counter[str] = collections.Counter()
    for path in ignored:
        kinds[path.name if path.name.lower() in LITTER else f"*{path.suffix.lower()}"] += 1
    named = ", ".join(f"{count} x `{kind}`" for kind, count in sorted(kinds.items()))
    warnings.warn(f"`{folder}` holds files that are not images and are ignored: {named}.", stacklevel=5)


def _point_out_alike(classes: Iterable[str]) -> None:
    """Warn of class names that look the same."""
    alike: dict[str, list[str]] = collections.defaultdict(list)
    for name in sorted(classes):
        alike[_appearance(name)].append(name)
    groups = [" and ".join(map(ascii, names)) for names in alike.values() if len(names) > 1]
    if groups:
        warnings.warn(
            f"Classes differ only in upper and lower case, spaces, invisible characters, letters that look alike, or "
            f"the Unicode form of their names: {'; '.join(groups)}. Rename a folder if they are one class.",
            stacklevel=4,
        )


def _appearance(name: str) -> str:
    """Return what classes have in common whose names look the same."""
    name = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
    name = name.translate(LOOK_ALIKES)
    visible = "".join(letter for letter in name if unicodedata.category(letter) != "Cf")  # as zero-width spaces
    return " ".join(visible.split())
