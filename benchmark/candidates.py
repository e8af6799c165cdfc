"""The candidates of a comparison: a copy of HRNet, how it is run, and in what precision.

A user writes a candidate as ``NETWORK[+OPTION...][@PRECISION]`` behind ``--contestants``:
``ours``, ``mmpose+compile@bf16`` or ``ours+channels_last+cp``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from hrnet_mm.base.errors import UserError
from hrnet_mm.base.formats import INT8, TYPES

if TYPE_CHECKING:
    import torch

PRECISIONS = TYPES | {INT8: INT8}  # torch's names of their types

UPSAMPLE = dict(pose='nearest', seg='bilinear', det='nearest', backbone='nearest')  # by task
MODES = ('infer', 'train')
NETWORKS = ('ours', 'mmpose', 'mmdet', 'mmseg', 'timm')
EXECUTIONS = dict(
    compile='torch.compile of the whole network',
    regions='ours: torch.compile of every HRModule by itself, as FastTrainingHook does',
    freeze='torch.compile with the weights frozen into the code (inference)',
    max_autotune="torch.compile(mode='max-autotune')",
    optimised='hrnet_mm.deploy.optimize (ours, inference); optimised:BACKEND chooses one',
    onnxruntime='exported to ONNX, run by ONNX Runtime (inference)',
    openvino='exported to ONNX, run by OpenVINO (inference)',
)
SWITCHES = dict(
    channels_last='weights and images in channels-last order',
    native='our own kernels for CPUs, maps in channels-last order (training)',
    cp='activations recomputed in the backward pass (with_cp)',
    cp_norm="ours: only norms, ReLUs and sums recomputed (with_cp='norm')",
    cp_module="ours: recomputed by whole HRModules (with_cp='module')",
    cast='weights and images in the low precision itself instead of autocast (inference)',
)
SHORT = dict(
    optimised='ours+optimised',
    compile='mmpose+compile',
    freeze='mmpose+freeze',
    max_autotune='mmpose+max_autotune',
    onnxruntime='mmpose+onnxruntime',
    openvino='mmpose+openvino',
)
DEFAULT = ('ours', 'optimised', *NETWORKS[1:], 'compile', 'onnxruntime', 'openvino')


def dtype_of(precision: str) -> torch.dtype:
    """The type of one of PRECISIONS."""
    import torch  # late: who asks for --help is not to wait for it

    return getattr(torch, PRECISIONS[precision])


class LeftOut(Exception):
    """A candidate cannot take part in a comparison; the message says why."""


@dataclass(frozen=True)
class Candidate:
    """A copy of HRNet and the way it is run.

    Attributes:
        network: one of NETWORKS.
        execution: one of EXECUTIONS, or ``'eager'``.
        backend: of ``optimised``.
        switches: some of SWITCHES.
        precision: one of PRECISIONS.
    """

    network: str
    execution: str = 'eager'
    backend: str = 'auto'
    switches: frozenset[str] = frozenset()
    precision: str = 'fp32'

    @property
    def with_cp(self) -> bool | str:
        """The backbone's argument of that name."""
        levels = (s.removeprefix('cp_') for s in self.switches if s.startswith('cp_'))
        return next(levels, 'cp' in self.switches)

    def __str__(self) -> str:
        """The text that :func:`parse` reads."""
        execution = self.execution
        if self.backend != 'auto':
            execution += f':{self.backend}'
        options = [] if execution == 'eager' else [execution]
        options += [switch for switch in SWITCHES if switch in self.switches]
        return '+'.join((self.network, *options)) + f'@{self.precision}'


def parse(text: str) -> Candidate:
    """Read ``NETWORK[+OPTION...][@PRECISION]``.

    Raises:
        UserError: naming the part that is unknown and what would be right.
    """
    names, _, precision = text.partition('@')
    first, *options = names.split('+')
    short, colon, backend = first.partition(':')
    network, *implied = (SHORT.get(short, short) + colon + backend).split('+')
    if network not in NETWORKS:
        known = ', '.join((*NETWORKS, *SHORT))
        raise UserError(f'contestant {names}: there is no {first!r}; give one of {known}')
    candidate = Candidate(network, precision=precision or 'fp32')
    for option in (*implied, *options):
        candidate = _with_option(candidate, option, names)
    if candidate.precision not in PRECISIONS:
        raise UserError(
            f'contestant {text}: {precision!r} is no precision; give one of {", ".join(PRECISIONS)}'
        )
    return candidate


def _with_option(candidate: Candidate, option: str, text: str) -> Candidate:
    execution, _, backend = option.partition(':')
    if option in SWITCHES:
        return replace(candidate, switches=candidate.switches | {option})
    if execution not in EXECUTIONS or (backend and execution != 'optimised'):
        known = ', '.join((*EXECUTIONS, *SWITCHES))
        raise UserError(f'contestant {text}: there is no option {option!r}; give some of {known}')
    if candidate.execution != 'eager':
        raise UserError(
            f'contestant {text}: {candidate.execution} and {execution} exclude each other'
        )
    return replace(candidate, execution=execution, backend=backend or 'auto')


def parse_all(
    texts: Sequence[str], precisions: Sequence[str], baseline: str
) -> tuple[list[Candidate], Candidate]:
    """Every candidate in every precision, unless it names its own; and whom they are set against.

    The baseline is measured too, in fp32 if it is one of the precisions and it names none.

    Raises:
        UserError: a text cannot be read.
    """
    candidates: list[Candidate] = []
    for text in texts:
        own = [text] if '@' in text else [f'{text}@{precision}' for precision in precisions]
        candidates += [parse(spec) for spec in own]
    if '@' not in baseline:
        baseline = f'{baseline}@{"fp32" if "fp32" in precisions else precisions[0]}'
    reference = parse(baseline)
    return list(dict.fromkeys((*candidates, reference))), reference
