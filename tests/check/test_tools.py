"""The check as a tool, and before a training."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.forked_tools import Run, error_of
from tests.helpers import ROOT

CONFIG = ROOT / 'tests/robustness/configs/pose.py'
ANNOTATIONS = 'annotations/person_keypoints_train.json'


@pytest.fixture
def spoilt(people: Path, tmp_path: Path) -> Path:
    """People of whom one has a keypoint too few, and another is of no listed image."""
    data = shutil.copytree(people, tmp_path / 'people')
    path = data / ANNOTATIONS
    document = json.loads(path.read_text())
    short, astray, *_ = document['annotations']
    short['keypoints'] = short['keypoints'][3:]
    astray['image_id'] = 4711
    path.write_text(json.dumps(document))
    return data


@pytest.mark.slow
def test_check_names_all_mistakes_and_exits_with_1(spoilt: Path, tmp_path: Path) -> None:
    run = Run('check.py', CONFIG, '--data-root', spoilt, cwd=tmp_path)
    assert 'annotation 1 has 48 numbers in its keypoints' in error_of(run)
    assert f'warning: {spoilt / ANNOTATIONS}: annotation 2 has the image_id 4711' in run.output


@pytest.mark.slow
def test_check_of_clean_data_exits_with_0(people: Path, tmp_path: Path) -> None:
    run = Run('check.py', CONFIG, '--data-root', people, cwd=tmp_path)
    assert run.wait() == 0, run.output
    assert run.output.endswith('nothing is surely wrong, 0 warnings\n')


@pytest.mark.slow
def test_check_draws_what_the_network_gets(people: Path, tmp_path: Path) -> None:
    flags = '--data-root', people, '--show', 'samples', '--show-samples', 2
    run = Run('check.py', CONFIG, *flags, cwd=tmp_path)
    assert run.wait() == 0, run.output
    assert 'samples/sample_01.jpg: ' in run.output and ' of 17 keypoints' in run.output
    assert len(list((tmp_path / 'samples').iterdir())) == 3
    assert not (tmp_path / 'work_dirs').exists()


@pytest.mark.slow
def test_training_stops_at_a_mistake_unless_it_is_told_not_to_look(
    spoilt: Path, tmp_path: Path
) -> None:
    flags = '--data-root', spoilt, '--work-dir', tmp_path / 'run', '--no-validate'
    checked = Run('train.py', CONFIG, *flags, cwd=tmp_path)
    assert 'annotation 1 has 48 numbers' in error_of(checked)
    assert not (tmp_path / 'run').exists()
    unchecked = Run('train.py', CONFIG, *flags, '--no-check', cwd=tmp_path)
    assert 'annotation 1' not in error_of(unchecked)
