"""Disable malloc trimming, so that freed memory is reused by the next step."""

import ctypes
import sys

# Parameters of glibc's `mallopt`. What lies free at the end of the heap goes back to the system, which hands it out
# again page by page, each cleared: up to a tenth of a step. So do blocks of more than so many bytes, one by one; older
# versions of glibc refuse to set that higher than the second number.
M_TRIM_THRESHOLD = -1
NEVER = -1
M_MMAP_THRESHOLD = -3
LARGEST = (2**31 - 1, 32 * 2**20)


def keep_memory() -> bool:
    """Make this process keep the memory that it frees; True where the C library supports it."""
    allocator = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if allocator is None or not any(allocator(M_MMAP_THRESHOLD, size) for size in LARGEST):
        return False
    return bool(allocator(M_TRIM_THRESHOLD, NEVER))
