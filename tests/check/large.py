"""Makes up annotation files of COCO's size, to time the check and count its memory.

python -m tests.check.large /tmp/large            # 118,000 images, 860,000 objects, 262,000 people
/usr/bin/time -v python tools/check.py /tmp/large/det.py
/usr/bin/time -v python tools/check.py /tmp/large/pose.py
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path

import cv2
import numpy as np

from demo.people.body import KEYPOINTS
from tests.helpers import ROOT

IMAGES = dict(train=118_287, val=5_000)
OBJECTS, PEOPLE = 7.3, 2.2  # of an image
LINKS = 60_000  # to one file; ext4 allows 65,000
CORNERS = 24  # of a polygon
WIDTH, HEIGHT = 640, 480
CONFIG = """
_base_ = '{root}/configs/{base}.py'
data_root = '{folder}/'
train_dataloader = dict(dataset=dict(data_root=data_root, ann_file='{task}_train.json',
                                     data_prefix=dict(img='train/')))
val_dataloader = dict(dataset=dict(data_root=data_root, ann_file='{task}_val.json',
                                   data_prefix=dict(img='val/')))
test_dataloader = val_dataloader
val_evaluator = dict(ann_file='{folder}/{task}_val.json')
test_evaluator = val_evaluator
"""
BASES = dict(det='det/mask_rcnn_hrnetv2p_w18_coco_1x', pose='pose/hrnet_w32_coco_256x192')


def make(folder: Path, share: float) -> None:
    """Write both files, a config for each, and the images: links to one."""
    rng = np.random.default_rng(0)
    folder.mkdir(parents=True)
    picture = rng.integers(0, 255, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    for split, full in IMAGES.items():
        number = int(full * share)
        (folder / split).mkdir()
        names = [f'{split}_{i:012d}.jpg' for i in range(number)]
        for i, name in enumerate(names):
            source = folder / f'image_{split}_{i // LINKS}.jpg'
            if not source.exists():
                cv2.imwrite(str(source), picture)
            os.link(source, folder / split / name)
        images = [
            dict(id=i, file_name=name, width=WIDTH, height=HEIGHT) for i, name in enumerate(names)
        ]
        write(folder / f'det_{split}.json', images, objects(rng, number), classes())
        write(folder / f'pose_{split}.json', images, people(rng, number), [PERSON])
    for task, base in BASES.items():
        text = CONFIG.format(root=ROOT, base=base, folder=folder.resolve(), task=task)
        if task == 'pose':  # on the boxes of the file, not of detections
            text = text.replace("img='val/')", "img='val/'), bbox_file=None")
        (folder / f'{task}.py').write_text(text)


PERSON = dict(id=1, name='person', keypoints=list(KEYPOINTS), skeleton=[])


def classes() -> list[dict]:
    from mmdet.datasets import CocoDataset

    return [dict(id=i, name=name) for i, name in enumerate(CocoDataset.METAINFO['classes'], 1)]


def boxes(rng: np.random.Generator, images: int, each: float) -> np.ndarray:
    """(objects, 5) of image, x, y, width, height."""
    number = int(images * each)
    size = rng.uniform(10, 300, (number, 2))
    place = rng.uniform(0, 1, (number, 2)) * (np.array([WIDTH, HEIGHT]) - size)
    return np.column_stack([rng.integers(0, images, number), place, size]).round(2)


def objects(rng: np.random.Generator, images: int) -> list[dict]:
    entries = []
    for i, (image, x, y, w, h) in enumerate(boxes(rng, images, OBJECTS).tolist(), 1):
        corners = rng.uniform(0, 1, (CORNERS, 2)) * (w, h) + (x, y)
        entries.append(
            dict(
                id=i,
                image_id=int(image),
                category_id=1 + i % 80,
                bbox=[x, y, w, h],
                area=round(w * h / 2, 2),
                iscrowd=0,
                segmentation=[corners.ravel().round(2).tolist()],
            )
        )
    return entries


def people(rng: np.random.Generator, images: int) -> list[dict]:
    entries = []
    for i, (image, x, y, w, h) in enumerate(boxes(rng, images, PEOPLE).tolist(), 1):
        points = np.column_stack([rng.uniform(0, 1, (17, 2)) * (w, h) + (x, y), np.full(17, 2)])
        entries.append(
            dict(
                id=i,
                image_id=int(image),
                category_id=1,
                bbox=[x, y, w, h],
                area=round(w * h / 2, 2),
                iscrowd=0,
                num_keypoints=17,
                keypoints=points.round().astype(int).ravel().tolist(),
            )
        )
    return entries


def write(path: Path, images: list[dict], entries: list[dict], categories: list[dict]) -> None:
    path.write_text(json.dumps(dict(images=images, annotations=entries, categories=categories)))


if __name__ == '__main__':
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('folder', type=Path, help='to be made')
    parser.add_argument('--share', type=float, default=1, help='of the number of images')
    args = parser.parse_args()
    make(args.folder, args.share)
