"""Memory: a process that trains keeps what its steps give back, since it needs as much again in the next one."""

import ctypes
import sys

# Of glibc's malloc.h. Beyond these many bytes freed at the end of the heap it would give them back to the system, which
# hands them out again page by page, each cleared: up to a tenth of a step.
M_TRIM_THRESHOLD, NEVER = -1, 2**31 - 1
# Blocks beyond these many bytes are never kept: glibc allows no more.
M_MMAP_THRESHOLD, MOST = -3, 32 * 2**20


def keep_memory() -> bool:
    """Let this process keep the memory that it frees, up to its peak so far; True where the system's library can.

    Example:
        >>> kept = keep_memory()
    """
    allocator = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if allocator is None:
        return False
    return bool(allocator(M_TRIM_THRESHOLD, NEVER) and allocator(M_MMAP_THRESHOLD, MOST))
