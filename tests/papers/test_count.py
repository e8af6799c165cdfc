"""The counts equal the papers', or differ by exactly what docs/model_zoo.md says."""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import ModuleType

import pytest
import torch
from torch import nn

from hrnet_mm.base.errors import UserError
from papers.count import TEST_MASKS, Complexity, count_config, count_model, count_row
from papers.rows import CONFIGS, ROWS, Row
from papers.written import counted_before

# Ours minus the printed number, where they differ; docs/model_zoo.md says why, or that we cannot.
BOX_AND_CLASS_LAYERS = 512 * 1024 * (81 + 320) / 2**30  # on 512 RoIs, missing in print
RESCORING = ((74 + 256) * 256 + 2 * 256 + 256 + 1) / 1e6  # DEKR's, which print leaves out
DOUBLING = 16 * 32 * (32 + 34) / 1e9  # a pixel of HigherHRNet-W32's transposed convolution
CLASS_AT_480 = 720 * 120**2 / 2**30  # of one class more than Cityscapes has
PARAMS_DIFFER = {
    **{row.config: RESCORING for row in ROWS if row.name.startswith('dekr_')},
    'seg/fcn_hrnetv2_w40_cityscapes_512x1024.py': 0.69,
    **{row.config: 0.35 for row in ROWS if row.task == 'face'},
}
GFLOPS_DIFFER = {
    'pose/dekr_hrnet_w48_coco_640x640.py': 0.07,
    'pose/higherhrnet_w32_coco_512x512.py': -3 * DOUBLING * 128**2,
    'pose/higherhrnet_w32_coco_640x640.py': -3 * DOUBLING * 160**2,
    'pose/higherhrnet_w48_coco_640x640.py': -3 * 16 * 48 * (48 + 34) * 160**2 / 1e9,
    'seg/fcn_hrnetv2_w40_cityscapes_512x1024.py': 5.47,
    'seg/fcn_hrnetv2_w48_pascal_context59_480x480.py': 40 * CLASS_AT_480,
    'seg/fcn_hrnetv2_w48_pascal_context60_480x480.py': 41 * CLASS_AT_480,
    'seg/fcn_hrnetv2_w48_lip_473x473.py': 1.7,
    'det/fcos_hrnetv2p_w18_coco_2x.py': -0.09,
    'face/hrnetv2_w18_wflw_256x256.py': 0.07,
    **{row.config: BOX_AND_CLASS_LAYERS for row in ROWS if 'faster_rcnn' in row.config},
}


@cache
def counted(row: Row) -> Complexity:
    return count_row(row)


def half_last_digit(printed: str) -> float:
    return 0.5 * 10 ** -len(printed.partition('.')[2])


@pytest.mark.parametrize('row', [row for row in ROWS if row.params], ids=lambda row: row.name)
def test_params_equal_the_papers(row: Row) -> None:
    expected = float(row.params) + PARAMS_DIFFER.get(row.config, 0)
    complexity = counted(row)
    actual = row.counting.params(complexity.params, complexity.norm_params)
    assert actual == pytest.approx(expected, abs=half_last_digit(row.params))


@pytest.mark.parametrize('row', [row for row in ROWS if row.gflops], ids=lambda row: row.name)
def test_gflops_equal_the_papers(row: Row) -> None:
    expected = float(row.gflops) + GFLOPS_DIFFER.get(row.config, 0)
    actual = row.counting.gflops(counted(row).macs)
    assert actual == pytest.approx(expected, abs=half_last_digit(row.gflops))


@pytest.mark.slow
@pytest.mark.parametrize('row', ROWS, ids=lambda row: row.name)
def test_the_metafile_says_what_is_counted(row: Row) -> None:
    complexity = counted(row)
    assert counted_before()[row.config] == (complexity.params, complexity.macs)


def test_every_config_is_in_the_table() -> None:
    files = {path.relative_to(CONFIGS).as_posix() for path in CONFIGS.rglob('*.py')}
    published = {file for file in files if file.partition('/')[0] not in ('demo', '_base_')}
    assert {row.config for row in ROWS} == published


class Toy(nn.Module):
    """1x1 convolution and batch norm, pooled for a linear layer, under the hosts' names."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = nn.Sequential(nn.Conv2d(3, 4, 1, bias=False), nn.BatchNorm2d(4))
        self.neck = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.head = nn.Linear(4, 10)


@pytest.mark.parametrize('device', ['cpu', 'meta'])
def test_counts_convolutions_and_linear_layers_only(device: str) -> None:
    with torch.device(device):
        backbone, neck, head = count_model(Toy(), shape=(32, 64)).parts
    assert (backbone.params, backbone.norm_params, backbone.macs) == (20, 8, 12 * 32 * 64)
    assert (neck.params, neck.norm_params, neck.macs) == (0, 0, 0)
    assert (head.params, head.norm_params, head.macs) == (50, 0, 40)


BOX_HEAD = 256 * 7 * 7 * 1024 + 1024 * 1024
MASK_HEAD = (4 * 9 + 4) * 256 * 256 * 14 * 14 + 256 * 80 * 28 * 28


@pytest.mark.parametrize(
    ('name', 'per_region', 'per_mask'),
    [
        ('faster_rcnn_hrnetv2p_w18_coco_1x', BOX_HEAD + 1024 * (81 + 320), 0),
        ('mask_rcnn_hrnetv2p_w18_coco_1x', BOX_HEAD + 1024 * (81 + 320), MASK_HEAD),
        ('cascade_rcnn_hrnetv2p_w18_coco_20e', 3 * (BOX_HEAD + 1024 * (81 + 4)), 0),
        ('cascade_mask_rcnn_hrnetv2p_w18_coco_20e', 3 * (BOX_HEAD + 1024 * 85), 3 * MASK_HEAD),
    ],
)
def test_every_box_and_mask_head_is_counted(name: str, per_region: int, per_mask: int) -> None:
    complexity = count_config(CONFIGS / 'det' / f'{name}.py', (64, 64), num_rois=7)
    assert complexity.parts[-1].macs == 7 * per_region + TEST_MASKS * per_mask


def test_the_mask_features_of_a_hybrid_task_cascade_flow_on() -> None:
    config = CONFIGS / 'det' / 'htc_hrnetv2p_w32_coco_20e.py'
    semantic_head = (6 + 4 * 9) * 256 * 256 * 8 * 8 + 256 * 183 * 8 * 8
    flow = 2 * 256 * 256 * 14 * 14
    expected = 7 * 3 * (BOX_HEAD + 1024 * 85) + TEST_MASKS * (3 * MASK_HEAD + flow) + semantic_head
    assert count_config(config, (64, 64), num_rois=7).parts[-1].macs == expected


def test_other_heads_are_refused_not_ignored(tmp_path: Path) -> None:
    config = tmp_path / 'mask_scoring.py'
    config.write_text("_base_ = 'mmdet::ms_rcnn/ms-rcnn_r50-caffe_fpn_1x_coco.py'\n")
    with pytest.raises(UserError, match='MaskScoringRoIHead has more than'):
        count_config(config, (64, 64))


@pytest.fixture
def tool(load_tool: Callable[[str], ModuleType]) -> ModuleType:
    return load_tool('complexity')


def test_tool_counts_one_config_by_its_parts(
    tool: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    config = CONFIGS / 'pose' / 'hrnet_w32_coco_256x192.py'
    tool.main([str(config), '--size', '256x192'])
    *_, backbone, head, total = capsys.readouterr().out.splitlines()
    assert backbone.split()[0] == 'backbone' and head.split()[0] == 'head'
    assert total.startswith('28.536 M parameters, 7.645 GMACs (7.120 ')


def test_tool_says_what_is_wrong(tool: ModuleType) -> None:
    with pytest.raises(UserError, match='there is no configs/no_such.py'):
        tool.main(['configs/no_such.py', '--size', '64x64'])
