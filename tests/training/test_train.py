"""Training and testing through the tools, as separate processes.

What a kill leaves, and how a run resumes, is in tests/robustness.
"""

import pickle
from pathlib import Path

import pytest
import torch

from hrnet_mm.kernels.cpu import computes_in
from hrnet_mm.weights.read import read_checkpoint
from tests import helpers
from tests.forked_tools import run_tool
from tests.models_of_hosts import POSE_TRAINING
from tests.weights import official

pytestmark = pytest.mark.slow


@pytest.fixture(scope='module')
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pose config small enough to train in seconds."""
    path = tmp_path_factory.mktemp('config') / 'tiny_pose.py'
    path.write_text(POSE_TRAINING.format(configs=helpers.CONFIGS))
    return path


def weights(path: Path) -> dict[str, torch.Tensor]:
    return read_checkpoint(path)['state_dict']


def test_two_processes_train_as_one_on_the_union_batch(
    config: Path, people: Path, tmp_path: Path
) -> None:
    norm = 'model.backbone.norm_cfg.type=GN', 'model.backbone.norm_cfg.num_groups=2'
    options = [
        *('--data-root', people, '--seed', 3, '--no-validate', '--cfg-options', *norm),
        'train_dataloader.sampler.shuffle=True',
        'train_dataloader.dataset.pipeline.2.prob=0.0',
        'train_dataloader.dataset.pipeline.3.shift_prob=0',
        'train_dataloader.dataset.pipeline.3.scale_prob=0',
        'train_dataloader.dataset.pipeline.3.rotate_prob=0',
        *('optim_wrapper.optimizer.type=SGD', 'optim_wrapper.optimizer.lr=0.5'),
        'train_dataloader.drop_last=True',
    ]
    alone = ['--work-dir', tmp_path / 'alone', *options, 'train_dataloader.batch_size=4']
    done = run_tool('train.py', config, *alone, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    both = ['--work-dir', tmp_path / 'both', *options, 'train_dataloader.batch_size=2']
    with helpers.reserved_port() as port:
        done = helpers.run_tool('dist_train.sh', config, 2, *both, cwd=tmp_path, PORT=str(port))
    assert done.returncode == 0, done.stderr
    start, expected, actual = (
        weights(tmp_path / path)
        for path in ('alone/epoch_1.pth', 'alone/epoch_3.pth', 'both/epoch_3.pth')
    )
    learned = max((expected[name] - start[name]).abs().max() for name in expected)
    difference = max((actual[name] - expected[name]).abs().max() for name in expected)
    assert learned > 1e-3
    assert difference < 1e-5
    test = config, tmp_path / 'both/epoch_3.pth', 1, '--data-root', people, '--cfg-options', *norm
    with helpers.reserved_port() as port:
        done = helpers.run_tool('dist_test.sh', *test, cwd=tmp_path, PORT=str(port))
    assert done.returncode == 0, done.stderr
    assert 'coco/AP' in done.stdout


def test_train_then_test_writes_predictions_drawings_and_scalars(
    config: Path, people: Path, tmp_path: Path
) -> None:
    work_dir = tmp_path / 'run'
    flags = '--data-root', people, '--work-dir', work_dir, '--tensorboard'
    done = run_tool('train.py', config, *flags, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert 'eta:' in done.stdout + done.stderr
    assert list(work_dir.glob('*/vis_data/events.out.tfevents*'))
    checkpoint, predictions = work_dir / 'epoch_3.pth', tmp_path / 'predictions.pkl'
    drawn = tmp_path / 'drawn'
    done = run_tool(
        *('test.py', config, checkpoint, '--data-root', people),
        *('--out', predictions, '--show-dir', drawn),
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().splitlines()[-1].startswith('coco/AP ')
    records = pickle.loads(predictions.read_bytes())
    assert records and records[0]['pred_instances']['keypoints'].shape == (1, 17, 2)
    assert len(list(drawn.iterdir())) >= 3


def test_fast_training_gives_the_same_and_in_bf16_nearly(
    config: Path, people: Path, tmp_path: Path
) -> None:
    # SGD: Adam divides gradients by their size, and so makes rounding of what is near 0 large.
    sgd = ['optim_wrapper.optimizer.type=SGD', 'optim_wrapper.optimizer.lr=0.5']
    options = ['--data-root', people, '--seed', 3, '--no-validate', '--cfg-options', *sgd]
    runs = dict(plain=[], fp32=['--fast'], bf16=['--fast', 'bf16'])
    said = {}
    for name, more in runs.items():
        done = run_tool(
            'train.py', config, *options, *more, '--work-dir', tmp_path / name, cwd=tmp_path
        )
        assert done.returncode == 0, done.stderr
        said[name] = done.stdout + done.stderr
    start, plain, fp32, bf16 = (
        weights(tmp_path / path)
        for path in ('plain/epoch_1.pth', *(f'{name}/epoch_3.pth' for name in runs))
    )
    assert list(plain) == list(fp32) == list(bf16)

    def step(to: dict[str, torch.Tensor]) -> torch.Tensor:
        learned = [name for name in start if name.endswith('weight')]
        return torch.cat([(to[name] - start[name]).flatten() for name in learned])

    def cosine(a: torch.Tensor, b: torch.Tensor) -> float:
        return float(torch.cosine_similarity(a, b, dim=0))

    assert cosine(step(fp32), step(plain)) > 0.999
    if computes_in('bf16'):
        assert 0.5 < cosine(step(bf16), step(plain)) < 0.9999
    else:
        assert 'this CPU has no bf16 arithmetic: it trains in fp32' in said['bf16']
        assert torch.equal(step(bf16), step(fp32))


def test_training_starts_from_weights_of_other_projects(
    config: Path, people: Path, tmp_path: Path
) -> None:
    """``load_from`` as it is; a learning rate of zero leaves what was loaded."""
    foreign = official.pose('w18_small')
    torch.save(foreign, tmp_path / 'foreign.pth')
    done = run_tool(
        *('train.py', config, '--data-root', people, '--work-dir', tmp_path / 'run'),
        *('--no-validate', '--cfg-options', f'load_from={tmp_path}/foreign.pth'),
        *(
            'model.backbone.extra=None',
            'model.backbone.arch=w18_small',
            'model.head.in_channels=16',
        ),
        *('train_cfg.max_epochs=1', 'optim_wrapper.optimizer.lr=0'),
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert 'official-pose weights of a w18_small' in done.stdout + done.stderr
    trained = weights(tmp_path / 'run/epoch_1.pth')
    learned = [key for key in trained if key.endswith(('weight', 'bias'))]
    assert len(learned) > 150
    for key in learned:
        name = key.partition('.')[2]  # behind 'backbone' or 'head'
        assert torch.equal(trained[key], foreign[name])
