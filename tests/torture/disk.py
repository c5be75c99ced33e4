"""A disk that fails: any system call on a folder can be the last, be refused, or be done by half."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

CALLS = ("open", "write", "fsync", "close", "replace", "unlink", "mkdir", "rmdir", "ftruncate")
Fault = Callable[["Disk", str, tuple], tuple]


class Killed(BaseException):
    """The process is gone: neither this call nor any after it is made, whatever the program would clean up."""


class Disk:
    """Within the block, every call in `os` that concerns the folder is counted, written down, and open to a fault.

    A fault sees each call before it is made: it raises, or returns the arguments to make it with.
    """

    def __init__(self, folder: Path, fault: Fault | None = None) -> None:
        self.folder, self.fault = os.fspath(folder), fault
        self.calls: list[str] = []
        self.log: list[tuple] = []
        self._files: dict[int, str] = {}
        self._real = {name: getattr(os, name) for name in CALLS}

    def __enter__(self) -> "Disk":
        for name in CALLS:
            setattr(os, name, self._instead_of(name))
        return self

    def __exit__(self, *error: object) -> None:
        for name, call in self._real.items():
            setattr(os, name, call)
        # Those of a process that is gone: the system forgets their files and locks. The numbers stay taken, since what
        # the "dead" process left behind closes them whenever it is collected, and must not hit another's file.
        nothing = os.open(os.devnull, os.O_RDWR)
        for descriptor in self._files:
            os.dup2(nothing, descriptor)
        os.close(nothing)

    @property
    def count(self) -> int:
        """Calls so far, this one included; those that fail by themselves count too."""
        return len(self.calls)

    def mark(self, what: object) -> None:
        """Write down that the program has come so far."""
        self.log.append(("mark", what))

    def _instead_of(self, name: str) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            if not self._concerns(arguments[0], named):
                return self._real[name](*arguments, **named)
            self.calls.append(name)
            if self.fault:
                arguments = self.fault(self, name, arguments)
            result = self._real[name](*arguments, **named)
            if "dir_fd" not in named:
                self._write_down(name, arguments, result)
            return result

        return call

    def _concerns(self, target: object, named: dict[str, Any]) -> bool:
        if isinstance(target, int):
            return target in self._files
        path = os.fspath(target)  # pyright: ignore[reportArgumentType, reportCallIssue]
        return named.get("dir_fd") in self._files or (isinstance(path, str) and path.startswith(self.folder))

    def _write_down(self, name: str, arguments: tuple, result: Any) -> None:
        first = self._files.get(arguments[0]) if isinstance(arguments[0], int) else os.fspath(arguments[0])
        if name == "open":
            self._files[result] = first or ""
            self.log.append((name, first, arguments[1]))
        elif name == "write":
            self.log.append((name, first, bytes(arguments[1])[:result]))
        elif name == "replace":
            self.log.append((name, first, os.fspath(arguments[1])))
        else:
            self.log.append((name, first))
        if name == "close":
            del self._files[arguments[0]]


def kill(at: int) -> Fault:
    """The process dies before call number `at`."""

    def fault(disk: Disk, name: str, arguments: tuple) -> tuple:
        if disk.count >= at:
            raise Killed
        return arguments

    return fault


def tear(at: int) -> Fault:
    """The process dies within call number `at`, if that is a write: half of it is done."""

    def fault(disk: Disk, name: str, arguments: tuple) -> tuple:
        if disk.count == at and name == "write":
            disk._real["write"](arguments[0], bytes(arguments[1])[: len(arguments[1]) // 2])
        if disk.count >= at:
            raise Killed
        return arguments

    return fault


def refuse(error: int, at: int, calls: int = 1) -> Fault:
    """So many calls from number `at` on fail with an error of the system; what only closes a file never does."""

    def fault(disk: Disk, name: str, arguments: tuple) -> tuple:
        if at <= disk.count < at + calls and name != "close":
            # As the system does it, which names files but no descriptors.
            raise OSError(error, os.strerror(error), *(path for path in arguments[:1] if not isinstance(path, int)))
        return arguments

    return fault


def shorten(size: int) -> Fault:
    """No write takes more than `size` bytes."""

    def fault(disk: Disk, name: str, arguments: tuple) -> tuple:
        return (arguments[0], arguments[1][:size]) if name == "write" else arguments

    return fault
