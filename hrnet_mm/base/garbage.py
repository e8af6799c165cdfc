"""The collector of garbage, which is in the way where much is imported and nothing is garbage."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def uncollected() -> Iterator[None]:
    """Within the with-block, or the decorated function, Python looks for no garbage in circles.

    Modules that are imported and networks that are built stay. To look through them again and again
    takes a fifth of the seconds in which PyTorch and a host are imported.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
