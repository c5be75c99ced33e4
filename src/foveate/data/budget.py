"""Limits for decoding in threads: their number, and the memory they use together."""

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")
MAX_THREADS = 16


def map_in_threads(function: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
    """Apply a function that releases the GIL, as pillow's decoders do, to all items; results keep their order."""
    with ThreadPoolExecutor(max_workers=min(usable_cpus(), MAX_THREADS)) as pool:
        return list(pool.map(function, items))


def usable_cpus() -> int:
    """Return the number of processors this process may use; the machine may have more."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1  # macOS and Windows


class ByteBudget:
    """Semaphore that lets threads hold at most `limit` bytes together.

    Example:
        >>> budget = ByteBudget(100)
        >>> with budget.hold(70):
        ...     budget.used
        70
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.used = 0
        self._changed = threading.Condition()

    @contextmanager
    def hold(self, count: int) -> Iterator[None]:
        """Hold `count` bytes inside the block, after waiting for them; a larger request waits to be the only one."""
        count = min(count, self.limit)
        with self._changed:
            self._changed.wait_for(lambda: self.used + count <= self.limit)
            self.used += count
        try:
            yield
        finally:
            with self._changed:
                self.used -= count
                self._changed.notify_all()
