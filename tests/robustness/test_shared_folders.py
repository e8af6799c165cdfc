"""Two runs in one folder: the second training is refused, a test is not, nobody's files go."""

from pathlib import Path

import pytest

from hrnet_mm.training.folder_lock import lock, unlock
from tests.forked_tools import Run, error_of
from tests.robustness.trainings import CONFIGS, start_training, start_two

pytestmark = pytest.mark.slow

TESTED = """
_base_ = {base!r}
test_dataloader = _base_.val_dataloader
test_evaluator = _base_.val_evaluator
test_cfg = dict()
"""
ENDLESS = (
    'train_cfg.max_epochs=10000',
    'train_cfg.val_interval=10000',
    'default_hooks.checkpoint.max_keep_ckpts=-1',
)
UNDER_WAY = '.training1.pth'  # as the first training names what it is writing


def test_second_training_is_refused_until_the_first_is_killed(people: Path, tmp_path: Path) -> None:
    """Even if workers of the first outlive it. A test in the same folder is no training."""
    folders = [tmp_path / name for name in ('first', 'second', 'test', 'third')]
    for folder in folders:
        folder.mkdir()
    work_dir = tmp_path / 'run'

    def train(cwd: Path, *flags: object) -> Run:
        return start_training('pose', work_dir, people, cwd, *flags)

    first = train(folders[0], '--cfg-options', *ENDLESS, 'train_dataloader.num_workers=2')
    first.wait_for('[2][1/')
    (work_dir / UNDER_WAY).touch()
    error = error_of(train(folders[1]))
    assert error.startswith(
        f'another training is at work in {work_dir} (process {first.process.pid} '
    )
    (tmp_path / 'pose.py').write_text(TESTED.format(base=str(CONFIGS / 'pose.py')))
    tested = Run(
        *('test.py', tmp_path / 'pose.py', work_dir / 'epoch_1.pth', '--data-root', people),
        *('--work-dir', work_dir),
        cwd=folders[2],
    )
    assert tested.wait() == 0, tested.output
    assert (work_dir / UNDER_WAY).exists()
    assert first.process.is_alive()
    first.process.kill()
    first.process.join()
    third = train(folders[3], '--resume', '--cfg-options', 'train_cfg.max_epochs=1')
    assert third.wait() == 0, third.output
    assert not (work_dir / UNDER_WAY).exists()


def test_folder_of_checkpoints_that_is_in_use_is_refused_too(start, tmp_path: Path) -> None:
    """Of two work folders of the same name, whose ``out_dir`` is one."""
    folder = tmp_path / 'checkpoints/run'
    folder.mkdir(parents=True)
    (folder / UNDER_WAY).touch()
    out = '--cfg-options', f'default_hooks.checkpoint.out_dir={folder.parent}'
    assert lock(folder)
    try:
        error = error_of(start('pose', tmp_path / 'run', *out))
    finally:
        unlock(folder)
    assert error.startswith(f'another training is at work in {folder} (process ')
    assert (folder / UNDER_WAY).exists()
    assert not (tmp_path / 'run').exists()


def test_all_processes_of_a_second_training_are_refused(people: Path, tmp_path: Path) -> None:
    lock(tmp_path)
    try:
        errors = [error_of(run) for run in start_two('pose', tmp_path, people, tmp_path)]
    finally:
        unlock(tmp_path)
    for error in errors:
        assert error.startswith(f'another training is at work in {tmp_path} (process ')
    assert {path.name for path in tmp_path.iterdir()} == {'rank0', 'rank1'}
