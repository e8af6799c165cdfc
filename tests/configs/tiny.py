"""Any config of ours at small sizes, on synthetic people laid out as its own dataset wants them."""

from __future__ import annotations

import json
import math
from functools import cache
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.registry import DATASETS
from mmpose.datasets.datasets.utils import parse_pose_metainfo
from torch import nn

from tests import models_of_hosts
from tests.helpers import CONFIGS, randomize

# Sizes of images, crops and heatmaps, and numbers of regions: all are divided to make a step cheap.
SIZE_KEYS = ('input_size', 'heatmap_size', 'scale', 'scales', 'crop_size', 'size', 'stride')
NUMBER_KEYS = ('nms_pre', 'max_per_img', 'num')
SMALLEST = 32  # smaller numbers under these keys are strides and ratios
DIVISORS = dict(mmpose=4, mmpretrain=4, mmseg=8, mmdet=12)

WHOLE_BODY = 133
WHOLE_BODY_PARTS = dict(
    keypoints=17, foot_kpts=6, face_kpts=68, lefthand_kpts=21, righthand_kpts=21
)


def load_config(config: str) -> Config:
    """A copy of its own for every caller: mmseg changes a config when it builds the model."""
    return Config(parsed(CONFIGS / config).to_dict())


def build(config: str) -> nn.Module:
    """The config's model as a Runner without GPUs builds it, with statistics of norms."""
    return randomize(models_of_hosts.build(load_config(config)))


@cache
def parsed(path: Path) -> Config:
    return Config.fromfile(path)


def tiny_config(config: str, people: Path) -> Config:
    """The config with its model and pipelines at small sizes and its datasets replaced.

    What is built and run stays the config's own: its model, dataset classes and pipelines.
    """
    cfg = load_config(config)
    loaders = {split: cfg[f'{split}_dataloader'] for split in ('train', 'val')}
    if not config.startswith('demo/'):
        for part in (cfg.model, *loaders.values()):
            divide(part, DIVISORS[cfg.default_scope])
    for split, loader in loaders.items():
        batch_size = 2 if split == 'train' else 1
        loader.update(batch_size=batch_size, num_workers=0, persistent_workers=False)
        dataset = loader.dataset
        while 'dataset' in dataset:  # RepeatDataset
            dataset = dataset.dataset
        dataset.update(SOURCES[cfg.default_scope](people, split, dataset), data_root=str(people))
    return cfg


def divide(node: Any, divisor: int) -> None:
    for key, value in list(node.items() if isinstance(node, dict) else enumerate(node)):
        if key in SIZE_KEYS + NUMBER_KEYS and is_large(value):
            node[key] = divided(value, divisor)
        elif isinstance(value, dict | list):
            divide(value, divisor)


def is_large(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return all(map(is_large, value))
    return isinstance(value, int) and value >= SMALLEST


def divided(value: Any, divisor: int) -> Any:
    if isinstance(value, list | tuple):
        return type(value)(divided(element, divisor) for element in value)
    return value // divisor


def detection_source(people: Path, split: str, dataset: dict[str, Any]) -> dict[str, Any]:
    return dict(
        ann_file=f'annotations/person_keypoints_{split}.json',
        data_prefix=dict(img=f'{split}/', seg=f'labels/{split}/'),
    )


def segmentation_source(people: Path, split: str, dataset: dict[str, Any]) -> dict[str, Any]:
    return dict(
        ann_file='',
        data_prefix=dict(img_path=split, seg_map_path=f'labels/{split}'),
        img_suffix='.jpg',
        seg_map_suffix='.png',
    )


def classification_source(people: Path, split: str, dataset: dict[str, Any]) -> dict[str, Any]:
    images = sorted((people / split).iterdir())
    listed = people / 'meta' / f'{split}.txt'
    listed.parent.mkdir(exist_ok=True)
    listed.write_text(''.join(f'{image.name} {i}\n' for i, image in enumerate(images)))
    return dict(split=split)


def pose_source(people: Path, split: str, dataset: dict[str, Any]) -> dict[str, Any]:
    number = num_keypoints(dataset)
    file = people / 'annotations' / f'{dataset["type"]}_{split}.json'
    document = json.loads((file.parent / f'person_keypoints_{split}.json').read_text())
    source = dict(ann_file=str(file), data_prefix=dict(img=f'{split}/'))
    if dataset['type'] == 'MpiiDataset':
        file.write_text(json.dumps(mpii_annotations(document, number)))
        return source | dict(headbox_file=None)
    for annotation in document['annotations']:
        annotation.update(keypoint_fields(annotation, number))
    file.write_text(json.dumps(document))
    return source | dict(bbox_file=None)


SOURCES = dict(
    mmpose=pose_source,
    mmdet=detection_source,
    mmseg=segmentation_source,
    mmpretrain=classification_source,
)


def num_keypoints(dataset: dict[str, Any]) -> int:
    metainfo = DATASETS.get(f'mmpose.{dataset["type"]}').METAINFO
    return parse_pose_metainfo(metainfo)['num_keypoints']


def keypoint_fields(annotation: dict[str, Any], number: int) -> dict[str, Any]:
    """Keypoints of a person and what the face datasets want besides; bodies keep their own."""
    x, y, width, height = annotation['bbox']
    fields = dict(
        center=[x + width / 2, y + height / 2],
        scale=max(width, height) / 200,
        box_size=max(width, height),
    )
    body = annotation['keypoints']
    if 3 * number == len(body):
        return fields
    if number != WHOLE_BODY:
        return fields | dict(keypoints=ring(annotation['bbox'], number), num_keypoints=number)
    parts = {name: ring(annotation['bbox'], n) for name, n in WHOLE_BODY_PARTS.items()}
    return fields | parts | dict(keypoints=body)


def ring(bbox: list[float], number: int) -> list[float]:
    """Visible keypoints on the ellipse in a box, as COCO writes them: x, y, 2, x, y, 2, ..."""
    x, y, width, height = bbox
    values = []
    for i in range(number):
        angle = 2 * math.pi * i / number
        values.append(x + width * (1 + math.cos(angle)) / 2)
        values += [y + height * (1 + math.sin(angle)) / 2, 2]
    return values


def mpii_annotations(document: dict[str, Any], number: int) -> list[dict[str, Any]]:
    images = {image['id']: image['file_name'] for image in document['images']}
    records = []
    for annotation in document['annotations']:
        values = ring(annotation['bbox'], number)
        fields = keypoint_fields(annotation, number)
        records.append(
            dict(
                image=images[annotation['image_id']],
                center=fields['center'],
                scale=fields['scale'],
                joints=list(zip(values[0::3], values[1::3], strict=True)),
                joints_vis=[1] * number,
            )
        )
    return records
