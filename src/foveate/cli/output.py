"""Where a command writes: checked before anything is computed, and never over its own input."""

import mimetypes
import os
from collections.abc import Sequence
from pathlib import Path

STILL = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".svg", ".pdf")
MOVING = (".webp", ".gif")


def is_picture_name(out: Path) -> bool:
    """Whether `--out` names one picture for all images, rather than a folder; a folder may have a dot in its name.

    Raises:
        ValueError: if it names a picture of a format that is not written.
    """
    suffix = out.suffix.lower()
    if out.is_dir() or not suffix:
        return False
    if suffix in (*STILL, *MOVING):
        return True
    kind = mimetypes.guess_type(f"a{suffix}")[0] or ""
    if kind.startswith(("image/", "video/")):
        raise ValueError(f"`--out` should be a folder, or end with {', '.join((*STILL, *MOVING))}. Found `{out}`.")
    return False


def check_writable(out: Path, name: str = "--out") -> None:
    """Refuse a file or folder that cannot be written, without making anything; `name` is its name to the user.

    Raises:
        ValueError: if `out`, or the nearest folder above it that exists, cannot be written.
    """
    place = out if out.exists() else next(path for path in out.absolute().parents if path.exists())
    if place != out and not place.is_dir():
        raise ValueError(f"`{name}` should be in a folder. Found `{place}`, which is a file.")
    if not os.access(place, os.W_OK | (os.X_OK if place.is_dir() else 0)):
        raise ValueError(f"`{name}` should be where one may write. Found `{place}`, which is read-only.")


def picture_paths(names: Sequence[str], folder: Path, inputs: Sequence[Path]) -> list[Path]:
    """One new .png file in a folder for every name: no two alike, and none that replaces a picture of `inputs`.

    Names are compared without their suffix, since an animation may lie next to each picture, and without regard to
    case, as some file systems do.

    Example:
        >>> [path.name for path in picture_paths(["a.jpg", "a.png", "A.gif"], Path("looks"), [])]
        ['a.png', 'a-1.png', 'A-2.png']
    """
    taken = {_key(path) for path in inputs}
    paths = []
    for name in names:
        stem = Path(name).stem
        path = folder / f"{stem}.png"
        number = 0
        while _key(path) in taken:
            number += 1
            path = folder / f"{stem}-{number}.png"
        taken.add(_key(path))
        paths.append(path)
    return paths


def _key(path: Path) -> str:
    """What two paths share that could be the same file but for the suffix."""
    return str(path.resolve().with_suffix("")).casefold()
