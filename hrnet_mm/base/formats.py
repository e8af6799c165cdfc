"""What ``hrnet_mm.deploy`` can compute in and write, for those who are not to wait for torch."""

from __future__ import annotations

from pathlib import Path

from hrnet_mm.base.errors import UsageError, UserError

# The precisions that are one type throughout, and torch's name of it.
TYPES = {'fp32': 'float32', 'bf16': 'bfloat16', 'fp16': 'float16'}
INT8 = 'int8'  # convolutions in integers, the rest in float32
PRECISIONS = (*TYPES, INT8)

# Of each format of ``deploy.table.FORMATS`` its name for people, the endings of its files, of which
# the first is that of the file the user names, and the precisions that it holds.
PT2 = dict(suffixes=('.pt2',), precisions=('fp32', 'fp16', 'bf16'))
KINDS = {
    'onnx': dict(title='ONNX', suffixes=('.onnx',), precisions=('fp32', 'fp16', INT8)),
    'openvino': dict(
        title='OpenVINO IR', suffixes=('.xml', '.bin'), precisions=('fp32', 'fp16', 'bf16', INT8)
    ),
    'torch_program': dict(title='torch.export program', **PT2),
    'aotinductor': dict(title='AOTInductor package', **PT2),
}
SUFFIXES = tuple(sorted({kind['suffixes'][0] for kind in KINDS.values()}))


def kind_of(out: Path, aot: bool) -> str:
    """The name of the format that the ending of a file's name asks for, a key of KINDS.

    Args:
        out: the file.
        aot: for ``.pt2``: compiled by AOTInductor, not the program itself.

    Raises:
        UsageError: no format has that ending, or ``aot`` does not go with it.
    """
    matching = [name for name, kind in KINDS.items() if kind['suffixes'][0] == out.suffix]
    if not matching:
        raise UsageError(f'{out}: the name must end in one of {", ".join(SUFFIXES)}')
    if aot and len(matching) == 1:
        raise UsageError(f'--aot writes a .pt2 file, not {out.name}')
    return matching[-1 if aot else 0]


def check_calibration(
    flag: str, precision: str | None, calibration: Path | None, boxes: Path | None
) -> None:
    """Make sure that int8, and int8 alone, has a folder of images to choose its steps by.

    Args:
        flag: that of the precision, ``'--precision'``.
        precision: in which is computed; None: the model's own.
        calibration: the folder.
        boxes: where a top-down pose model looks in its images.

    Raises:
        UsageError: what is given does not go together.
        UserError: there is no such folder.
    """
    if (precision == INT8) != (calibration is not None):
        raise UsageError(f'{flag} int8 and --calibration FOLDER_OF_IMAGES go together')
    if boxes is not None and calibration is None:
        raise UsageError('--boxes is of the images of --calibration')
    if calibration is not None and not calibration.is_dir():
        raise UserError(f'--calibration: there is no folder {calibration}')


def check_precision(name: str, out: Path, precision: str) -> None:
    """Make sure that a format, a key of KINDS, can hold a precision.

    Raises:
        UsageError: it cannot.
    """
    possible = KINDS[name]['precisions']
    if precision not in possible:
        raise UsageError(
            f'--precision {precision}: {KINDS[name]["title"]} holds {", ".join(possible)} '
            f'({out.name} ends in {out.suffix})'
        )
