"""What a CPU computes in, by the words of its system."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from hrnet_mm.kernels import cpu

FLAGS = {
    'zen': 'flags\t\t: fpu sse4_2 avx2 f16c fma',
    'cascade-lake': 'flags\t\t: avx512f avx512_vnni',
    'zen4': 'flags\t\t: avx512f avx512_bf16 avx512_vnni',
    'sapphire-rapids': 'flags\t\t: avx512_bf16 avx512_fp16 avx512_vnni amx_bf16 amx_int8',
    'graviton3': 'Features\t: fp asimd asimdhp asimddp bf16 i8mm',
}


@pytest.fixture(autouse=True)
def _read_anew() -> Iterator[None]:
    cpu.instructions.cache_clear()
    yield
    cpu.instructions.cache_clear()


@pytest.mark.parametrize(
    ('name', 'precisions'),
    [
        ('zen', {'fp32'}),
        ('cascade-lake', {'fp32', 'int8'}),
        ('zen4', {'fp32', 'bf16', 'int8'}),
        ('sapphire-rapids', {'fp32', 'bf16', 'fp16', 'int8'}),
        ('graviton3', {'fp32', 'bf16', 'fp16', 'int8'}),
    ],
)
def test_reads_what_the_system_reports(
    name: str, precisions: set[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / 'cpuinfo'
    path.write_text(f'processor\t: 0\nmodel name\t: bf16\n{FLAGS[name]}\nbugs\t\t: int8\n')
    monkeypatch.setattr(cpu, 'CPUINFO', path)
    assert {p for p in ('fp32', 'bf16', 'fp16', 'int8') if cpu.computes_in(p)} == precisions


def test_a_system_that_does_not_tell_has_fp32(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cpu, 'CPUINFO', tmp_path / 'none')
    assert cpu.computes_in('fp32') and not cpu.computes_in('bf16')
