"""The download of MNIST: every mirror in turn, the content checked, the file in place only when it is whole."""

import hashlib
import os
import tempfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from foveate.data.idx import LIMIT, open_plain

MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)
# Of the decompressed content: the mirrors have compressed the same files in different ways.
CONTENT_MD5 = {
    "train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
    "train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
    "t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
    "t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
}
Fetch = Callable[[str, Path], None]


def download(folder: Path | None = None, fetch: Fetch | None = None, content_md5: dict[str, str] = CONTENT_MD5) -> Path:
    """Return the folder (the user's cache) that holds the files of MNIST, after downloading those that are missing.

    Raises:
        FileNotFoundError: if a file is missing and no mirror delivers it whole.
    """
    folder = folder or _cache()
    for name, md5 in content_md5.items():
        if not (folder / f"{name}.gz").is_file():
            folder.mkdir(parents=True, exist_ok=True)
            _download_file(folder / f"{name}.gz", md5, fetch or _fetch)
    return folder


def _cache() -> Path:
    """Return the folder of MNIST in the user's cache."""
    return Path(_pooch().os_cache("foveate")) / "mnist"


def _download_file(path: Path, md5: str, fetch: Fetch) -> None:
    """Download one file from the first mirror that delivers its content whole."""
    reasons = []
    for mirror in MIRRORS:
        handle, name = tempfile.mkstemp(suffix=".gz", prefix=f".{path.stem}-", dir=path.parent)
        os.close(handle)
        aside = Path(name)
        try:
            fetch(mirror + path.name, aside)
            if _content_md5(aside) == md5:
                os.replace(aside, path)  # atomic: nobody ever sees half a file
                return
            reasons.append("a file of other content")
        except (OSError, EOFError, zlib.error) as error:  # requests' errors are OSErrors
            reasons.append(type(error).__name__)
        finally:
            aside.unlink(missing_ok=True)
    raise _unreachable(path.name, reasons)


def _unreachable(name: str, reasons: list[str]) -> FileNotFoundError:
    """Say that no mirror delivers a file, and what to do."""
    return FileNotFoundError(
        f"MNIST should be on this machine or at one of its {len(MIRRORS)} mirrors. Found no `{name}` "
        f"({', '.join(reasons)}); set FOVEATE_DATA to a folder that holds mnist/ with the four idx files."
    )


def _content_md5(path: Path) -> str:
    """Return the MD5 of the decompressed content, or of its first gibibyte."""
    digest, size = hashlib.md5(usedforsecurity=False), 0
    with open_plain(path) as file:
        while size < LIMIT and (chunk := file.read(2**20)):
            digest.update(chunk)
            size += len(chunk)
    return digest.hexdigest()


def _fetch(url: str, path: Path) -> None:
    """Download `url` into `path` with a line of progress."""
    from foveate.data.progress import ProgressLine

    bar = ProgressLine(url.rsplit("/", 1)[-1])
    _pooch().HTTPDownloader(progressbar=bar, timeout=30)(url, str(path), None)


def _pooch() -> Any:
    """Return the pooch library, or say what to do without it."""
    try:
        import pooch
    except ImportError:
        raise FileNotFoundError(
            "Downloading MNIST needs the package `pooch`. Found none; install it, or set FOVEATE_DATA to a folder "
            "that holds mnist/ with the four idx files."
        ) from None
    return pooch
