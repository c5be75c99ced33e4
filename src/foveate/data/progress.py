"""A line of progress on stderr, in the form that pooch asks for."""

import sys


class ProgressLine:
    """Rewrites one line on a terminal; writes one line where stderr is a file."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.total = 0
        self.done = 0

    def reset(self) -> None:
        """Start over."""
        self.done = 0

    def update(self, count: int) -> None:
        """Note `count` more bytes."""
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
