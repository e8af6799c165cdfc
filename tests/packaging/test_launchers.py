"""The launch scripts that OpenMMLab's users know."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers import CONFIGS, TOOLS, reserved_port

DEMO = CONFIGS / 'demo' / 'hrnet_small_synthetic_128x96.py'
ONE_EPOCH = ('train_cfg.max_epochs=1', 'train_cfg.val_interval=1', 'train_dataloader.batch_size=4')
TOO_FEW = {'dist_train': 1, 'dist_test': 2, 'slurm_train': 2, 'slurm_test': 3}


def launch(
    script: str, *arguments: object, cwd: Path, path: str = '', **variables: str
) -> subprocess.CompletedProcess:
    programs = os.pathsep.join((path, str(Path(sys.executable).parent), os.environ['PATH']))
    env = {**os.environ, 'PATH': programs.lstrip(os.pathsep), 'OMP_NUM_THREADS': '1', **variables}
    command = list(map(str, (TOOLS / f'{script}.sh', *arguments)))
    return subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True)


@pytest.mark.parametrize(('script', 'count'), TOO_FEW.items())
def test_missing_arguments_cost_a_sentence(script: str, count: int, tmp_path: Path) -> None:
    done = launch(script, *['word'] * count, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith('usage: ')
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.slow
def test_processes_train_and_test(workplace: Path) -> None:
    options = ('--work-dir', 'two processes', '--cfg-options', *ONE_EPOCH)
    with reserved_port() as port:
        trained = launch('dist_train', DEMO, 2, *options, cwd=workplace, PORT=str(port))
    assert trained.returncode == 0, trained.stderr
    checkpoint = workplace / 'two processes' / 'epoch_1.pth'
    with reserved_port() as port:
        tested = launch('dist_test', DEMO, checkpoint, 1, cwd=workplace, PORT=str(port))
    assert tested.returncode == 0, tested.stderr
    assert 'coco/AP' in tested.stdout


@pytest.fixture
def srun(tmp_path: Path) -> Path:
    """A folder with an ``srun`` that prints its arguments, for there is no cluster here."""
    program = tmp_path / 'bin' / 'srun'
    program.parent.mkdir()
    program.write_text('#!/usr/bin/env bash\nprintf "%s\\n" "$@"\necho "port $MASTER_PORT"\n')
    program.chmod(0o755)
    return program.parent


def test_slurm_train_keeps_arguments_whole(srun: Path, tmp_path: Path) -> None:
    options = ('work dir', '--cfg-options', 'a=1', 'b="x y"')
    done = launch(
        *('slurm_train', 'gpu', 'a job', 'con fig.py', *options),
        **dict(cwd=tmp_path, path=str(srun), GPUS='16', SRUN_ARGS='--exclusive --time 9', PORT='7'),
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


def test_slurm_train_needs_no_work_dir(srun: Path, tmp_path: Path) -> None:
    done = launch('slurm_train', 'gpu', 'job', 'c.py', '--amp', cwd=tmp_path, path=str(srun))
    assert done.stdout.splitlines()[-5:-1] == ['c.py', '--launcher', 'slurm', '--amp']


def test_slurm_test_passes_the_checkpoint(srun: Path, tmp_path: Path) -> None:
    arguments = ('gpu', 'job', 'c.py', 'check point.pth', '--out', 'p.pkl')
    done = launch('slurm_test', *arguments, cwd=tmp_path, path=str(srun), GPUS='2')
    lines = done.stdout.splitlines()
    assert 'gpu:2' in lines
    assert lines[-7:-1] == [*('c.py', 'check point.pth', '--launcher', 'slurm', '--out', 'p.pkl')]
