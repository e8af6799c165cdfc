"""Training and testing through the tools, as separate processes."""

import os
import pickle
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from hrnet_mm.checkpoints.loading import read_checkpoint
from tests.engine.conftest import ROOT

pytestmark = pytest.mark.slow


def weights(path: Path) -> dict[str, torch.Tensor]:
    return read_checkpoint(path)['state_dict']


def start_and_kill_after_first_epoch(arguments: list[object], work_dir: Path) -> None:
    with subprocess.Popen(
        list(map(str, [sys.executable, ROOT / 'tools/train.py', *arguments])),
        env=os.environ | {'OMP_NUM_THREADS': '1'},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        deadline = time.monotonic() + 120
        pointer = work_dir / 'last_checkpoint'
        while not (pointer.exists() and pointer.read_text()):
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
    assert not (work_dir / 'epoch_3.pth').exists()


@pytest.mark.parametrize('num_workers', [0, 2])
def test_killed_and_resumed_training_ends_with_the_same_bits(
    run_tool, config: Path, people: Path, tmp_path: Path, num_workers: int
) -> None:
    whole, killed = tmp_path / 'whole', tmp_path / 'killed'
    options = [
        *('--data-root', people, '--seed', 3, '--no-validate', '--cfg-options'),
        'train_cfg.max_epochs=6',
        f'train_dataloader.num_workers={num_workers}',
        f'train_dataloader.persistent_workers={num_workers > 0}',
    ]
    done = run_tool('train.py', config, '--work-dir', whole, *options)
    assert done.returncode == 0, done.stderr
    start_and_kill_after_first_epoch([config, '--work-dir', killed, *options], killed)
    assert not (killed / 'epoch_6.pth').exists()
    done = run_tool('train.py', config, '--work-dir', killed, '--resume', *options)
    assert done.returncode == 0, done.stderr
    assert 'resumed epoch' in done.stdout + done.stderr
    expected, actual = weights(whole / 'epoch_6.pth'), weights(killed / 'epoch_6.pth')
    assert list(actual) == list(expected)
    assert all(torch.equal(actual[name], expected[name]) for name in expected)
    assert not all(torch.equal(w, weights(whole / 'epoch_1.pth')[n]) for n, w in expected.items())


def test_two_processes_train_as_one_on_the_union_batch(
    run_tool, config: Path, people: Path, tmp_path: Path
) -> None:
    options = [
        *('--data-root', people, '--seed', 3, '--no-validate', '--cfg-options'),
        *('model.backbone.norm_cfg.type=GN', 'model.backbone.norm_cfg.num_groups=2'),
        'train_dataloader.sampler.shuffle=True',
        'train_dataloader.dataset.pipeline.2.prob=0.0',
        'train_dataloader.dataset.pipeline.3.shift_prob=0',
        'train_dataloader.dataset.pipeline.3.scale_prob=0',
        'train_dataloader.dataset.pipeline.3.rotate_prob=0',
        *('optim_wrapper.optimizer.type=SGD', 'optim_wrapper.optimizer.lr=0.5'),
        'train_dataloader.drop_last=True',
    ]
    alone = ['--work-dir', tmp_path / 'alone', *options, 'train_dataloader.batch_size=4']
    done = run_tool('train.py', config, *alone)
    assert done.returncode == 0, done.stderr
    torchrun = ('torchrun', '--standalone', '--nproc-per-node=2')
    launcher = (str(Path(sys.executable).with_name(torchrun[0])), *torchrun[1:])
    both = ['--launcher', 'pytorch', '--work-dir', tmp_path / 'both', *options]
    done = run_tool('train.py', config, *both, 'train_dataloader.batch_size=2', launcher=launcher)
    assert done.returncode == 0, done.stderr
    start, expected, actual = (
        weights(tmp_path / path)
        for path in ('alone/epoch_1.pth', 'alone/epoch_3.pth', 'both/epoch_3.pth')
    )
    learned = max((expected[name] - start[name]).abs().max() for name in expected)
    difference = max((actual[name] - expected[name]).abs().max() for name in expected)
    assert learned > 1e-3
    assert difference < 1e-5


def test_train_then_test_writes_predictions_drawings_and_scalars(
    run_tool, config: Path, people: Path, tmp_path: Path
) -> None:
    work_dir = tmp_path / 'run'
    done = run_tool(
        'train.py', config, '--data-root', people, '--work-dir', work_dir, '--tensorboard'
    )
    assert done.returncode == 0, done.stderr
    assert 'eta:' in done.stdout + done.stderr
    assert list(work_dir.glob('*/vis_data/events.out.tfevents*'))
    checkpoint, predictions = work_dir / 'epoch_3.pth', tmp_path / 'predictions.pkl'
    drawn = tmp_path / 'drawn'
    done = run_tool(
        *('test.py', config, checkpoint, '--data-root', people),
        *('--out', predictions, '--show-dir', drawn),
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().splitlines()[-1].startswith('coco/AP ')
    records = pickle.loads(predictions.read_bytes())
    assert records and records[0]['pred_instances']['keypoints'].shape == (1, 17, 2)
    assert len(list(drawn.iterdir())) >= 3
