"""Unusual configs and data that are right are not blamed."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path

import cv2
import pytest
from mmengine.config import Config, ConfigDict

from hrnet_mm.check import make_sure
from hrnet_mm.check.everything import check_config, phases_of
from tests.check.sets import HEIGHT, WIDTH, DataSet, copy_of
from tests.configs.tiny import parsed
from tests.helpers import CONFIGS

Change = Callable[[DataSet], None]
CASES: list[tuple[str, Change]] = []


def of(*names: str) -> Callable[[Change], Change]:
    def add(change: Change) -> Change:
        CASES.extend((name, change) for name in names)
        return change

    return add


@of('pose', 'det', 'seg', 'cls', 'cityscapes', 'pascal')
def nothing_is_changed(data: DataSet) -> None:
    pass


@of('pose', 'det', 'seg', 'cls', 'cityscapes', 'pascal')
def data_are_elsewhere(data: DataSet) -> None:
    for split in ('train', 'val'):
        data.dataset(split).update(
            data_root='s3://bucket/data', backend_args=dict(backend='petrel')
        )
    data.cfg.val_evaluator.pop('ann_file', None)


@of('pose', 'det', 'seg')
def data_are_mapped_to_elsewhere(data: DataSet) -> None:
    backend = dict(backend='petrel', path_mapping={'data/': 's3://bucket/'})
    for split in ('train', 'val'):
        data.dataset(split).update(data_root='data/coco/', backend_args=backend)
    data.cfg.val_evaluator.pop('ann_file', None)


@of('det', 'cls')
def wrapped_twice(data: DataSet) -> None:
    dataset = data.cfg.train_dataloader.dataset
    balanced = dict(type='ClassBalancedDataset', oversample_thr=0.1, dataset=dataset)
    data.cfg.train_dataloader.dataset = ConfigDict(type='RepeatDataset', times=3, dataset=balanced)


@of('det')
def images_without_labels_for_a_teacher(data: DataSet) -> None:
    document = json.loads(data.annotations('train').read_text())
    document.update(annotations=[], categories=[])
    (data.root / 'annotations/unlabelled.json').write_text(json.dumps(document))
    unlabelled = copy.deepcopy(data.dataset('train'))
    unlabelled.update(
        ann_file='annotations/unlabelled.json',
        filter_cfg=dict(filter_empty_gt=False),
        pipeline=[dict(type='LoadImageFromFile'), dict(type='LoadEmptyAnnotations')],
    )
    data.cfg.train_dataloader.dataset = ConfigDict(
        type='ConcatDataset', datasets=[data.dataset('train'), unlabelled]
    )


def take_test_images(data: DataSet) -> None:
    (data.root / 'test').mkdir()
    for path in (data.root / 'val').glob('*.jpg'):
        cv2.imwrite(str(data.root / 'test' / path.name), 255 - cv2.imread(str(path)))
    data.cfg.test_dataloader = copy.deepcopy(data.cfg.val_dataloader)
    dataset = data.cfg.test_dataloader.dataset
    dataset.pipeline = [part for part in dataset.pipeline if part.type != 'LoadAnnotations']


@of('det')
def images_without_annotations(data: DataSet) -> None:
    take_test_images(data)
    document = json.loads(data.annotations('val').read_text())
    del document['annotations']
    path = data.root / 'annotations/test.json'
    path.write_text(json.dumps(document))
    data.cfg.test_dataloader.dataset.update(ann_file=str(path), data_prefix=dict(img='test/'))
    data.cfg.test_evaluator = dict(type='CocoMetric', format_only=True, ann_file=str(path))


@of('seg')
def images_without_label_maps(data: DataSet) -> None:
    take_test_images(data)
    data.cfg.test_dataloader.dataset.data_prefix = dict(img_path='test')
    data.cfg.test_evaluator = dict(type='IoUMetric', format_only=True)


@of('pose')
def people_share_the_box_of_the_image(data: DataSet) -> None:
    for split in ('train', 'val'):
        with data.document(split) as document:
            for entry in document['annotations']:
                entry['bbox'] = [0, 0, WIDTH, HEIGHT]


@of('pose')
def boxes_are_a_little_larger_than_people(data: DataSet) -> None:
    for split in ('train', 'val'):
        with data.document(split) as document:
            for entry in document['annotations'][::2]:
                x, y, w, h = entry['bbox']
                entry['bbox'] = [max(0, x - 12), max(0, y - 12), w + 20, h + 20]


@pytest.mark.parametrize(
    ('name', 'change'), CASES, ids=lambda part: getattr(part, '__name__', part)
)
def test_is_not_blamed(
    name: str, change: Change, clean_sets: dict[str, DataSet], tmp_path: Path
) -> None:
    data = copy_of(clean_sets[name], tmp_path / 'set')
    change(data)
    said: list[str] = []
    make_sure(data.cfg, said.append)
    assert [line for line in said if not line.startswith('note: ')] == []


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
    # heads with classes of their own
    'mmseg::stdc/stdc1_4xb12-80k_cityscapes-512x1024.py',
    'mmdet::grounding_dino/grounding_dino_swin-t_finetune_16xb2_1x_coco.py',
    'mmdet::mm_grounding_dino/coco/grounding_dino_swin-t_finetune_16xb4_1x_coco_48_17.py',
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
    assert blamed(parsed(path)) == []
