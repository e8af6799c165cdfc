"""NaN stops a training with the files of its batch, and reaches no checkpoint."""

from pathlib import Path

import pytest

from hrnet_mm.weights.read import read_checkpoint
from tests.forked_tools import error_of
from tests.robustness.trainings import SEED, Training, config_with

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ('config', 'number', 'saved'), [('pose', 6, 'epoch_1'), ('seg', 6, 'iter_4')]
)
def test_loss_that_is_nan_names_the_iteration_and_the_files(
    start, tmp_path: Path, config: str, number: int, saved: str
) -> None:
    training = Training(config, tmp_path / 'run')
    harm = config_with(tmp_path, config, 'PoisonAt', number=number)
    error, *files = error_of(start(harm, training.work_dir, '--seed', SEED)).splitlines()
    assert error.startswith(f'the loss of iteration {number} is nan')
    assert files and all(Path(file).is_file() for file in files)
    assert training.named.stem == saved
    weights = read_checkpoint(training.named)['state_dict']
    assert all(weight.isfinite().all() for weight in weights.values())


def test_weights_that_are_nan_replace_no_good_ones(start, tmp_path: Path) -> None:
    training = Training('pose', tmp_path / 'run')
    harm = config_with(tmp_path, 'pose', 'PoisonAt', number=8, late=True)
    error = error_of(start(harm, training.work_dir, '--seed', SEED))
    assert 'hold NaN or infinity (backbone.conv1.weight): they are not saved' in error
    assert training.named.name == 'epoch_1.pth'
