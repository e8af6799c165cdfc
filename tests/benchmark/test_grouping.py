"""The grouping of people beside the rules written out and mmpose's codec."""

import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from benchmark.grouping import NAMES, PEOPLE


def test_times_all_in_turns(
    load_tool: Callable[[str], ModuleType], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    load_tool('benchmark').main(['--grouping', '--quick', '--threads', '1', '--out', str(tmp_path)])
    lines = capsys.readouterr().out.splitlines()
    heading = next(line for line in lines if line.startswith('people'))
    assert [heading.count(text) for text in ('plain', 'mmpose')] == [2, 3]
    assert all(len(line) <= 100 for line in lines if str(tmp_path) not in line)
    scenes = json.loads((tmp_path / 'grouping.json').read_text())['scenes']
    assert [scene['people'] for scene in scenes] == list(PEOPLE)
    assert all(len(scene['seconds'][name]) == 2 for scene in scenes for name in NAMES)
