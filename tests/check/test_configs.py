"""Configs that are right are not blamed, whether or not their data are there."""

from __future__ import annotations

from pathlib import Path

import pytest
from mmengine.config import Config

from hrnet_mm.check.everything import check_config, phases_of
from tests.configs.tiny import parsed
from tests.helpers import CONFIGS

HOSTS_CONFIGS = [
    'mmpose::body_2d_keypoint/rtmpose/coco/rtmpose-s_8xb256-420e_coco-256x192.py',
    'mmpose::body_2d_keypoint/topdown_heatmap/coco/'
    'td-hm_hrnet-w32_8xb64-210e_coco-aic-256x192-merge.py',
    'mmpose::body_2d_keypoint/associative_embedding/coco/ae_hrnet-w32_8xb24-300e_coco-512x512.py',
    'mmdet::cascade_rcnn/cascade-mask-rcnn_r50_fpn_20e_coco.py',
    'mmdet::htc/htc_r50_fpn_1x_coco.py',
    'mmdet::pascal_voc/faster-rcnn_r50_fpn_1x_voc0712.py',
    'mmseg::pspnet/pspnet_r50-d8_4xb2-40k_cityscapes-512x1024.py',
    'mmseg::hrnet/fcn_hr18_4xb4-80k_ade20k-512x512.py',
    'mmpretrain::resnet/resnet50_8xb32_in1k.py',
    'mmpretrain::resnet/resnet18_8xb16_cifar10.py',
]
# mmseg's class wants the data when it is made.
WANT_DATA = ('pascal_context59', 'pascal_context60')


def blamed(cfg: Config) -> list[str]:
    findings, _ = check_config(cfg, phases_of(cfg))
    return [finding.text for finding in findings if finding.level != 'note']


@pytest.mark.parametrize('task', ['pose', 'face', 'det', 'seg', 'cls', 'demo'])
def test_our_configs_are_not_blamed(task: str) -> None:
    paths = sorted((CONFIGS / task).glob('*.py'))[::4]  # each costs a second
    paths = [path for path in paths if not any(name in path.name for name in WANT_DATA)]
    assert {path.name: blamed(parsed(path)) for path in paths} == {path.name: [] for path in paths}


@pytest.mark.parametrize('name', HOSTS_CONFIGS)
def test_hosts_configs_are_not_blamed(name: str, tmp_path: Path) -> None:
    path = tmp_path / 'config.py'
    path.write_text(f'_base_ = {name!r}')
    assert blamed(Config.fromfile(path)) == []
