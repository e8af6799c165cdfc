"""Which arithmetic this CPU has, by the instructions that the system reports (Linux)."""

from __future__ import annotations

from functools import cache
from pathlib import Path

CPUINFO = Path('/proc/cpuinfo')
# A CPU computes in a precision if it has any of these instructions: those of x86, last that of Arm.
ARITHMETIC = {
    'bf16': ('avx512_bf16', 'amx_bf16', 'bf16'),
    'fp16': ('avx512_fp16', 'amx_fp16', 'asimdhp'),
    'int8': ('avx512_vnni', 'avx_vnni', 'amx_int8', 'asimddp'),
}


@cache
def instructions() -> frozenset[str]:
    """The instruction sets by the system's names, ``'avx2'``; none where it does not tell."""
    lines = CPUINFO.read_text().splitlines() if CPUINFO.exists() else []
    flags = next((line for line in lines if line.startswith(('flags', 'Features'))), '')
    return frozenset(flags.partition(':')[2].split())


def computes_in(precision: str) -> bool:
    """Whether there are instructions for dot products of ``'bf16'``, ``'fp16'`` or ``'int8'``.

    Without them libraries convert to and from float32, and are slower than in float32. Every CPU
    computes in ``'fp32'``.
    """
    return precision not in ARITHMETIC or not instructions().isdisjoint(ARITHMETIC[precision])
