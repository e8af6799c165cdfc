"""The command ``hrnet``: every program of the package under one name."""

from __future__ import annotations

import sys

from hrnet_mm import __version__
from hrnet_mm.base.errors import UsageError, did_you_mean
from hrnet_mm.commands.program import run_program, run_tool

# The module of each program, whose main() takes its arguments from sys.argv, and what it does.
PROGRAMS = {
    'train': ('hrnet_mm.commands.train', 'train the model of a config'),
    'test': ('hrnet_mm.commands.test', 'evaluate a checkpoint'),
    'predict': ('hrnet_mm.commands.infer', 'predict on images and videos, draw the results'),
    'export': ('hrnet_mm.commands.export', 'write ONNX, OpenVINO, torch.export or AOTInductor'),
    'convert': ('hrnet_mm.commands.convert_checkpoint', 'convert checkpoints of other code'),
    'check': ('hrnet_mm.commands.check', 'find mistakes in a config and its data'),
    'models': ('hrnet_mm.commands.models', 'list the configs, their sizes and scores'),
    'doctor': ('hrnet_mm.doctor', 'say what works in this environment'),
    'install': ('hrnet_mm.install.__main__', 'install the hosts of some tasks'),
}
HELP = '\n'.join(
    [
        'usage: hrnet PROGRAM ...\n',
        *(f'  {name:<10}{text}' for name, (_, text) in PROGRAMS.items()),
        '\nhrnet PROGRAM --help tells its arguments.',
    ]
)


def main() -> None:
    """Run the program that the first argument names with the arguments behind it."""
    name = sys.argv[1] if len(sys.argv) > 1 else '--help'
    if name in ('-h', '--help'):
        print(HELP)
        return
    if name == '--version':
        print(__version__)
        return
    if name not in PROGRAMS:
        run_tool(lambda: refuse(name))
    sys.argv[:2] = [f'hrnet {name}']  # as which the program names itself
    run_program(PROGRAMS[name][0])


def refuse(name: str) -> None:
    right = ', '.join(PROGRAMS)
    raise UsageError(f'there is no program {name!r}{did_you_mean(name, PROGRAMS)}: {right}')
