"""The tool prints a table that fits the screen and writes JSON and a plot."""

import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import cv2
import pytest

from benchmark.candidates import LeftOut, parse
from benchmark.compare import Comparison, Result, compare
from benchmark.measure import Isolated, Settings, isolated
from benchmark.networks import Workload
from benchmark.report import comparison_table
from benchmark.roofline import Peaks, Work
from hrnet_mm.base.errors import UserError
from tests.benchmark.helpers import SMALL, benchmark_of

PEAKS = Peaks(dict(fp32=1e11), bytes=1e10)


@pytest.fixture
def tool(load_tool: Callable[[str], ModuleType]) -> ModuleType:
    return load_tool('benchmark')


def test_writes_tables_json_and_plot(
    tool: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ['--quick', '--mode', 'infer', 'train', '--contestants', 'ours', 'ours+cp', 'mmseg']
    tool.main([*arguments, '--threads', '1', '--out', str(tmp_path)])
    lines = capsys.readouterr().out.splitlines()
    assert 'threads 1' in ' '.join(lines[:2])
    assert any(line.startswith('left out: ours+cp@fp32: there is no backward') for line in lines)
    assert any(line.startswith('mmpose@fp32') for line in lines)
    assert all(len(line) <= 100 for line in lines if str(tmp_path) not in line)

    content = json.loads((tmp_path / 'benchmark.json').read_text())
    assert content['machine']['versions']['torch'] and content['command'][1:] == [
        *arguments, '--threads', '1', '--out', str(tmp_path)
    ]  # fmt: skip
    infer, train = content['cases']
    assert [result['name'] for result in infer['results']] == ['ours@fp32', 'mmpose@fp32']
    names = ['ours@fp32', 'ours+cp@fp32', 'mmpose@fp32']
    assert [result['name'] for result in train['results']] == names
    assert set(train['left_out']) == {'mmseg@fp32'}
    for case in (infer, train):
        baseline = case['results'][-1]
        assert baseline['speedups'] == [1.0, 1.0] and len(baseline['seconds']) == 2
    assert cv2.imread(str(tmp_path / 'benchmark.png')).std() > 0


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['--arch', 'w33'], '--arch.*w33.* is not an HRNet'),
        (['--contestants', 'resnet'], "there is no 'resnet'"),
        (['--baseline', 'resnet'], "there is no 'resnet'"),
        (['--device', 'tpu'], '--device tpu: this machine has no such device'),
        (['--device', 'cuda:99'], '--device cuda:99: this machine has no such device, .* cpu'),
        (['--device', 'meta'], '--device meta: this machine has no such device'),
        (['--out', __file__], 'the folder cannot be made'),
        (['--paper-table', 'pose', '--batch', '1', '2'], 'takes one --precision and one --batch'),
    ],
)
def test_says_what_is_wrong(
    tool: ModuleType, arguments: list[str], message: str, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=message):
        tool.main(['--out', str(tmp_path), *arguments])
    assert not list(tmp_path.iterdir())


def test_nobody_left_is_an_error() -> None:
    workload, candidates = Workload('pose', **SMALL), [parse('mmseg'), parse('ours+cp')]
    with pytest.raises(UserError, match='no contestant is left .*mmseg@fp32: this copy upsamples'):
        compare(workload, candidates, candidates[0], Settings(), PEAKS, lambda text: None)


def test_without_the_baseline_the_first_one_takes_its_place() -> None:
    workload, candidates = (
        Workload('pose', **SMALL),
        [parse('mmdet'), parse('ours'), parse('mmseg')],
    )
    settings = Settings(rounds=1, turn_seconds=0, warmup=1)
    result = compare(workload, candidates, candidates[2], settings, PEAKS, lambda text: None)
    assert result.baseline == 'mmdet@fp32'
    assert result.results[0].speedups == [1.0]


def test_a_table_of_known_numbers() -> None:
    work = Work(params=2_000_000, operations=3 * 10**9, layers=(), passes=1)
    alone = Isolated(2**30, 2**31, cold_start_seconds=12.0, compile_seconds=3.5)
    results = [
        Result('ours@fp32', 2_000_000, 0.0, 0.0, [0.25], [2.0], 2**20, of_peak=0.5, isolated=alone),
        Result('mmpose@fp32', 2_000_000, 1e-6, 0.0, [0.5, 0.5], [1.0, 1.0], 2**21),
    ]
    comparison = Comparison(Workload('pose'), 'mmpose@fp32', work, results, dict(timm='why'))
    title, baseline, _, _, ours, theirs, _, _, *memory, left_out = comparison_table(
        comparison
    ).splitlines()
    assert title.endswith('2.00 M parameters, 3.00 GFLOP a call')
    assert baseline == 'x: times as fast as mmpose@fp32'
    assert ours.split() == ['ours@fp32', '250', '250-250', '2.00', '2.00-2.00', '50%', '0e+00']
    assert theirs.split()[-2:] == ['-', '1e-06']
    assert memory[0].split() == ['ours@fp32', '2.00', '1.00', '0.50', '1024', '3.50', '12.0']
    assert memory[1].split() == ['mmpose@fp32', '2.00', '2.00', '1.00', '-', '-', '-']
    assert left_out == 'left out: timm: why'


@pytest.mark.slow
def test_a_process_of_its_own_shows_memory_and_cold_start(tmp_path: Path) -> None:
    workload, settings = Workload('pose', mode='train', **SMALL), Settings(warmup=1)
    found = isolated(benchmark_of(workload, 'ours', tmp_path), settings)
    assert 10 * 2**20 < found.peak_bytes < found.process_bytes
    assert found.cold_start_seconds > found.compile_seconds >= 0
    with pytest.raises(LeftOut, match='only infers'):
        isolated(benchmark_of(workload, 'openvino', tmp_path), settings)
