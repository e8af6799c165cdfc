"""A training that is killed loses nothing but the time since its last checkpoint.

``KILLED_RUNS=20 pytest -s tests/robustness/test_kill.py -k any_moment`` kills more than two.
"""

import os
import random
import signal
import time
from pathlib import Path

import pytest

from hrnet_mm.training.resume import read_training_checkpoint
from tests.forked_tools import error_of
from tests.robustness.trainings import (
    FIRST_ITERATION,
    SEED,
    Training,
    allow_small_files_only,
    assert_equal,
    config_with,
    die_in_large_files,
)

RUNS = int(os.environ.get('KILLED_RUNS', '2'))
ONE_EPOCH = ('--seed', SEED, '--cfg-options', 'train_cfg.max_epochs=1')


@pytest.fixture
def one_epoch(start, tmp_path: Path) -> Training:
    run = start('pose', tmp_path / 'cut', *ONE_EPOCH)
    assert run.wait() == 0, run.output
    return Training('pose', tmp_path / 'cut')


def hidden(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir() if path.name.startswith('.')]


@pytest.mark.slow
@pytest.mark.parametrize('number', range(RUNS))
def test_killed_at_any_moment_and_resumed_it_ends_as_if_it_had_not_been(
    start, whole, tmp_path: Path, number: int
) -> None:
    config = ('pose', 'seg')[number % 2]
    cut, seconds = Training(config, tmp_path / 'cut'), random.random() * whole(config).seconds
    run = start(config, cut.work_dir, '--seed', SEED)
    run.wait_for(FIRST_ITERATION)
    time.sleep(seconds)
    run.process.kill()
    told = f'{config} after {seconds:.2f} s: {"killed" if run.wait() else "had ended"}'
    if cut.pointer.exists():
        told += f'; it has {cut.named.name}'
        read_training_checkpoint(cut.named)
    print(told)
    resumed = start(config, cut.work_dir, '--seed', SEED, '--resume')
    assert resumed.wait() == 0, resumed.output
    assert_equal(cut, whole(config))
    assert hidden(cut.work_dir) == []


@pytest.mark.slow
def test_killed_while_it_writes_a_checkpoint_it_has_the_one_before(
    start, whole, one_epoch: Training
) -> None:
    dying = start('pose', one_epoch.work_dir, '--resume', first=die_in_large_files)
    assert dying.wait() == -signal.SIGXFSZ, dying.output
    assert len(hidden(one_epoch.work_dir)) == 1  # what it was writing
    assert one_epoch.named.name == 'epoch_1.pth'
    read_training_checkpoint(one_epoch.named)
    resumed = start('pose', one_epoch.work_dir, '--resume')
    assert resumed.wait() == 0, resumed.output
    assert_equal(one_epoch, whole('pose'))
    assert hidden(one_epoch.work_dir) == []


@pytest.mark.slow
def test_full_disk_stops_the_training_with_a_sentence_and_the_last_checkpoint(
    start, whole, one_epoch: Training
) -> None:
    failing = start('pose', one_epoch.work_dir, '--resume', first=allow_small_files_only)
    assert 'epoch_2.pth cannot be written (File too large); what was saved' in error_of(failing)
    assert one_epoch.named.name == 'epoch_1.pth'
    assert hidden(one_epoch.work_dir) == []
    resumed = start('pose', one_epoch.work_dir, '--resume')
    assert resumed.wait() == 0, resumed.output
    assert_equal(one_epoch, whole('pose'))


@pytest.mark.slow
def test_an_evaluation_that_was_killed_is_done_on_resume(start, whole, tmp_path: Path) -> None:
    """Of the last one no metric would be left else, and no best checkpoint."""
    cut = Training('pose', tmp_path / 'cut')
    harm = config_with(tmp_path, 'pose', 'SignalAt', name='SIGKILL', number=2, amid='val')
    epochs = '--cfg-options', 'train_cfg.val_interval=3'
    assert start(harm, cut.work_dir, '--seed', SEED, *epochs).wait() == -signal.SIGKILL
    assert cut.last.exists()
    for _ in range(2):  # the second time there is nothing left to do
        resumed = start('pose', cut.work_dir, '--resume', *epochs)
        assert resumed.wait() == 0, resumed.output
    assert_equal(cut, whole('pose'))
    assert (cut.work_dir / 'best_EPE_epoch_3.pth').exists()
    assert resumed.output.count('Evaluating') == 0
