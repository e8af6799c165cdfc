"""How every tool runs and reports: a clear sentence, exit code 1 (2 for wrong usage), no traceback.

Nothing here imports torch.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from types import FrameType

from hrnet_mm.base.errors import UsageError, sentence_of
from hrnet_mm.base.image_size import lower_opencvs_limit
from hrnet_mm.commands.streams import outlive_readers
from hrnet_mm.install.packages import TASKS
from hrnet_mm.standins import put_in_place
from hrnet_mm.standins.late import import_late

# What says how OpenMP's threads wait for work: the standard, GNU's OpenMP, LLVM's and Intel's.
WAITING = ('OMP_WAIT_POLICY', 'GOMP_SPINCOUNT', 'KMP_BLOCKTIME')

PREDICTING = 'hrnet_mm.commands.infer'


def run_program(module: str) -> None:
    """Run the ``main`` of a module as a program, ``'hrnet_mm.commands.train'``.

    The module is imported only here: torch and OpenCV read what is set before they are imported.
    """
    if module == PREDICTING:
        import_late()
    run_tool(lambda: import_module(module).main())


def run_tool(main: Callable[[], int | None]) -> None:
    """Run a tool's ``main``; turn an exception into one sentence on stderr and an exit code.

    With ``--debug`` the exception goes on, as a traceback. What ``main`` returns is the exit code.
    """
    outlive_readers()
    let_idle_threads_sleep()
    lower_opencvs_limit()
    put_in_place()
    code = main() if '--debug' in sys.argv else run_reporting(main)
    if code:
        sys.exit(code)


def run_reporting(main: Callable[[], int | None]) -> int | None:
    was_interrupted = note_interrupts()
    try:
        return main()
    except KeyboardInterrupt:
        sys.exit('\nstopped')
    except UsageError as error:
        print(f'error: {error}', file=sys.stderr)
        sys.exit(2)
    except Exception as error:
        if was_interrupted() and is_of_a_package(error):
            sys.exit('\nstopped')
        if isinstance(error, ModuleNotFoundError) and find_spec('mmengine') is None:
            tasks = ', '.join(TASKS)
            sys.exit(
                f"error: {sentence_of(error)}: OpenMMLab's packages are not installed yet; run "
                f'hrnet install TASK, of {tasks} those you need'
            )
        hint = 'run again with --debug for the traceback'
        if is_of_a_package(error):
            hint = f'python -m hrnet_mm.doctor says which packages are at fault; {hint}'
        sys.exit(f'error: {sentence_of(error)}\n({hint})')


def note_interrupts() -> Callable[[], bool]:
    """Let Ctrl-C raise KeyboardInterrupt, as before, and note that it has come.

    While a compiled module is imported, as numpy's, that becomes an error of the import.
    """
    came = threading.Event()

    def note(number: int, frame: FrameType | None) -> None:
        came.set()
        signal.default_int_handler(number, frame)

    is_main = threading.current_thread() is threading.main_thread()
    if is_main and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, note)
    return came.is_set


def is_of_a_package(error: BaseException) -> bool:
    """Whether a module is missing, or failed while it was imported, whatever it raised then."""
    if isinstance(error, ImportError):
        return True
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    bodies = [frame.f_globals for frame in frames if frame.f_code.co_name == '<module>']
    # A config is run as code too, but it is no module.
    return any(body.get('__spec__') and body['__name__'] != '__main__' for body in bodies)


def let_idle_threads_sleep() -> None:
    """Let OpenMP's threads spin shortly for work and then sleep, if the user has not said how.

    By default they spin 30 times as long and so take the cores from other programs that compute:
    two trainings on the same cores slow each other down up to a hundred times. Without any spinning
    (``OMP_WAIT_POLICY=passive``) two are twice as fast again, but one alone takes 1.37 times as
    long (docs/speed.md). OpenMP reads it when torch is imported.
    """
    if not any(name in os.environ for name in WAITING):
        os.environ['GOMP_SPINCOUNT'] = '10000'


if '__mp_main__' in sys.modules:
    # A process that multiprocessing has spawned, as a worker of a DataLoader, imports the program's
    # file by this name before it receives the dataset and imports its host.
    put_in_place()
