"""Ctrl-C and SIGTERM: noted while a step runs, obeyed once what it did is saved."""

import signal
import threading
import time
from collections.abc import Callable
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)
PATIENCE = 1.0  # seconds: one Ctrl-C may arrive twice, once from the terminal and once from a parent process


class Stopped(KeyboardInterrupt):
    """A run was told to stop by a `signal`."""

    def __init__(self, signal: int) -> None:
        super().__init__(f"stopped by signal {signal}")
        self.signal = int(signal)


class Interrupts:
    """Within the block, the first signal is only noted; a later Ctrl-C is obeyed at once.

    Where several processes train together, `agree` gives them the greatest of the signals that each has noted.
    Outside the main thread Python hears no signals, and what is ignored (as under `nohup`) stays ignored.
    """

    def __init__(self, agree: Callable[[int], int] = int) -> None:
        self.noted = 0
        self._agree = agree
        self._when = 0.0
        self._before: dict[int, object] = {}

    def __enter__(self) -> "Interrupts":
        if threading.current_thread() is threading.main_thread():
            heard = [number for number in SIGNALS if signal.getsignal(number) not in (signal.SIG_IGN, None)]
            self._before = {number: signal.signal(number, self._note) for number in heard}
        return self

    def __exit__(self, *error: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # pyright: ignore[reportArgumentType]

    def obey(self, first: Callable[[], object] = int) -> None:
        """Stop here, if a signal was noted; do something `first`."""
        self.noted = self._agree(self.noted)
        if self.noted:
            first()
            raise Stopped(self.noted)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if not self.noted:
            self.noted, self._when = number, time.monotonic()
        elif number == signal.SIGINT and time.monotonic() - self._when > PATIENCE:
            raise Stopped(number)


class Terminated:
    """Within the block, SIGTERM ends what runs as Ctrl-C does, at once."""

    def __enter__(self) -> None:
        self._before = None
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGTERM, _stop)

    def __exit__(self, *error: object) -> None:
        if self._before is not None:
            signal.signal(signal.SIGTERM, self._before)


def _stop(number: int, frame: FrameType | None) -> None:
    raise Stopped(number)
