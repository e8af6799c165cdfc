"""Folders that cannot be written and networks that cannot be built cost a sentence."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.forked_tools import error_of
from tests.robustness.trainings import SEED, Training, assert_equal

pytestmark = pytest.mark.slow


@pytest.fixture
def read_only(tmp_path: Path) -> Iterator[Path]:
    """A folder in which not even root can write."""
    folder = tmp_path / 'read only'
    folder.mkdir()
    folder.chmod(0o555)
    frozen = subprocess.run(['chattr', '+i', folder], capture_output=True).returncode == 0
    try:
        (folder / 'probe').touch()
    except OSError:
        yield folder
    else:
        pytest.skip('this user may write everywhere, and the file system has no immutable folders')
    finally:
        if frozen:
            subprocess.run(['chattr', '-i', folder], check=True)


def test_read_only_output_folder_is_told_so(start, read_only: Path) -> None:
    error = error_of(start('pose', read_only / 'run'))
    assert error.startswith(f'--work-dir {read_only}/run: nothing can be written there (')


def test_output_folder_below_a_file_is_told_so(start, tmp_path: Path) -> None:
    (tmp_path / 'file').write_text('kept')
    error = error_of(start('pose', tmp_path / 'file' / 'run'))
    assert error == (
        f'--work-dir {tmp_path}/file/run: nothing can be written there (Not a directory); '
        'name another folder'
    )
    assert (tmp_path / 'file').read_text() == 'kept'


def test_missing_folders_and_any_letters_are_fine(start, whole, tmp_path: Path) -> None:
    training = Training('seg', tmp_path / 'not yet there' / 'прогон 人 é [1]')
    run = start('seg', training.work_dir, '--seed', SEED)
    assert run.wait() == 0, run.output
    assert_equal(training, whole('seg'))
    assert training.named == training.last


@pytest.mark.parametrize(
    ('options', 'told'),
    [
        (
            ['model.backbone.arch=w33', 'model.backbone.extra=None'],
            "model.backbone: arch='w33' is not an HRNet",
        ),
        (
            ['model.backbone.extra.stage3.num_blocks=[1,1]'],
            "extra['stage3']['num_blocks'] is [1, 1]; it must hold one number for each of the 3",
        ),
    ],
)
def test_network_that_cannot_be_built_is_told_so(
    start, tmp_path: Path, options: list[str], told: str
) -> None:
    error = error_of(start('pose', tmp_path / 'run', '--cfg-options', *options))
    assert error.startswith(told)
    assert not (tmp_path / 'run').exists()
