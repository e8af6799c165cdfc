"""The launch scripts that OpenMMLab's users know."""

import os
from pathlib import Path

import pytest

from tests.helpers import TOOLS, run_tool

TOO_FEW = {'dist_train': 1, 'dist_test': 2, 'slurm_train': 2, 'slurm_test': 3}


@pytest.mark.parametrize(('script', 'count'), TOO_FEW.items())
def test_missing_arguments_cost_a_sentence(script: str, count: int, tmp_path: Path) -> None:
    done = run_tool(f'{script}.sh', *['word'] * count, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith('usage: ')
    assert len(done.stderr.splitlines()) == 1


@pytest.fixture
def srun(tmp_path: Path) -> str:
    """A search path with an ``srun`` that prints its arguments, for there is no cluster here."""
    program = tmp_path / 'bin' / 'srun'
    program.parent.mkdir()
    program.write_text('#!/usr/bin/env bash\nprintf "%s\\n" "$@"\necho "port $MASTER_PORT"\n')
    program.chmod(0o755)
    return os.pathsep.join((str(program.parent), os.environ['PATH']))


def test_slurm_train_keeps_arguments_whole(srun: str, tmp_path: Path) -> None:
    options = ('work dir', '--cfg-options', 'a=1', 'b="x y"')
    done = run_tool(
        *('slurm_train.sh', 'gpu', 'a job', 'con fig.py', *options),
        **dict(cwd=tmp_path, PATH=srun, GPUS='16', SRUN_ARGS='--exclusive --time 9', PORT='7'),
    )
    lines = done.stdout.splitlines()
    assert lines[:10] == [
        *('--partition', 'gpu', '--job-name', 'a job', '--gres', 'gpu:8'),
        *('--ntasks', '16', '--ntasks-per-node', '8'),
    ]
    assert lines[13:16] == ['--exclusive', '--time', '9']
    script = lines.index(str(TOOLS / 'train.py'))
    assert lines[script + 1 :] == [
        *('con fig.py', '--launcher', 'slurm', '--work-dir', *options),
        'port 7',
    ]


def test_slurm_train_needs_no_work_dir(srun: str, tmp_path: Path) -> None:
    done = run_tool('slurm_train.sh', 'gpu', 'job', 'c.py', '--amp', cwd=tmp_path, PATH=srun)
    assert done.stdout.splitlines()[-5:-1] == ['c.py', '--launcher', 'slurm', '--amp']


def test_slurm_test_passes_the_checkpoint(srun: str, tmp_path: Path) -> None:
    arguments = ('gpu', 'job', 'c.py', 'check point.pth', '--out', 'p.pkl')
    done = run_tool('slurm_test.sh', *arguments, cwd=tmp_path, PATH=srun, GPUS='2')
    lines = done.stdout.splitlines()
    assert 'gpu:2' in lines
    assert lines[-7:-1] == [*('c.py', 'check point.pth', '--launcher', 'slurm', '--out', 'p.pkl')]
