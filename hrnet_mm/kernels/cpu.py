"""Which arithmetic this CPU has, by the instructions that the system reports (Linux)."""

from __future__ import annotations

from functools import cache
from pathlib import Path

CPUINFO = Path('/proc/cpuinfo')
# Any of these: x86, and last Arm.
INSTRUCTIONS = {
    'bf16': ('avx512_bf16', 'amx_bf16', 'bf16'),
    'fp16': ('avx512_fp16', 'amx_fp16', 'asimdhp'),
    'int8': ('avx512_vnni', 'avx_vnni', 'amx_int8', 'asimddp'),
}


@cache
def instructions() -> frozenset[str]:
    """As the system names them; none where it does not tell."""
    lines = CPUINFO.read_text().splitlines() if CPUINFO.exists() else []
    flags = next((line for line in lines if line.startswith(('flags', 'Features'))), '')
    return frozenset(flags.partition(':')[2].split())


def computes_in(precision: str) -> bool:
    """Whether there are instructions for dot products of ``'bf16'``, ``'fp16'`` or ``'int8'``.

    Without them libraries convert to and from float32, and are slower than in it. Of ``'fp32'``
    it is true.
    """
    return precision not in INSTRUCTIONS or not instructions().isdisjoint(INSTRUCTIONS[precision])
