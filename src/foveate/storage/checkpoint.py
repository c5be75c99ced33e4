"""Checkpoints of a run: last.pt with all that resuming needs, and previous.pt, the one before.

Each is a file for `torch.load` followed by its SHA-256, so that a damaged one is detected.
"""

import errno
import hashlib
import io
import os
import warnings
import zipfile
from pathlib import Path
from typing import Any

import torch

from foveate.storage.files import atomic_write, sync_folder

LAST = "last.pt"
BEFORE = "previous.pt"
DIGEST = hashlib.sha256().digest_size


def save_checkpoint(folder: Path, state: dict[str, Any]) -> None:
    """Write a checkpoint atomically as last.pt, and keep the one before as previous.pt."""
    with atomic_write(folder / LAST, keep=folder / BEFORE) as file:
        torch.save(state, file)
        file.write(hashlib.sha256(file.getbuffer()).digest())


def load_checkpoint(folder: Path) -> dict[str, Any]:
    """The state in the last undamaged checkpoint; warns if that is the one before the last.

    Raises:
        FileNotFoundError: if there is none.
        ValueError: if all are damaged, or the undamaged file is not a checkpoint.
    """
    last = folder / LAST
    before = folder / BEFORE
    if not last.is_file() and not before.is_file():
        raise FileNotFoundError(f"A run to resume should have a checkpoint. Found no `{last}`.")
    content = _whole(last)
    if content is None:
        content = _whole(before)
        if content is None:
            raise ValueError(f"`{last}` should be a whole checkpoint. Found a damaged one, and no whole one before it.")
        if last.exists():
            warnings.warn(f"`{last}` is damaged: the run goes on from the checkpoint before.", stacklevel=2)
        os.replace(before, last)  # else the next save would replace the undamaged one by the damaged one
        sync_folder(folder)
    try:
        _refuse_bomb(content)
        return torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except Exception as error:  # torch.load raises errors of many types on other bytes
        raise ValueError(f"`{last}` should be a checkpoint. Found something else ({type(error).__name__}).") from None


def _refuse_bomb(content: bytes) -> None:
    """Raise an error if a checkpoint unpacks to more than its own size: `torch.save` does not compress."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        size = sum(part.file_size for part in archive.infolist())
    if size > len(content):
        raise ValueError("a checkpoint that unpacks to more than its own size")


def _whole(path: Path) -> bytes | None:
    """The content of a checkpoint, or None if it is missing or damaged."""
    try:
        written = path.read_bytes()
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.EIO):
            raise
        return None
    content = written[:-DIGEST]
    digest = written[-DIGEST:]
    return content if content and hashlib.sha256(content).digest() == digest else None
