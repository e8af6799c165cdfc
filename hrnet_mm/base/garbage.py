"""The collector of garbage, which is in the way where much is imported and nothing is garbage."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def uncollected() -> Iterator[None]:
    """Within the with-block, or the decorated function, Python looks for no garbage in circles.

    Modules that are imported and networks that are built stay. To look through them again and again
    takes a fifth of the seconds in which PyTorch and a host are imported. Behind the block they
    count as old; else all of them would be looked through at once.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            if not gc.get_freeze_count():  # what somebody has frozen is to stay so
                gc.freeze()
                gc.unfreeze()
            gc.enable()
