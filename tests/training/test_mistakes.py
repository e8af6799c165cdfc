"""A mistake costs one sentence: exit code 1, no traceback, nothing left in the work folder."""

from pathlib import Path

import pytest
import torch

from hrnet_mm.base.config import check_paths, named_paths, read_config, set_data_root
from hrnet_mm.base.errors import UserError
from tests.helpers import ROOT, run_tool

COCO_CONFIG = ROOT / 'configs/pose/hrnet_w32_coco_256x192.py'


class OpensFile:
    """What a hostile checkpoint would hold: something that acts when it is loaded."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), 'w')


@pytest.fixture
def checkpoints(tmp_path: Path) -> dict[str, Path]:
    folder = tmp_path / 'checkpoints'
    folder.mkdir()
    torch.save(dict(state_dict={'x': torch.zeros(1000)}), folder / 'whole.pth')
    data = (folder / 'whole.pth').read_bytes()
    (folder / 'truncated.pth').write_bytes(data[: len(data) // 2])
    (folder / 'empty.pth').write_bytes(b'')
    (folder / 'text.pth').write_text('hello')
    torch.save(OpensFile(folder / 'payload'), folder / 'hostile.pth')
    return {path.stem: path for path in folder.iterdir()}


@pytest.mark.parametrize(
    ('name', 'message'),
    [
        ('truncated', r'truncated\.pth cannot be read .* truncated, damaged or no checkpoint'),
        ('empty', r'empty\.pth is empty'),
        ('text', r'text\.pth'),
        ('hostile', r'hostile\.pth is refused: .*open'),
    ],
)
def test_bad_checkpoint_is_named(checkpoints, name: str, message: str) -> None:
    from hrnet_mm.weights.read import read_checkpoint

    with pytest.raises(UserError, match=message):
        read_checkpoint(checkpoints[name])
    assert not checkpoints[name].with_name('payload').exists()


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['nowhere.py'], 'there is no config nowhere.py'),
        ([COCO_CONFIG], 'there is no data/coco/ (train_dataloader.dataset.data_root'),
        ([COCO_CONFIG, '--cfg-options', 'modle.x=1'], 'has no key modle; did you mean model?'),
        ([COCO_CONFIG, '--cfg-options', 'model.backbone.arch=w33'], "arch='w33' is not an HRNet"),
        (
            [COCO_CONFIG, '--cfg-options', 'model.backbone.widht=33'],
            "unexpected keyword argument 'widht'",
        ),
        ([COCO_CONFIG, '--cfg-options', 'train_cfg.max_epoch=3'], 'did you mean max_epochs?'),
        ([COCO_CONFIG, '--resume', 'gone.pth'], 'there is no checkpoint gone.pth'),
        ([COCO_CONFIG, '--resume', '{truncated}'], 'truncated, damaged or no checkpoint'),
        ([COCO_CONFIG, '--amp'], '--amp needs a GPU'),
        ([COCO_CONFIG, '--launcher', 'pytorch'], 'use tools/dist_train.sh'),
    ],
)
@pytest.mark.slow
def test_train_says_what_is_wrong_and_leaves_nothing(
    people: Path, tmp_path: Path, checkpoints, arguments: list[object], message: str
) -> None:
    if message == '--amp needs a GPU' and torch.cuda.is_available():
        pytest.skip('this machine has a GPU')
    arguments = [str(a).format(**checkpoints) for a in arguments]
    wants_data = 'data/coco' not in message
    if wants_data:
        options = (
            arguments.index('--cfg-options') if '--cfg-options' in arguments else len(arguments)
        )
        arguments[options:options] = ['--data-root', str(people), '--no-validate']
    before = set(tmp_path.iterdir())
    done = run_tool('train.py', *arguments, *coco_names(wants_data, arguments), cwd=tmp_path)
    error = done.stderr.strip().splitlines()[-2]
    assert done.returncode == 1
    assert error.startswith('error: ') and message in error
    assert 'Traceback' not in done.stderr
    assert set(tmp_path.iterdir()) == before


def coco_names(wants_data: bool, arguments: list[str]) -> list[str]:
    """The synthetic people's file names, for a config of COCO."""
    if not wants_data:
        return []
    flag = [] if '--cfg-options' in arguments else ['--cfg-options']
    return [
        *flag,
        'model.backbone.init_cfg=None',
        'train_dataloader.dataset.ann_file=annotations/person_keypoints_train.json',
        'train_dataloader.dataset.data_prefix.img=train/',
    ]


def test_absent_file_of_head_sizes_is_named(tmp_path: Path) -> None:
    cfg = read_config(ROOT / 'configs/pose/hrnet_w32_mpii_256x256.py')
    set_data_root(cfg, str(tmp_path))
    for _, path in named_paths(cfg, 'val'):
        Path(path).mkdir(parents=True, exist_ok=True)
    check_paths(cfg, ('val',))
    (tmp_path / 'annotations/mpii_gt_val.mat').rmdir()
    with pytest.raises(UserError, match=r'mpii_gt_val\.mat \(val_dataloader\.dataset\.headbox_f.*'):
        check_paths(cfg, ('val',))


@pytest.mark.slow
def test_wrong_usage_exits_with_2(tmp_path: Path) -> None:
    for tool in ('train.py', 'test.py', 'infer.py', 'make_dataset.py'):
        done = run_tool(tool, '--no-such-flag', cwd=tmp_path)
        assert done.returncode == 2, tool
        assert 'usage:' in done.stderr


@pytest.mark.slow
def test_a_checkpoint_after_fast_is_told_from_a_precision(tmp_path: Path) -> None:
    done = run_tool('test.py', 'config.py', '--fast', 'best.pth', cwd=tmp_path)
    assert done.returncode == 2
    assert "--fast: 'best.pth' is none of fp32, bf16, fp16; where no precision" in done.stderr


def test_debug_shows_the_traceback(tmp_path: Path) -> None:
    done = run_tool('train.py', 'nowhere.py', '--debug', cwd=tmp_path)
    assert done.returncode == 1
    assert 'Traceback' in done.stderr


def test_data_root_moves_datasets_and_evaluators() -> None:
    cfg = read_config(COCO_CONFIG)
    set_data_root(cfg, '/elsewhere/coco')
    assert cfg.train_dataloader.dataset.data_root == '/elsewhere/coco/'
    assert cfg.val_evaluator.ann_file == '/elsewhere/coco/annotations/person_keypoints_val2017.json'
    assert cfg.val_dataloader.dataset.bbox_file.startswith('/elsewhere/coco/person_detection')
    assert cfg.val_dataloader.dataset.ann_file == 'annotations/person_keypoints_val2017.json'
