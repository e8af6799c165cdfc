"""Whether checkpoints may run code: only where the user says so, for as long as a command takes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_TRUST: ContextVar[bool] = ContextVar('trust', default=False)


@contextmanager
def trusting(trust: bool = True) -> Iterator[None]:
    """What ``--trust-checkpoint`` says of all that is read in a with-block, by us or for a host.

    That is the checkpoint, the detector's beside it, what ``init_cfg`` names, an exported file. A
    thread that the block starts trusts nothing.
    """
    token = _TRUST.set(trust)
    try:
        yield
    finally:
        _TRUST.reset(token)


def is_trusted() -> bool:
    """Whether a file may run what it asks to be run, with all the rights of the user."""
    return _TRUST.get()
