"""SIGTERM and Ctrl-C save before they leave, and the resumed run does not show it."""

import os
import signal
import time
from pathlib import Path

import pytest

from tests.robustness.conftest import SEED, Training, assert_equal
from tests.robustness.harm import config_with

pytestmark = pytest.mark.slow

SAVED = 'interrupted.pth'


@pytest.mark.parametrize(
    ('config', 'name', 'moment', 'code'),
    [
        ('pose', 'SIGTERM', dict(number=6), 143),
        ('pose', 'SIGINT', dict(number=8), 130),  # the last of an epoch
        ('pose', 'SIGTERM', dict(number=2, amid='val'), 143),
        ('seg', 'SIGINT', dict(number=3), 130),
    ],
    ids=['amid-an-epoch', 'at-its-end', 'amid-an-evaluation', 'amid-iterations'],
)
def test_what_is_trained_is_saved_and_the_rest_follows_exactly(
    start, whole, tmp_path: Path, config: str, name: str, moment: dict, code: int
) -> None:
    cut = Training(config, tmp_path / 'cut')
    harm = config_with(tmp_path, config, 'SignalAt', name=name, **moment)
    stopped = start(harm, cut.work_dir, '--seed', SEED)
    assert stopped.wait() == code, stopped.output
    assert f'{name}: finishing this iteration, then saving' in stopped.output
    assert '--resume goes on from there' in stopped.output
    assert cut.named == cut.work_dir / SAVED
    resumed = start(config, cut.work_dir, '--resume')
    assert resumed.wait() == 0, resumed.output
    assert_equal(cut, whole(config))
    assert not (cut.work_dir / SAVED).exists()


@pytest.mark.parametrize('config', ['pose', 'seg'])
def test_signal_to_all_processes_spares_the_workers(
    start, whole, tmp_path: Path, config: str
) -> None:
    """As Ctrl-C in a terminal and SLURM send it: the batch under way still arrives."""
    cut = Training(config, tmp_path / 'cut')
    workers = '--cfg-options', 'train_dataloader.num_workers=2'
    run = start(config, cut.work_dir, '--seed', SEED, *workers)
    while 'Epoch(train) [1][1' not in run.output and run.process.is_alive():
        time.sleep(0.01)
    os.killpg(run.process.pid, signal.SIGTERM)
    assert run.wait() == 143, run.output
    resumed = start(config, cut.work_dir, '--resume')
    assert resumed.wait() == 0, resumed.output
    assert_equal(cut, whole(config))


def test_second_ctrl_c_leaves_at_once(start, tmp_path: Path) -> None:
    harm = config_with(tmp_path, 'pose', 'SignalAt', name='SIGINT', number=2, times=2)
    run = start(harm, tmp_path / 'run')
    assert run.wait() == 1
    assert run.output.rstrip().endswith('stopped')
    assert not (tmp_path / 'run' / SAVED).exists()


def test_accumulated_gradients_are_not_lost(start, tmp_path: Path) -> None:
    """Told to stop at the first of two iterations that share a step, it waits for the second."""
    harm = config_with(tmp_path, 'pose', 'SignalAt', name='SIGTERM', number=1)
    run = start(harm, tmp_path / 'run', '--cfg-options', 'optim_wrapper.accumulative_counts=2')
    assert run.wait() == 143, run.output
    assert 'Stopped by SIGTERM after iteration 2,' in run.output
