"""How the C library treats memory that is freed."""

from __future__ import annotations

import ctypes

# Parameters of mallopt, from glibc's malloc.h.
TRIM_THRESHOLD, TOP_PAD, MMAP_MAX = -1, -2, -4


def keep_freed_memory() -> bool:
    """Let this process keep what it frees, for the next step, and not give it back page by page.

    A training step on a CPU frees and takes the memory of all its maps, and pages that come from
    the system anew have to be cleared. The process then holds the most that it ever used.

    Returns:
        Whether the C library can; glibc can.
    """
    mallopt = getattr(ctypes.CDLL(None), 'mallopt', None)
    if mallopt is None:
        return False
    settings = {MMAP_MAX: 0, TRIM_THRESHOLD: -1, TOP_PAD: 64 * 2**20}
    results = [mallopt(name, value) for name, value in settings.items()]
    return results == [1] * len(settings)
