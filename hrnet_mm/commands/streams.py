"""Output that nobody reads any more, as of ``train.py | head -1``, stops no tool."""

from __future__ import annotations

import errno
import io
import os
import sys
from contextlib import suppress

# A pipe without a reader, a terminal that is gone, a descriptor that was closed.
LOST = (errno.EPIPE, errno.EIO, errno.EBADF)


def outlive_readers() -> None:
    """Let what is written to stdout and stderr go nowhere once it cannot be written.

    The tool goes on, says so in one line on stderr, and exits as ever: a training keeps its log in
    its work folder. Logging would report an error for every line instead, and ``print`` would end
    the tool. Descriptors that are closed from the start are opened, as the next file to be opened
    would take their number, and what libraries print.
    """
    if os.name != 'posix':
        return
    for number, name in ((1, 'stdout'), (2, 'stderr')):
        try:
            os.fstat(number)
        except OSError:
            _to_nowhere(number)
            setattr(sys, name, open(number, 'w', closefd=False))  # noqa: SIM115 (to the end)
            continue
        stream = getattr(sys, name)
        if isinstance(stream, io.TextIOWrapper) and _descriptor_of(stream) == number:
            stream.flush()
            lasting = io.TextIOWrapper(
                io.BufferedWriter(LastingFile(number)),
                encoding=stream.encoding,
                errors=stream.errors,
                line_buffering=stream.line_buffering or number == 2,
                write_through=stream.write_through,
            )
            setattr(sys, name, lasting)


class LastingFile(io.FileIO):
    """Stdout or stderr, unbuffered, that turns to the null device when it is lost."""

    def __init__(self, number: int) -> None:
        super().__init__(number, 'w', closefd=False)
        self.process = os.getpid()

    def write(self, data: bytes) -> int | None:
        try:
            return super().write(data)
        except OSError as error:
            if error.errno not in LOST:
                raise
        _to_nowhere(self.fileno())
        if self.fileno() == 1 and os.getpid() == self.process:
            with suppress(OSError):
                os.write(2, b'nothing reads the output any more: it is not written from here on\n')
        return len(data)


def _descriptor_of(stream: io.TextIOWrapper) -> int | None:
    try:
        return stream.fileno()
    except io.UnsupportedOperation:  # in the memory of a test or a notebook
        return None


def _to_nowhere(number: int) -> None:
    null = os.open(os.devnull, os.O_RDWR)
    if null != number:
        os.dup2(null, number)
        os.close(null)
