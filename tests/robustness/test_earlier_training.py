"""What an earlier training has left in a folder is neither taken for a new one's own nor lost."""

import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.robustness.trainings import SEED, Training, assert_equal, config_with

pytestmark = pytest.mark.slow

KILLED = -signal.SIGKILL
ONE_EVALUATION = ('--cfg-options', 'train_cfg.val_interval=3')


@pytest.fixture
def evaluated_on_resume(start, whole, tmp_path: Path) -> Callable[..., None]:
    """Kill a training with these flags amid its last evaluation, and resume it."""

    def evaluated_on_resume(training: Training, *flags: object) -> None:
        harm = config_with(tmp_path, 'pose', 'SignalAt', name='SIGKILL', number=2, amid='val')
        assert start(harm, training.work_dir, *flags, *ONE_EVALUATION).wait() == KILLED
        resumed = start('pose', training.work_dir, '--resume', *ONE_EVALUATION)
        assert resumed.wait() == 0, resumed.output
        assert resumed.output.count('Evaluating') == 1
        assert_equal(training, whole('pose'))

    return evaluated_on_resume


def test_mark_of_an_earlier_training_spares_no_evaluation(
    evaluated_on_resume, copy_of_whole
) -> None:
    """It ended after as many iterations as the new one, which is killed amid its evaluation."""
    evaluated_on_resume(copy_of_whole('pose'), '--seed', SEED)


def test_mark_of_its_own_future_spares_no_evaluation(evaluated_on_resume, copy_of_whole) -> None:
    """It is resumed from a checkpoint before the last, and killed amid the last evaluation."""
    training = copy_of_whole('pose')
    evaluated_on_resume(training, '--resume', training.work_dir / 'epoch_2.pth')


def test_new_training_resumes_no_checkpoint_of_an_earlier_one_and_keeps_what_it_interrupted(
    start, whole, copy_of_whole, tmp_path: Path
) -> None:
    training = copy_of_whole('pose')
    shutil.copy(training.last, training.work_dir / 'interrupted.pth')
    interrupted = training.last.read_bytes()
    harm = config_with(tmp_path, 'pose', 'SignalAt', name='SIGKILL', number=3)
    assert start(harm, training.work_dir, '--seed', SEED).wait() == KILLED
    resumed = start('pose', training.work_dir, '--resume', '--seed', SEED)
    assert resumed.wait() == 0, resumed.output
    assert 'has saved no checkpoint: it starts at the beginning; epoch_3.pth' in resumed.output
    assert_equal(training, whole('pose'))
    [kept] = training.work_dir.glob('interrupted_before_*.pth')
    assert kept.read_bytes() == interrupted
    assert not (training.work_dir / 'interrupted.pth').exists()


def test_start_that_fails_leaves_the_folder_to_the_earlier_training(
    start, whole, copy_of_whole, tmp_path: Path
) -> None:
    training = copy_of_whole('pose')
    failed = start('pose', training.work_dir, '--cfg-options', 'val_evaluator.type=Unknown')
    assert failed.wait() == 1
    resumed = start('pose', training.work_dir, '--resume')
    assert resumed.wait() == 0, resumed.output
    assert 'Evaluating' not in resumed.output
    assert_equal(training, whole('pose'))


def test_training_resumed_in_another_folder_leaves_the_first_as_it_is(
    start, whole, tmp_path: Path
) -> None:
    """Its best checkpoint, too, when it finds a better one."""
    first, second = (Training('pose', tmp_path / name) for name in ('first', 'second'))
    one_epoch = '--seed', SEED, '--cfg-options', 'train_cfg.max_epochs=1'
    assert start('pose', first.work_dir, *one_epoch).wait() == 0
    before = sorted(first.work_dir.iterdir())
    assert first.work_dir / 'best_EPE_epoch_1.pth' in before
    second.work_dir.mkdir()
    (second.work_dir / 'epoch_1.pth').write_text('of another')
    resumed = start('pose', second.work_dir, '--resume', first.named)
    assert resumed.wait() == 0, resumed.output
    assert 'is saved to best_EPE_epoch_2.pth' in resumed.output
    assert sorted(first.work_dir.iterdir()) == before
    assert (second.work_dir / 'epoch_1.pth').read_text() == 'of another'
    assert_equal(second, whole('pose'))
