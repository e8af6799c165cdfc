"""A mistake costs one sentence: exit code 1, no traceback, nothing left in the work folder."""

from pathlib import Path

import pytest
import torch

from hrnet_mm.base.config import check_paths, named_paths, read_config, set_data_root
from hrnet_mm.base.errors import UserError
from tests.forked_tools import run_tool
from tests.helpers import ROOT

COCO_CONFIG = ROOT / 'configs/pose/hrnet_w32_coco_256x192.py'
# The synthetic people's file names, for a config of COCO; behind these, more options.
ON_PEOPLE = [
    *('--data-root', '{people}', '--no-validate', '--cfg-options'),
    'model.backbone.init_cfg=None',
    'train_dataloader.dataset.ann_file=annotations/person_keypoints_train.json',
    'train_dataloader.dataset.data_prefix.img=train/',
]


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['nowhere.py'], 'there is no config nowhere.py'),
        ([COCO_CONFIG], 'there is no data/coco/ (train_dataloader.dataset.data_root'),
        (
            [COCO_CONFIG, *ON_PEOPLE, 'model.backbone.widht=33'],
            "unexpected keyword argument 'widht'",
        ),
        ([COCO_CONFIG, '--resume', 'gone.pth', *ON_PEOPLE], 'there is no checkpoint gone.pth'),
        ([COCO_CONFIG, '--amp', *ON_PEOPLE], '--amp needs a GPU'),
        ([COCO_CONFIG, '--launcher', 'pytorch', *ON_PEOPLE], 'use tools/dist_train.sh'),
    ],
)
@pytest.mark.slow
def test_train_says_what_is_wrong_and_leaves_nothing(
    people: Path, tmp_path: Path, arguments: list[object], message: str
) -> None:
    if message == '--amp needs a GPU' and torch.cuda.is_available():
        pytest.skip('this machine has a GPU')
    arguments = [str(argument).format(people=people) for argument in arguments]
    before = set(tmp_path.iterdir())
    done = run_tool('train.py', *arguments, cwd=tmp_path)
    error = done.stderr.strip().splitlines()[-2]
    assert done.returncode == 1
    assert error.startswith('error: ') and message in error
    assert 'Traceback' not in done.stderr
    assert set(tmp_path.iterdir()) == before


def test_absent_file_of_head_sizes_is_named(tmp_path: Path) -> None:
    cfg = read_config(ROOT / 'configs/pose/hrnet_w32_mpii_256x256.py')
    set_data_root(cfg, str(tmp_path))
    for _, path in named_paths(cfg, 'val'):
        Path(path).mkdir(parents=True, exist_ok=True)
    check_paths(cfg, ('val',))
    (tmp_path / 'annotations/mpii_gt_val.mat').rmdir()
    with pytest.raises(UserError, match=r'mpii_gt_val\.mat \(val_dataloader\.dataset\.headbox_f.*'):
        check_paths(cfg, ('val',))


def test_data_root_moves_datasets_and_evaluators() -> None:
    cfg = read_config(COCO_CONFIG)
    set_data_root(cfg, '/elsewhere/coco')
    assert cfg.train_dataloader.dataset.data_root == '/elsewhere/coco/'
    assert cfg.val_evaluator.ann_file == '/elsewhere/coco/annotations/person_keypoints_val2017.json'
    assert cfg.val_dataloader.dataset.bbox_file.startswith('/elsewhere/coco/person_detection')
    assert cfg.val_dataloader.dataset.ann_file == 'annotations/person_keypoints_val2017.json'


def test_a_base_that_is_absent_is_named_with_the_one_that_may_be_meant(tmp_path: Path) -> None:
    mine = tmp_path / 'mine.py'
    mine.write_text("_base_ = 'hrnet_mm::pose/hrnet_w32_coco_256x19.py'\n")
    with pytest.raises(UserError, match=r'a base of .*; did you mean hrnet_w32_coco_256x192\.py\?'):
        read_config(mine)
