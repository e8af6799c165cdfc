"""The tools as processes of their own, forked from one that has imported the hosts already.

A training then costs its own second and not four seconds of imports. What runs is the tool.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import runpy
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from mmengine.config import config

from tests.helpers import TOOLS

HOSTS = ('mmpose', 'mmseg')
PARTS = ('datasets', 'engine', 'evaluation', 'models', 'visualization')
SERVER = multiprocessing.get_context('forkserver')
SERVER.set_forkserver_preload(
    [
        'hrnet_mm.compat',
        'hrnet_mm.training.options',
        'hrnet_mm.training.run',
        'hrnet_mm.training.hooks',
    ]
    + [f'{host}.{part}' for host in HOSTS for part in PARTS]
)
LONGEST = 240  # seconds


class Run:
    """A tool that runs with its output going to a file."""

    def __init__(
        self, tool: str, *arguments: object, cwd: Path, first: Callable[[], Any] | None = None
    ) -> None:
        self.log = cwd / f'{tool}.log'
        self.log.touch()
        self.process = SERVER.Process(
            target=run_tool, args=(tool, [*map(str, arguments)], cwd, self.log, first)
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


def run_tool(
    tool: str, arguments: list[str], cwd: Path, log: Path, first: Callable[[], Any] | None
) -> None:
    """Become the tool: its arguments, its folder, a process group of its own."""
    os.setpgid(0, 0)
    os.chdir(cwd)
    with log.open('w') as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored below a background job
    torch.set_num_threads(1)
    gc.freeze()  # MMEngine collects garbage; what the server has imported is none
    leave_configs_unformatted()
    if first is not None:
        first()
    sys.argv = [str(TOOLS / tool), *arguments]
    runpy.run_path(sys.argv[0], run_name='__main__')


def leave_configs_unformatted() -> None:
    """Formatting their text for every checkpoint is two thirds of so small a training."""
    config.FormatCode = lambda text, **style: (text, True)


def error_of(run: Run) -> str:
    """The sentence of a tool that ended with an error."""
    assert run.wait() == 1, run.output
    assert 'Traceback' not in run.output
    sentence, _, hint = run.output.rpartition('error: ')[2].rstrip().rpartition('\n')
    assert hint == '(run again with --debug for the traceback)'
    return sentence
