"""--resume goes on from the newest whole checkpoint, says what it skipped, and changes no bit."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from hrnet_mm.base.config import read_config
from hrnet_mm.base.errors import UserError
from hrnet_mm.base.safe_load import safe_load
from hrnet_mm.training.resume import prepare_resume
from tests.helpers import RunsCode
from tests.robustness.trainings import CONFIGS, SEED, Training, assert_equal, config_with

pytestmark = pytest.mark.slow


def truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def bit_flipped(path: Path) -> None:
    """In a weight: the file still loads."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    safe_load(path)


def empty(path: Path) -> None:
    path.write_bytes(b'')


def hostile(path: Path) -> None:
    torch.save(dict(meta=RunsCode(path.with_name('payload'))), path)


def weights_only(path: Path) -> None:
    torch.save(dict(state_dict={}), path)


def absent(path: Path) -> None:
    path.unlink()


DAMAGES = {
    truncated: r'epoch_3\.pth cannot be read',
    bit_flipped: r'epoch_3\.pth is damaged: .* fails its checksum',
    empty: r'epoch_3\.pth is empty',
    hostile: r'epoch_3\.pth is refused',
    weights_only: r'epoch_3\.pth holds weights only',
    absent: r'there is no checkpoint .*epoch_3\.pth',
}


def notes_of_resuming(training: Training, **options: object) -> list[str]:
    """What --resume prepares and says before the training starts."""
    cfg = read_config(CONFIGS / f'{training.config}.py')
    cfg.merge_from_dict(dict(work_dir=str(training.work_dir), resume=True, **options))
    return prepare_resume(cfg)


def test_whole_checkpoint_is_taken_without_a_word(copy_of_whole) -> None:
    training = copy_of_whole('pose')
    assert notes_of_resuming(training) == []
    assert training.named == training.last


@pytest.mark.parametrize('damage', DAMAGES, ids=lambda damage: damage.__name__)
def test_broken_last_checkpoint_is_skipped_for_the_one_before(
    copy_of_whole, damage: Callable[[Path], None]
) -> None:
    training = copy_of_whole('pose')
    damage(training.last)
    skipped, resuming = notes_of_resuming(training)
    assert re.fullmatch(f'skipped: .*{DAMAGES[damage]}.*', skipped)
    assert resuming == f'resuming {training.work_dir}/epoch_2.pth'
    assert training.named.name == 'epoch_2.pth'
    assert not training.last.with_name('payload').exists()


@pytest.mark.parametrize('text', ['', '/gone/epoch_3.pth', None], ids=['empty', 'moved', 'absent'])
def test_pointer_that_names_no_file_is_mended(copy_of_whole, text: str | None) -> None:
    training = copy_of_whole('pose')
    training.pointer.unlink() if text is None else training.pointer.write_text(text)
    assert notes_of_resuming(training) == [f'resuming {training.last}']
    assert training.named == training.last


def test_where_no_checkpoint_is_whole_nothing_is_overwritten(copy_of_whole) -> None:
    training = copy_of_whole('pose')
    truncated(training.last)
    empty(training.work_dir / 'epoch_2.pth')
    with pytest.raises(UserError, match=r'epoch_3\.pth cannot be read.*epoch_2\.pth is empty'):
        notes_of_resuming(training)


def test_where_there_never_was_one_the_training_starts(tmp_path: Path) -> None:
    [note] = notes_of_resuming(Training('pose', tmp_path / 'new'))
    assert note == f'there is no checkpoint in {tmp_path}/new yet: training starts at the beginning'


def test_named_checkpoint_is_checked_to_the_last_bit(copy_of_whole) -> None:
    training = copy_of_whole('pose')
    bit_flipped(training.last)
    with pytest.raises(UserError, match='fails its checksum'):
        notes_of_resuming(training, load_from=str(training.last))


@pytest.mark.parametrize(('config', 'saved'), [('pose', 'epoch_2.pth'), ('seg', 'iter_4.pth')])
def test_resumed_with_other_workers_and_no_seed_it_ends_with_the_same_bits(
    start, whole, copy_of_whole, config: str, saved: str
) -> None:
    """Segmentation has dropout, an endless sampler, and a batch that two passes share."""
    training = copy_of_whole(config)
    training.last.unlink()
    workers = 'train_dataloader.num_workers=2', 'train_dataloader.persistent_workers=True'
    path = training.work_dir / saved
    run = start(config, training.work_dir, '--resume', path, '--cfg-options', *workers)
    assert run.wait() == 0, run.output
    assert_equal(training, whole(config))


def test_checkpoint_that_mmengine_wrote_resumes(start, whole, copy_of_whole) -> None:
    """Of a run without our hooks; what it saved has no position amid an epoch."""
    training = copy_of_whole('pose')
    checkpoint = safe_load(training.work_dir / 'epoch_2.pth')
    del checkpoint['meta']['position']
    torch.save(checkpoint, training.work_dir / 'epoch_2.pth')
    training.pointer.write_text(str(training.work_dir / 'epoch_2.pth'))
    run = start('pose', training.work_dir, '--resume')
    assert run.wait() == 0, run.output
    assert_equal(training, whole('pose'))


def test_config_in_a_checkpoint_is_not_run(start, whole, copy_of_whole, tmp_path: Path) -> None:
    """MMEngine runs ``meta['config']``, if there is one, when it resumes."""
    training = copy_of_whole('pose')
    checkpoint = safe_load(training.work_dir / 'epoch_2.pth')
    checkpoint['meta']['config'] = f"open('{tmp_path}/payload', 'w').close()"
    torch.save(checkpoint, training.work_dir / 'epoch_2.pth')
    run = start('pose', training.work_dir, '--resume', training.work_dir / 'epoch_2.pth')
    assert run.wait() == 0, run.output
    assert not (tmp_path / 'payload').exists()
    assert_equal(training, whole('pose'))


def test_another_batch_size_repeats_the_interrupted_epoch(start, tmp_path: Path) -> None:
    harm = config_with(tmp_path, 'pose', 'SignalAt', name='SIGTERM', number=6)
    assert start(harm, tmp_path / 'run', '--seed', SEED).wait() == 143
    smaller = '--cfg-options', 'train_dataloader.batch_size=3', 'train_cfg.max_epochs=2'
    run = start('pose', tmp_path / 'run', '--resume', *smaller)
    assert run.wait() == 0, run.output
    assert 'Epoch(train) [2][5/5]' in run.output
