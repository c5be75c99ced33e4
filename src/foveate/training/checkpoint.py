"""last.pt: everything that a run needs to go on; and previous.pt, the one before.

Each is what `torch.load` reads, followed by the SHA-256 of it, so that a damaged one is known for what it is.
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

from foveate.training.files import sync_folder, written_aside

LAST, BEFORE = "last.pt", "previous.pt"
DIGEST = hashlib.sha256().digest_size


def save_checkpoint(folder: Path, state: dict[str, Any]) -> None:
    """Write a checkpoint aside and put it in the place of the last, which stays as the one before."""
    with written_aside(folder / LAST, keep=folder / BEFORE) as file:
        torch.save(state, file)
        file.write(hashlib.sha256(file.getbuffer()).digest())


def load_checkpoint(folder: Path) -> dict[str, Any]:
    """The state in the last checkpoint that is whole; a damaged one gives way to the one before, with a warning.

    Raises:
        FileNotFoundError: if there is none.
        ValueError: if none is whole, or what is whole is no checkpoint.
    """
    last, before = folder / LAST, folder / BEFORE
    if not last.is_file() and not before.is_file():
        raise FileNotFoundError(f"A run to resume should have a checkpoint. Found no `{last}`.")
    content = _whole(last)
    if content is None:
        content = _whole(before)
        if content is None:
            raise ValueError(f"`{last}` should be a whole checkpoint. Found a damaged one, and no whole one before it.")
        if last.exists():
            warnings.warn(f"`{last}` is damaged: the run goes on from the checkpoint before.", stacklevel=2)
        os.replace(before, last)  # else the next checkpoint would put the damaged one in the place of the whole one
        sync_folder(folder)
    try:
        _refuse_bomb(content)
        return torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except Exception as error:  # torch.load raises whatever its parts raise on bytes that are no checkpoint
        raise ValueError(f"`{last}` should be a checkpoint. Found something else ({type(error).__name__}).") from None


def _refuse_bomb(content: bytes) -> None:
    """See that a checkpoint unpacks to no more than its own size: what `torch.save` writes is not compressed."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert sum(part.file_size for part in archive.infolist()) <= len(content)


def _whole(path: Path) -> bytes | None:
    """The content of a checkpoint, or None where there is no whole one."""
    try:
        written = path.read_bytes()
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.EIO):
            raise
        return None
    content, digest = written[:-DIGEST], written[-DIGEST:]
    return content if content and hashlib.sha256(content).digest() == digest else None
