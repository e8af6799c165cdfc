"""tools/infer.py as a user runs it."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.inference.tiny_models import TinyModel

TOOL = Path(__file__).parents[2] / 'tools' / 'infer.py'


@pytest.mark.slow
def test_tool_ends_with_one_line_that_counts(config: Path, checkpoint: Path, folder: Path) -> None:
    done = run_tool(config, checkpoint, folder, '--bbox', '1', '2', '30', '40', cwd=folder.parent)
    assert done.returncode == 0, done.stderr
    last_line = done.stdout.splitlines()[-1]
    assert last_line.startswith('3 images, 3 instances, ')
    assert last_line.endswith(' images/s: work_dirs/infer/tiny pose')
    assert (folder.parent / 'work_dirs/infer/tiny pose/predictions.json').is_file()


@pytest.mark.slow
def test_tool_fails_with_one_sentence(config: Path, folder: Path) -> None:
    failed = run_tool(config, 'nowhere.pth', folder, cwd=folder.parent)
    assert failed.returncode == 1
    assert 'error: there is no checkpoint nowhere.pth\n' in failed.stderr
    assert 'Traceback' not in failed.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    'options',
    [
        ['--batch-size', '0'],
        ['--bbox', '1', '2'],
        ['--boxes', 'x', '--bbox', *'1234'],
        ['--detector', 'x', 'y', '--bbox', *'1234'],
        ['--det-class', 'person'],
    ],
)
def test_wrong_usage_of_the_tool_exits_with_2(folder: Path, options: list[str]) -> None:
    failed = run_tool('x.py', 'x.pth', folder, *options, cwd=folder.parent)
    assert failed.returncode == 2
    assert failed.stderr.startswith('usage: ')


@pytest.mark.slow
def test_tool_runs_a_detector_then_pose(
    config: Path, checkpoint: Path, folder: Path, tiny: Callable[[str], TinyModel]
) -> None:
    detector = tiny('detection')
    done = run_tool(
        *(config, checkpoint, folder, '--device', 'cpu'),
        *('--detector', detector.config, detector.checkpoint),
        *('--det-class', 'mouse', '--det-score-thr', '0.1'),
        cwd=folder.parent,
    )
    assert done.returncode == 0, done.stderr
    last_line = done.stdout.splitlines()[-1]
    assert last_line.startswith('3 images, ') and ' 0 instances' not in last_line


def run_tool(*arguments: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, '-W', 'ignore', TOOL, *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True)
