"""Ports for processes that find each other on this machine."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def reserved_port() -> Iterator[int]:
    """A port on which a server of the test may listen, and which no other program is given.

    The system gives none away that is bound; a server that reuses addresses, as PyTorch's does, may
    bind it once more.
    """
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind(('127.0.0.1', 0))
        yield holder.getsockname()[1]
