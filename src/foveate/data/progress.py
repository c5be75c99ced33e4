"""Progress line on stderr, with the interface that pooch expects."""

import sys


class ProgressLine:
    """Updates one line on a terminal; writes one final line if stderr is a file."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.total = 0
        self.done = 0

    def reset(self) -> None:
        """Reset the count."""
        self.done = 0

    def update(self, count: int) -> None:
        """Add `count` bytes."""
        self.done += count
        if sys.stderr.isatty():
            self._write("\r")

    def close(self) -> None:
        """End the line."""
        self._write("\r" if sys.stderr.isatty() else "", end="\n")

    def _write(self, start: str, end: str = "") -> None:
        of = f" of {self.total / 1e6:.1f}" if self.total else ""
        print(
            f"{start}{self.name}: {min(self.done, self.total or self.done) / 1e6:.1f}{of} MB",
            end=end,
            file=sys.stderr,
            flush=True,
        )
