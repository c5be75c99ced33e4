"""A power cut: all that a disk may hold when it fails between two system calls, worked out from what was called."""

import os
from collections.abc import Iterator
from pathlib import Path

SURVIVALS = ("lost", "torn", "kept")


class Platter:
    """What is surely on a disk, and what may be.

    The content of a file is sure once the file is synced, its name once the folder is. What was written since may be
    lost, torn in the middle or kept; of the names that were changed since, any number of the first may be.
    """

    def __init__(self) -> None:
        self.sure: dict[str, int] = {}
        self.pending: list[tuple[str, str, str | int]] = []
        self.written: list[bytes] = []
        self.synced: list[bytes] = []

    def follow(self, call: tuple) -> None:
        """Take in one call of a `Disk`'s log."""
        name, path, *rest = call
        if name == "open" and rest[0] & os.O_CREAT:
            if path not in self.names():
                self.pending.append(("create", path, len(self.written)))
                self.written.append(b"")
                self.synced.append(b"")
            if rest[0] & os.O_TRUNC:
                self.written[self.names()[path]] = b""
        elif name == "write":
            self.written[self.names()[path]] += rest[0]
        elif name == "fsync" and path in self.names():
            number = self.names()[path]
            self.synced[number] = self.written[number]
        elif name == "fsync":  # a folder
            inside = [change for change in self.pending if os.path.dirname(change[1]) == path]
            self.sure = self.names(inside)
            self.pending = [change for change in self.pending if change not in inside]
        elif name in ("replace", "unlink"):
            self.pending.append((name, path, rest[0] if rest else ""))

    def names(self, changes: list[tuple[str, str, str | int]] | None = None) -> dict[str, int]:
        """The files by name, after these of the changes that may be lost (all, if none are given)."""
        names = dict(self.sure)
        for kind, path, other in self.pending if changes is None else changes:
            if kind == "create":
                names[path] = int(other)
            elif kind == "replace":
                names[str(other)] = names.pop(path)
            else:
                names.pop(path, None)
        return names

    def states(self) -> Iterator[dict[str, bytes]]:
        """Everything that the disk may hold when the power comes back: content by path, each once."""
        seen = []
        for count in range(len(self.pending) + 1):
            for survival in SURVIVALS:
                names = self.names(self.pending[:count])
                state = {path: self._content(number, survival) for path, number in names.items()}
                if state not in seen:
                    seen.append(state)
                    yield state

    def _content(self, number: int, survival: str) -> bytes:
        written, synced = self.written[number], self.synced[number]
        if survival == "lost":
            return synced
        sure = len(synced) if written.startswith(synced) else 0
        return written if survival == "kept" else written[: (sure + len(written)) // 2]


def lay(state: dict[str, bytes], source: Path, folder: Path) -> None:
    """Make the files of a state in another folder."""
    for path, content in state.items():
        target = folder / Path(path).relative_to(source)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
