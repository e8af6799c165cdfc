"""OpenVINO, imported so that it reports nothing, and its ``Core``, of which a process has one.

The CPU plugin of each ``Core`` gives the thread a stack for signals, and when it goes, puts back
the one before. Where two go in the order in which they came, what is put back is freed memory, and
the next signal, such as Ctrl-C or the end of a DataLoader's worker, ends the process.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

TELEMETRY = 'openvino_telemetry'  # by this package OpenVINO and NNCF report their use to Intel


@contextmanager
def without_telemetry() -> Iterator[None]:
    """Let what is imported meanwhile find the package of telemetry absent."""
    before = sys.modules.get(TELEMETRY)
    sys.modules[TELEMETRY] = None
    try:
        yield
    finally:
        del sys.modules[TELEMETRY]
        if before is not None:
            sys.modules[TELEMETRY] = before


with without_telemetry():
    import openvino

_CORE = openvino.Core()  # it stays until the process ends
_PROCESS = os.getpid()


def core() -> openvino.Core:
    """The one of this process.

    Raises:
        RuntimeError: see :func:`check_process`.
    """
    check_process()
    return _CORE


def check_process() -> None:
    """Make sure that OpenVINO's threads, which a fork leaves behind, are in this process.

    Raises:
        RuntimeError: the process was forked from one that has used OpenVINO; it would hang here.
    """
    if os.getpid() != _PROCESS:
        raise RuntimeError(
            'OpenVINO cannot be used in a process that was forked from one that has used it; '
            "start it by multiprocessing's 'spawn'"
        )


@contextmanager
def share_core() -> Iterator[None]:
    """Let what makes a ``Core`` of its own meanwhile, such as NNCF, get that of this process."""
    original = openvino.Core
    openvino.Core = core
    try:
        yield
    finally:
        openvino.Core = original
