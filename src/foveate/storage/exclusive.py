"""One run at a time in a process: all of them would share its random generator, threads and default type."""

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import torch

_RUNNING = threading.RLock()


@contextmanager
def exclusive(num_threads: int) -> Iterator[None]:
    """Wait for other runs of this process, then compute with `num_threads` threads and in float32 in the block."""
    if not _RUNNING.acquire(blocking=False):
        warnings.warn(
            "`fit` should run once at a time in a process. Found another run, and waits for it to end; "
            "start runs in processes of their own to train them at once.",
            stacklevel=3,
        )
        _RUNNING.acquire()
    before, dtype = torch.get_num_threads(), torch.get_default_dtype()
    torch.set_num_threads(num_threads)
    torch.set_default_dtype(torch.float32)
    try:
        yield
    finally:
        torch.set_default_dtype(dtype)
        torch.set_num_threads(before)
        _RUNNING.release()
