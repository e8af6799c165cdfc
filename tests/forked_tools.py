"""The tools as processes of their own, forked from one that has imported the hosts already.

A training then costs its own second and not four seconds of imports. What runs is the tool.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import runpy
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from tests.helpers import FORMATTER, TOOLS

HOSTS = ('mmpose', 'mmseg')
PARTS = ('datasets', 'engine', 'evaluation', 'models', 'visualization')
OURS = (
    'compat',
    'commands.from_arguments',
    'inference',
    'training.hooks',
    'training.run',
)
SERVER = multiprocessing.get_context('forkserver')
SERVER.set_forkserver_preload(
    [f'hrnet_mm.{module}' for module in OURS]
    + [f'{host}.{part}' for host in HOSTS for part in PARTS]
)
LONGEST = 240  # seconds


class Run:
    """A tool that runs with its output going to a file."""

    def __init__(
        self,
        tool: str,
        *arguments: object,
        cwd: Path,
        first: Callable[[], Any] | None = None,
        errors: Path | None = None,
    ) -> None:
        """``first`` is called before the tool; ``errors`` takes what goes to stderr."""
        self.log = errors.with_name('stdout') if errors else cwd / f'{tool}.log'
        self.log.touch()
        arguments = tuple(map(str, arguments))
        self.process = SERVER.Process(
            target=become, args=(tool, arguments, cwd, (self.log, errors), first)
        )
        self.process.start()

    def wait(self) -> int:
        """The exit code; -9 of a process that was killed with signal 9."""
        self.process.join(LONGEST)
        if self.process.exitcode is None:
            self.process.kill()
            raise TimeoutError(self.output)
        return self.process.exitcode

    def wait_for(self, text: str) -> None:
        """Wait until the tool has printed a text, or has ended."""
        while text not in self.output and self.process.is_alive():
            time.sleep(0.01)

    @property
    def output(self) -> str:
        return self.log.read_text(errors='replace')


def run_tool(tool: str, *arguments: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    """As ``tests.helpers.run_tool``, but forked."""
    with tempfile.TemporaryDirectory() as folder:
        errors = Path(folder, 'stderr')
        run = Run(tool, *arguments, cwd=cwd, errors=errors)
        return subprocess.CompletedProcess(tool, run.wait(), run.output, errors.read_text())


def become(
    tool: str,
    arguments: tuple[str, ...],
    cwd: Path,
    streams: tuple[Path, Path | None],
    first: Callable[[], Any] | None,
) -> None:
    """Become the tool: its arguments, its folder, a process group of its own."""
    os.setpgid(0, 0)
    os.chdir(cwd)
    for path, numbers in zip(streams, ((1, 2), (2,)), strict=True):
        if path is not None:
            with path.open('w') as file:
                for number in numbers:
                    os.dup2(file.fileno(), number)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored below a background job
    torch.set_num_threads(1)
    gc.freeze()  # MMEngine collects garbage; what the server has imported is none
    # Formatting their text for every checkpoint is two thirds of so small a training.
    FORMATTER.FormatCode = lambda text, **style: (text, True)
    if first is not None:
        first()
    sys.argv = [str(TOOLS / tool), *arguments]
    runpy.run_path(sys.argv[0], run_name='__main__')


def error_of(run: Run) -> str:
    """The sentence of a tool that ended with an error."""
    assert run.wait() == 1, run.output
    assert 'Traceback' not in run.output
    sentence, _, hint = run.output.rpartition('error: ')[2].rstrip().rpartition('\n')
    assert hint == '(run again with --debug for the traceback)'
    return sentence
