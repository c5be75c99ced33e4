"""Ctrl-C and SIGTERM: noted during a step, and raised after a checkpoint."""

import signal
import threading
import time
from collections.abc import Callable
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)
PATIENCE = 1.0  # seconds: one Ctrl-C may arrive twice, once from the terminal and once from a parent process


class Stopped(KeyboardInterrupt):
    """Interrupt of a run by a `signal`."""

    def __init__(self, signal: int) -> None:
        super().__init__(f"stopped by signal {signal}")
        self.signal = int(signal)


class GracefulInterrupt:
    """Delay Ctrl-C and SIGTERM inside the block until `check`; a second Ctrl-C, a second later, stops at once.

    With several processes, `agree` returns the greatest signal that any of them has noted. Python delivers signals to
    the main thread only. Ignored signals, as under `nohup`, stay ignored.
    """

    def __init__(self, agree: Callable[[int], int] = int) -> None:
        self.noted = 0
        self._agree = agree
        self._when = 0.0
        self._before: dict[int, object] = {}

    def __enter__(self) -> "GracefulInterrupt":
        if threading.current_thread() is threading.main_thread():
            heard = [number for number in SIGNALS if signal.getsignal(number) not in (signal.SIG_IGN, None)]
            self._before = {number: signal.signal(number, self._note) for number in heard}
        return self

    def __exit__(self, *error: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # pyright: ignore[reportArgumentType]

    def check(self, first: Callable[[], object] = int) -> None:
        """Raise `Stopped` if a signal was noted, after calling `first`."""
        self.noted = self._agree(self.noted)
        if self.noted:
            first()
            raise Stopped(self.noted)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if not self.noted:
            self.noted = number
            self._when = time.monotonic()
        elif number == signal.SIGINT and time.monotonic() - self._when > PATIENCE:
            raise Stopped(number)


class SigtermInterrupt:
    """Turn SIGTERM into a KeyboardInterrupt inside the block."""

    def __enter__(self) -> None:
        self._before = None
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGTERM, _stop)

    def __exit__(self, *error: object) -> None:
        if self._before is not None:
            signal.signal(signal.SIGTERM, self._before)


def _stop(number: int, frame: FrameType | None) -> None:
    raise Stopped(number)
