"""Memory: a process that trains keeps what its steps give back, since it needs as much again in the next one."""

import ctypes
import sys

# Parameters of glibc's `mallopt`. What lies free at the end of the heap goes back to the system, which hands it out
# again page by page, each cleared: up to a tenth of a step. So do blocks of more than so many bytes, one by one; older
# versions of glibc refuse to set that higher than the second number.
M_TRIM_THRESHOLD, NEVER = -1, -1
M_MMAP_THRESHOLD, LARGEST = -3, (2**31 - 1, 32 * 2**20)


def keep_memory() -> bool:
    """Let this process keep, from now on, the memory that it frees; True where the system's library can do that."""
    allocator = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if allocator is None or not any(allocator(M_MMAP_THRESHOLD, size) for size in LARGEST):
        return False
    return bool(allocator(M_TRIM_THRESHOLD, NEVER))
