"""Whether checkpoints may run code: only if the user says so, and as long as one command runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_TRUST: ContextVar[bool] = ContextVar('trust', default=False)


@contextmanager
def trusting(trust: bool = True) -> Iterator[None]:
    """Within the with-block all checkpoints are trusted, as ``--trust-checkpoint`` says.

    That is every file that we or a host read: the checkpoint, the detector's beside it, what
    ``init_cfg`` names, an exported file. A thread that the block starts trusts nothing.
    """
    token = _TRUST.set(trust)
    try:
        yield
    finally:
        _TRUST.reset(token)


def is_trusted() -> bool:
    """Whether a file may run what it asks to be run, with all the rights of the user."""
    return _TRUST.get()
