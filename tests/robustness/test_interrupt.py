"""SIGTERM and Ctrl-C save before they leave, and the resumed run does not show it."""

import os
import signal
from functools import partial
from pathlib import Path

import pytest

from hrnet_mm.weights.read import read_checkpoint
from tests.forked_tools import Run
from tests.helpers import equal
from tests.robustness.trainings import (
    CONFIGS,
    FIRST_ITERATION,
    SEED,
    Training,
    assert_equal,
    config_with,
    start_training,
    start_two,
)

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
    run.wait_for(FIRST_ITERATION)
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


@pytest.mark.parametrize('numbers', [(1,), (1, 2)], ids=['stdout', 'stdout-and-stderr'])
def test_training_whose_output_nobody_reads_saves_and_leaves_in_peace(
    start, tmp_path: Path, numbers: tuple[int, ...]
) -> None:
    """As that of ``train.py | tee log``, where Ctrl-C ends tee first."""
    harm = config_with(tmp_path, 'pose', 'SignalAt', name='SIGTERM', number=6)
    run = start(harm, tmp_path / 'run', first=partial(lose_readers, numbers))
    assert run.wait() == 143
    assert (tmp_path / 'run' / SAVED).exists()
    assert 'Logging error' not in run.output and 'Traceback' not in run.output
    [log] = (tmp_path / 'run').glob('*/*.log')
    assert 'Stopped by SIGTERM after iteration 6,' in log.read_text()


def lose_readers(numbers: tuple[int, ...]) -> None:
    """Let descriptors be pipes that nobody reads."""
    reading, writing = os.pipe()
    os.close(reading)
    for number in numbers:
        os.dup2(writing, number)


AVERAGING = """
_base_ = {base!r}
custom_imports = dict(imports=['tests.robustness.at_iteration'])
custom_hooks = [dict(type='EMAHook', momentum=0.5){harm}]
"""


def test_evaluation_of_averaged_weights_is_left_with_both_copies_in_their_places(
    people: Path, tmp_path: Path
) -> None:
    """While it evaluates, EMAHook has exchanged them."""

    def train(name: str, *arguments: object, harm: str = '') -> Run:
        config = tmp_path / 'averaging.py'
        config.write_text(AVERAGING.format(base=str(CONFIGS / 'pose.py'), harm=harm))
        return start_training(config, tmp_path / name, people, tmp_path, *arguments)

    harm = ", dict(type='mmengine.SignalAt', name='SIGTERM', number=2, amid='val')"
    assert train('whole', '--seed', SEED).wait() == 0
    stopped = train('cut', '--seed', SEED, harm=harm)
    assert stopped.wait() == 143, stopped.output
    assert train('cut', '--resume').wait() == 0
    whole, cut = (read_checkpoint(tmp_path / name / 'epoch_3.pth') for name in ('whole', 'cut'))
    assert not equal(
        whole['state_dict']['head.final_layer.bias'],
        whole['ema_state_dict']['module.head.final_layer.bias'],
    )
    for entry in ('state_dict', 'ema_state_dict'):
        assert equal(cut[entry], whole[entry]), entry


TWO = """
_base_ = {base!r}
train_dataloader = dict(batch_size=1)
train_cfg = dict(max_epochs=2)
custom_imports = dict(imports=['tests.robustness.at_iteration'])
custom_hooks = [dict(type='hrnet_mm.InterruptHook', interval=2), {harm}]
"""
TELL_ONE = "dict(type='mmengine.SignalAt', name='SIGTERM', number=3, rank=1)"


def test_processes_of_one_training_stop_together(people: Path, tmp_path: Path) -> None:
    """One of two is told to stop; both do, after the same iteration."""

    def train(name: str, *arguments: object, harm: str = '') -> tuple[list[int], str]:
        """The exit codes, and what the first has printed."""
        config = tmp_path / f'two{len(harm)}.py'
        config.write_text(TWO.format(base=str(CONFIGS / 'pose.py'), harm=harm))
        runs = start_two(config, tmp_path / name, people, tmp_path, *arguments)
        return [run.wait() for run in runs], runs[0].output

    assert train('whole', '--seed', SEED)[0] == [0, 0]
    codes, output = train('cut', '--seed', SEED, harm=TELL_ONE)
    assert codes == [143, 143], output
    assert 'Stopped by SIGTERM after iteration 4,' in output
    assert train('cut', '--resume')[0] == [0, 0]
    whole, cut = (read_checkpoint(tmp_path / name / 'epoch_2.pth') for name in ('whole', 'cut'))
    assert equal(cut['state_dict'], whole['state_dict'])
