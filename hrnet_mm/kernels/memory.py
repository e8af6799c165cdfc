"""What the C library does with memory that a process frees."""

from __future__ import annotations

import ctypes

# Parameters of mallopt, from glibc's malloc.h.
TRIM_THRESHOLD, TOP_PAD, MMAP_MAX = -1, -2, -4


def keep_freed_memory() -> bool:
    """Let this process keep the memory that it frees, instead of giving it back page by page.

    A training step on a CPU takes and frees the memory of all its maps, and the system clears each
    page that it hands out again. A process that keeps its memory holds the most that it ever used.

    Returns:
        True with glibc; False where the C library has no such setting.
    """
    mallopt = getattr(ctypes.CDLL(None), 'mallopt', None)
    if mallopt is None:
        return False
    settings = {MMAP_MAX: 0, TRIM_THRESHOLD: -1, TOP_PAD: 64 * 2**20}
    results = [mallopt(name, value) for name, value in settings.items()]
    return results == [1] * len(settings)
