"""Download of MNIST from one of several mirrors; a file is put in place only after its checksum was verified."""

import hashlib
import os
import tempfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from foveate.data.home import expand_home
from foveate.data.idx import MAX_BYTES, open_plain

MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)
# Checksums of the decompressed content: the mirrors compress the same files differently.
CONTENT_MD5 = {
    "train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
    "train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
    "t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
    "t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
}
Fetch = Callable[[str, Path], None]


def download(folder: Path | None = None, fetch: Fetch | None = None, content_md5: dict[str, str] = CONTENT_MD5) -> Path:
    """Download the files of MNIST that are missing in a folder (by default the user's cache) and return the folder.

    Raises:
        FileNotFoundError: if no mirror delivers an intact copy of a missing file.
    """
    folder = folder or _cache()
    for name, md5 in content_md5.items():
        if not (folder / f"{name}.gz").is_file():
            folder.mkdir(parents=True, exist_ok=True)
            _download_file(folder / f"{name}.gz", md5, fetch or _fetch)
    return folder


def remove_damaged(folder: Path, content_md5: dict[str, str] = CONTENT_MD5) -> list[str]:
    """Delete the downloaded files that do not match their checksum, and return their names."""
    removed = []
    for name, md5 in content_md5.items():
        path = folder / f"{name}.gz"
        try:
            whole = _content_md5(path) == md5
        except (OSError, EOFError, zlib.error):
            whole = False
        if not whole:
            path.unlink(missing_ok=True)
            removed.append(path.name)
    return removed


def _cache() -> Path:
    """Return the folder for MNIST in the user's cache."""
    try:
        return expand_home(_pooch().os_cache("foveate")) / "mnist"
    except (RuntimeError, ValueError):  # by the version of platformdirs
        raise ValueError(
            "A download should find the user's home folder. Found none: set `HOME`, or `FOVEATE_DATA` to a folder "
            "that holds mnist/."
        ) from None


def _download_file(path: Path, md5: str, fetch: Fetch) -> None:
    """Download one file from the first mirror that delivers an intact copy."""
    reasons = []
    for mirror in MIRRORS:
        handle, name = tempfile.mkstemp(suffix=".gz", prefix=f".{path.stem}-", dir=path.parent)
        os.close(handle)
        partial = Path(name)
        try:
            fetch(mirror + path.name, partial)
            if _content_md5(partial) == md5:
                os.replace(partial, path)  # atomic: no process ever sees half a file
                return
            reasons.append("other content")
        except (OSError, EOFError, zlib.error) as error:  # requests' errors are OSErrors
            reasons.append(type(error).__name__)
        finally:
            partial.unlink(missing_ok=True)
    raise _unreachable(path.name, reasons)


def _unreachable(name: str, reasons: list[str]) -> FileNotFoundError:
    """Return the error for a file that no mirror delivers."""
    return FileNotFoundError(
        f"MNIST should be on this machine or at one of its {len(MIRRORS)} mirrors. Found no `{name}` "
        f"({', '.join(reasons)}); set FOVEATE_DATA to a folder that holds mnist/ with the four idx files."
    )


def _content_md5(path: Path) -> str:
    """Return the MD5 of the decompressed content, up to its first gibibyte."""
    digest = hashlib.md5(usedforsecurity=False)
    size = 0
    with open_plain(path) as file:
        while size < MAX_BYTES and (chunk := file.read(2**20)):
            digest.update(chunk)
            size += len(chunk)
    return digest.hexdigest()


def _fetch(url: str, path: Path) -> None:
    """Download `url` to `path` and show progress."""
    from foveate.data.progress import ProgressLine

    bar = ProgressLine(url.rsplit("/", 1)[-1])
    _pooch().HTTPDownloader(progressbar=bar, timeout=30)(url, str(path), None)


def _pooch() -> Any:
    """Return the pooch library.

    Raises:
        FileNotFoundError: if it is not installed.
    """
    try:
        import pooch
    except ImportError:
        raise FileNotFoundError(
            "Downloading MNIST needs the package `pooch`. Found none; install it, or set FOVEATE_DATA to a folder "
            "that holds mnist/ with the four idx files."
        ) from None
    return pooch
