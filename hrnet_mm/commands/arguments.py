"""The command lines of the tools: their parser, and what several of them take, said once.

Nothing here imports torch or a host, so that a wrong argument is told at once.
"""

from __future__ import annotations

import difflib
import math
import re
from argparse import (
    ArgumentParser,
    ArgumentTypeError,
    Namespace,
    RawDescriptionHelpFormatter,
    _ActionsContainer,
)
from collections.abc import Callable, Sequence
from pathlib import Path

from hrnet_mm.base.formats import INT8, TYPES
from hrnet_mm.commands.cfg_options import ConfigOptions

LEAST_SIDE = 32  # of an image, in pixels, for every HRNet
SOURCES = 'a file, a URL, open-mmlab://NAME or hf-hub:OWNER/NAME'
SIZE = re.compile(r'([1-9][0-9]*)x([1-9][0-9]*)')
DEVICE = re.compile(r'[a-z]+(:[0-9]+)?')


class Parser(ArgumentParser):
    """A tool's parser: flags are written out, ``--debug`` is one, a mistake costs exit code 2.

    Args:
        description: of the tool, as it is broken into lines.
        epilog: what stands below the arguments.
    """

    def __init__(self, description: str, epilog: str | None = None) -> None:
        super().__init__(
            description=description,
            epilog=epilog,
            formatter_class=RawDescriptionHelpFormatter,
            allow_abbrev=False,  # --check would be --checkpoint today and another flag tomorrow
        )
        self.add_argument('--debug', action='store_true', help='show the traceback of an error')

    def parse_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: Namespace | None = None
    ) -> Namespace:
        """As argparse's, and an unknown flag is told with the one that may be meant.

        Flags may stand between the inputs of a tool: ``a.jpg --out DIR b.jpg``.
        """
        found, unknown = self.parse_known_intermixed_args(args, namespace)
        if unknown:
            flag = next((text for text in unknown if text.startswith('-')), '')
            meant = self._meant(flag.partition('=')[0])
            hint = f'; did you mean {" or ".join(meant)}?' if meant else ''
            self.error(f'unrecognized arguments: {" ".join(unknown)}{hint}')
        return found

    def _meant(self, flag: str) -> list[str]:
        flags = [option for option in self._option_string_actions if option.startswith('--')]
        begun = [option for option in flags if flag.startswith('--') and option.startswith(flag)]
        return begun or difflib.get_close_matches(flag, flags, n=1, cutoff=0.75)


def add_config(parser: ArgumentParser, nargs: str | None = None) -> None:
    parser.add_argument(
        'config',
        type=Path,
        nargs=nargs,
        metavar='CONFIG',
        help='a config of mmpose, mmdet, mmseg or mmpretrain: a file, or the name of one that '
        'hrnet models lists',
    )


def add_checkpoint(parser: ArgumentParser, or_exported: bool = True) -> None:
    """The weights; ``or_exported``: what tools/export.py wrote may take their place."""
    exported = '; or what hrnet export wrote' if or_exported else ''
    parser.add_argument(
        'checkpoint', metavar='CHECKPOINT', help=f'its weights: {SOURCES}{exported}'
    )


def add_changes(parser: ArgumentParser) -> None:
    """What changes the config before anything is built of it: --cfg-options, --takeover."""
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=ConfigOptions,
        metavar='KEY=VALUE',
        help='change the config: model.backbone.arch=w48 train_cfg.max_epochs=20 key="[a,b]"',
    )
    parser.add_argument(
        '--takeover',
        action='store_true',
        help="run the config of a host on our HRNet: type='HRNet' means ours",
    )


def add_data_root(parser: ArgumentParser) -> None:
    parser.add_argument(
        '--data-root',
        metavar='DIR',
        help="the dataset's folder, in place of the config's data_root",
    )


def add_trust(parser: ArgumentParser) -> None:
    parser.add_argument(
        '--trust-checkpoint',
        action='store_true',
        help='load checkpoints and exported .pt2 files even if they ask for code to be run: it '
        'runs with all your rights',
    )


def add_device(container: _ActionsContainer, default: str | None = None, what: str = '') -> None:
    """``--device``; without ``default``, a GPU if there is one."""
    otherwise = default or 'a GPU if there is one'
    container.add_argument(
        '--device',
        type=device,
        default=default,
        metavar='DEVICE',
        help=f'{what}cpu, cuda, cuda:1, ...; default: {otherwise}',
    )


def add_size(
    container: _ActionsContainer,
    *flags: str,
    help: str,
    least: int = LEAST_SIDE,
    nargs: str | None = None,
    default: tuple[int, int] | None = None,
) -> None:
    """A size typed as HEIGHTxWIDTH, kept as (height, width); ``least`` is the shortest side."""
    container.add_argument(
        *(flags or ('--size',)),
        type=size_from(least),
        nargs=nargs,
        default=default,
        metavar='HxW',
        help=help,
    )


def add_fast(
    parser: ArgumentParser,
    precisions: Sequence[str] = tuple(TYPES),
    help: str = 'run backbone and neck by the fastest engine of this machine',
) -> None:
    """``--fast``, alone or followed by a precision."""

    def precision(text: str) -> str:
        if text == INT8 and text not in precisions:
            raise ArgumentTypeError('int8 needs images to choose its steps by: see hrnet export')
        if text not in precisions:
            raise ArgumentTypeError(
                f'{text!r} is none of {", ".join(precisions)}; where no precision follows, '
                '--fast comes last'
            )
        return text

    parser.add_argument(
        '--fast',
        nargs='?',
        const='fp32',
        type=precision,
        metavar=f'{{{",".join(precisions)}}}',
        help=f'{help} (docs/speed.md)',
    )


def add_calibration(parser: ArgumentParser) -> None:
    """What int8 chooses its steps by: ``--calibration``, ``--boxes``."""
    parser.add_argument(
        '--calibration',
        type=Path,
        metavar='DIR',
        help='images like those to come, to choose the steps of int8 by',
    )
    parser.add_argument(
        '--boxes',
        type=Path,
        metavar='FILE.json',
        help='of a top-down pose model: where it looks in them, as of hrnet predict; default: at '
        'whole images, which may cost it AP',
    )


def add_run(parser: ArgumentParser) -> None:
    """What train.py and test.py share: the Runner's, its loaders', and those of launchers."""
    add_config(parser)
    parser.add_argument(
        '--work-dir',
        metavar='DIR',
        help='the folder of logs and checkpoints; default: work_dirs/<name of the config>',
    )
    add_data_root(parser)
    add_changes(parser)
    add_trust(parser)
    parser.add_argument(
        '--batch-size',
        type=positive,
        metavar='N',
        help="samples in a batch of each process, in place of the config's",
    )
    parser.add_argument(
        '--workers',
        type=count,
        metavar='N',
        help='processes that load data; 0: none but this one',
    )
    parser.add_argument(
        '--show-dir', metavar='DIR', help='draw the predictions of evaluation into this folder'
    )
    parser.add_argument(
        '--launcher',
        choices=('none', 'pytorch', 'slurm', 'mpi'),
        default='none',
        help='what has started this process as one of several; default: none',
    )
    parser.add_argument(
        '--local_rank',
        '--local-rank',
        type=int,
        default=0,
        metavar='N',
        help='set by the launcher',
    )


def size_from(least: int) -> Callable[[str], tuple[int, int]]:
    """A reader of ``'256x192'`` -> (256, 192), height first."""

    def size(text: str) -> tuple[int, int]:
        found = SIZE.fullmatch(text)
        if not found:
            raise ArgumentTypeError(f'{text!r} is not HEIGHTxWIDTH, as in 256x192')
        height, width = int(found[1]), int(found[2])
        if min(height, width) < least:
            raise ArgumentTypeError(f'{text} is too small: give at least {least}x{least}')
        return height, width

    return size


def device(text: str) -> str:
    """The name of a device; whether this machine has it, ``from_arguments.find_device`` says."""
    if not DEVICE.fullmatch(text):
        raise ArgumentTypeError(f'{text!r} is no device; give cpu, cuda or cuda:1')
    return text


def positive(text: str) -> int:
    """A whole number above 0."""
    if not text.isdecimal() or int(text) < 1:
        raise ArgumentTypeError(f'{text!r} is no whole number above 0')
    return int(text)


def count(text: str) -> int:
    """A whole number, 0 or more."""
    if not text.isdecimal():
        raise ArgumentTypeError(f'{text!r} is no whole number, 0 or more')
    return int(text)


def seed(text: str) -> int:
    """A number that every generator of random numbers takes."""
    if not text.isdecimal() or int(text) >= 2**32:
        raise ArgumentTypeError(f'{text!r} is no whole number from 0 to {2**32 - 1}')
    return int(text)


def score(text: str) -> float:
    """A finite number."""
    return _finite(text, 'no number, as 0.3 is')


def fraction(text: str) -> float:
    """A number from 0 to 1."""
    number = _finite(text, 'no number from 0 to 1')
    if not 0 <= number <= 1:
        raise ArgumentTypeError(f'{text!r} is no number from 0 to 1')
    return number


def seconds(text: str) -> float:
    """A finite number, 0 or more."""
    number = _finite(text, 'no number of seconds')
    if number < 0:
        raise ArgumentTypeError(f'{text!r} is no number of seconds')
    return number


def _finite(text: str, otherwise: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise ArgumentTypeError(f'{text!r} is {otherwise}')
    return number
