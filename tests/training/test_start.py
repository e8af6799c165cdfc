"""A run that fails before its first iteration removes what it has made, and nothing else."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from mmengine.runner import Runner

from hrnet_mm.base.config import read_config, set_data_root
from hrnet_mm.training.folder_lock import LOCK
from hrnet_mm.training.hooks.training_id import LAST_TRAINING
from hrnet_mm.training.run import test as evaluate
from hrnet_mm.training.run import train
from hrnet_mm.training.start import NAME_OF_A_LOG_FOLDER
from hrnet_mm.weights.checkpoint import Checkpoint
from tests.helpers import ROOT

CONFIG = ROOT / 'tests/robustness/configs/pose.py'

pytestmark = pytest.mark.usefixtures('unformatted_configs')


class Planted(Exception):
    pass


@HOOKS.register_module()
class FailsAtAMoment(Hook):
    """Calls ``plant`` at a moment, then fails. A config cannot hold what it calls."""

    moment = ''
    plant: Callable[[Runner], object]
    error: BaseException

    def __init__(self) -> None:
        setattr(self, self.moment, self.fail)

    def fail(self, runner: Runner, *args: object, **kwargs: object) -> None:
        type(self).plant(runner)
        raise self.error


@pytest.fixture
def failing(people: Path, tmp_path: Path) -> Callable[..., Config]:
    def failing(
        moment: str = 'before_train',
        plant: Callable[[Runner], object] = lambda runner: None,
        error: BaseException | None = None,
    ) -> Config:
        FailsAtAMoment.moment, FailsAtAMoment.plant = moment, plant
        FailsAtAMoment.error = error or Planted()
        cfg = read_config(CONFIG)
        set_data_root(cfg, str(people))
        cfg.merge_from_dict(dict(work_dir=str(tmp_path / 'work_dirs/sweep/a')))
        cfg.custom_hooks = [dict(type='mmengine.FailsAtAMoment')]
        return cfg

    return failing


def everything(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob('*') if path.is_file()}


@pytest.mark.parametrize(
    ('moment', 'error'),
    [
        ('before_run', Planted()),
        ('before_train', KeyboardInterrupt()),
        ('before_train_iter', SystemExit(3)),
    ],
)
def test_nothing_is_left(failing, tmp_path: Path, moment: str, error: BaseException) -> None:
    with pytest.raises(type(error)):
        train(failing(moment, error=error))
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_left_of_a_runner_that_cannot_be_built(failing, tmp_path: Path) -> None:
    for key in ('model', 'log_processor', 'default_hooks'):  # before the log, and after it
        cfg = failing()
        cfg.experiment_name = key  # else the same within a second, and MMEngine's visualizer too
        cfg.merge_from_dict({f'{key}.no_such_thing': dict(type='Unknown')})
        with pytest.raises((TypeError, KeyError)):
            train(cfg)
        assert list(tmp_path.iterdir()) == [], key


def test_all_is_left_of_a_run_that_has_begun(failing, tmp_path: Path) -> None:
    with pytest.raises(Planted):
        train(failing('after_train_epoch'))
    left = {path.name for path in (tmp_path / 'work_dirs/sweep/a').iterdir()}
    assert LAST_TRAINING in left and 'pose.py' in left and len(left) == 3  # and the log's folder
    assert LOCK not in left


def test_what_others_have_written_meanwhile_is_left(failing, tmp_path: Path) -> None:
    """In the same folders, which were not there when it began."""
    work_dir = tmp_path / 'work_dirs/sweep/a'
    of_others = [
        *(work_dir / name for name in ('epoch_9.pth', 'notes.txt', '.1.pth', '20260101_000000/l')),
        *(tmp_path / 'work_dirs' / name for name in ('sweep/b/epoch_5.pth', 'c/epoch_1.pth')),
    ]

    def plant(runner: Runner) -> None:
        checkpoint = Path(runner.log_dir, 'vis_data/epoch_1.pth')
        checkpoint.parent.mkdir(exist_ok=True)
        for path in (*of_others, checkpoint):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text('of another')
        of_others.append(checkpoint)

    with pytest.raises(Planted):
        train(failing(plant=plant))
    assert everything(tmp_path) == dict.fromkeys(of_others, b'of another')


def test_what_was_there_is_left_by_a_test_that_fails(failing, tmp_path: Path) -> None:
    """Of a training in the same folder, whose config has the same name."""
    cfg = failing('before_test')
    cfg.train_cfg.max_epochs = 1
    trained = Path(train(cfg).work_dir, 'epoch_1.pth')
    before = everything(tmp_path)
    assert len(before) > 3
    cfg = failing('before_test')
    cfg.test_dataloader, cfg.test_evaluator, cfg.test_cfg = (
        cfg[f'val_{key}'] for key in ('dataloader', 'evaluator', 'cfg')
    )
    with pytest.raises(Planted):
        evaluate(cfg, Checkpoint(str(trained)))
    assert everything(tmp_path) == before


def test_config_of_the_earlier_training_is_left_by_a_start_that_fails(failing, tmp_path) -> None:
    config = tmp_path / 'work_dirs/sweep/a/pose.py'
    config.parent.mkdir(parents=True)
    config.write_text('arch = 8')
    with pytest.raises(Planted):
        train(failing())
    assert config.read_text() == 'arch = 8'
    with pytest.raises(Planted):  # another run has written its own meanwhile
        train(failing(plant=lambda runner: config.write_text('arch = 16')))
    assert config.read_text() == 'arch = 16'


def test_the_log_folder_of_a_run_that_began_in_the_same_second_is_not_taken(
    failing, tmp_path: Path
) -> None:
    names = [
        time.strftime(NAME_OF_A_LOG_FOLDER, time.localtime(time.time() + second))
        for second in range(600)
    ]
    for name in names:
        (tmp_path / 'work_dirs/sweep/a' / name).mkdir(parents=True)
    taken = []
    with pytest.raises(Planted):
        train(failing(plant=lambda runner: taken.append(runner.timestamp)))
    assert taken and taken[0] not in names
    assert sorted(path.name for path in (tmp_path / 'work_dirs/sweep/a').iterdir()) == names
