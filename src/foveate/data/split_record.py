"""Record of a split: the split of each image, identified by its content."""

import collections
import dataclasses
import hashlib
import json
import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

from torch import Tensor

SPLITS = ("train", "validation", "test")
CHUNK = 2**20  # bytes read at a time
DIGITS = 32  # hexadecimal digits of SHA-256 that are kept


@dataclasses.dataclass(frozen=True)
class SplitRecord:
    """The split of a data set.

    Example:
        >>> splits = {"train": {"cat/1.png": "e3b0"}, "validation": {}, "test": {"dog/1.png": "a665"}}
        >>> record = SplitRecord("/photos", ("cat", "dog"), (3, 32, 32), splits)
        >>> parse_record(record.to_json()) == record
        True
    """

    source: str
    """Name of the source, or absolute path of its folder."""
    classes: tuple[str, ...]
    shape: tuple[int, int, int]
    """Channels, height and width of the images."""
    splits: Mapping[str, Mapping[str, str]]
    """Digest of each file by its path inside the folder, for each split; a named source has one digest per split."""

    def to_json(self) -> str:
        """Return the record as JSON, one file a line."""
        return json.dumps(dataclasses.asdict(self), indent=0) + "\n"


def parse_record(text: str, name: str = "record") -> SplitRecord:
    """Return the record that `to_json` wrote; errors call it `name`.

    Raises:
        ValueError: if the text is not a record.
    """
    try:
        return _checked(**json.loads(text))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise ValueError(
            f"`{name}` should hold the source, classes, shape and splits of a run. Found something else."
        ) from None


def _checked(source: str, classes: list[str], shape: list[int], splits: dict[str, dict[str, str]]) -> SplitRecord:
    """Return a record after checking the type of every value."""
    texts = [source, *classes]
    for name in SPLITS:
        texts += splits[name].values()
    channels, height, width = shape
    numbers = (channels, height, width)
    if not all(isinstance(text, str) for text in texts) or not all(type(n) is int and n > 0 for n in numbers):
        raise TypeError
    return SplitRecord(source, tuple(classes), numbers, splits)


@dataclasses.dataclass(frozen=True)
class Found:
    """One file in a folder."""

    path: str
    """Path inside the folder, with forward slashes."""
    digest: str


@dataclasses.dataclass(frozen=True)
class Match:
    """Comparison of the files in a folder with a record."""

    splits: dict[str, list[int]]
    """Indices of the files of each split, in the order of the record."""
    new: list[str]
    gone: list[str]
    changed: list[str]
    relabeled: list[str]

    @property
    def differences(self) -> str:
        """All differences with their counts; empty if there are none."""
        counts = {"new": self.new, "gone": self.gone, "changed": self.changed, "in another class": self.relabeled}
        clauses = []
        for what, paths in counts.items():
            if paths:
                clauses.append(f"{len(paths)} {what} ({first_few([f'`{path}`' for path in paths])})")
        return ", ".join(clauses)


def match_files(record: SplitRecord, found: Sequence[Found]) -> Match:
    """Find the files of a record by their content.

    If an image has fewer copies than before, they are assigned to the training split first, so that an image that was
    trained on never becomes a test image.
    """
    by_digest: dict[str, list[int]] = collections.defaultdict(list)
    for index, file in enumerate(found):
        by_digest[file.digest].append(index)
    paths = {file.path for file in found}
    splits: dict[str, list[int]] = {name: [] for name in SPLITS}
    gone = []
    changed = []
    relabeled = []
    claimed = set()
    for name in SPLITS:
        for path, digest in record.splits.get(name, {}).items():
            copies = by_digest[digest]
            if copies:
                index = next((i for i in copies if found[i].path == path), copies[0])
                copies.remove(index)
                claimed.add(index)
                splits[name].append(index)
                if composed(PurePosixPath(found[index].path).parent.name) != composed(PurePosixPath(path).parent.name):
                    relabeled.append(found[index].path)
            elif path in paths:
                changed.append(path)
            else:
                gone.append(path)
    left_over = [file.path for index, file in enumerate(found) if index not in claimed]
    new = sorted(set(left_over) - set(changed))
    return Match(splits, new, gone, changed, relabeled)


def match_classes(record: SplitRecord, labels: set[str]) -> dict[str, int]:
    """Return the index of each label in the classes of a record.

    Raises:
        ValueError: if classes were added or removed.
    """
    number = {composed(name): k for k, name in enumerate(record.classes)}
    number.update({name: k for k, name in enumerate(record.classes)})
    matched = {}
    changes = []
    for label in sorted(labels):
        k = number.get(label, number.get(composed(label)))
        if k is None:
            changes.append(f"`{label}` added")
        else:
            matched[label] = k
    changes += [f"`{name}` missing" for k, name in enumerate(record.classes) if k not in matched.values()]
    if changes:
        raise ValueError(f"The classes should be the {len(record.classes)} of the run. Found {first_few(changes)}.")
    return matched


def composed(name: str) -> str:
    """Return a name in composed Unicode form, which is the same on every system."""
    return unicodedata.normalize("NFC", name)


def file_digest(path: Path) -> str:
    """Return the digest of a file's content."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()[:DIGITS]


def tensor_digest(*tensors: Tensor) -> str:
    """Return the digest of the values, shapes and types of tensors."""
    digest = hashlib.sha256()
    for tensor in tensors:
        digest.update(str((tensor.dtype, tuple(tensor.shape))).encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().data)
    return digest.hexdigest()[:DIGITS]


def first_few(things: Sequence[str], count: int = 3) -> str:
    """Return the first few things and the number of others."""
    more = f" and {len(things) - count} more" if len(things) > count else ""
    return ", ".join(things[:count]) + more
