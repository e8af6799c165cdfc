"""A dataset's labels in the form of predictions, so that both are drawn alike."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from pycocotools import mask as coco_mask

from hrnet_mm.base.images import read_image

# An image's file, the picture (H, W, 3) uint8 BGR, and its record.
Labelled = tuple[Path, np.ndarray, dict[str, Any]]


def read_labelled(
    scope: str, dataset: dict[str, Any], num_images: int, zoom: int = 1
) -> list[Labelled]:
    """The first labelled images of a config's dataset, each with its record.

    Args:
        scope: the config's default_scope, mmpose, mmdet or mmseg.
        dataset: with ``data_root``, ``data_prefix`` and, COCO's, ``ann_file``.
        num_images: at most so many.
        zoom: enlarges images and labels alike.
    """
    read = {'mmpose': _poses, 'mmdet': _instances, 'mmseg': _label_maps}[scope]
    return list(itertools.islice(read(dataset, zoom), num_images))


def _poses(dataset: dict[str, Any], zoom: int) -> Iterator[Labelled]:
    for path, picture, labels in _coco_images(dataset, zoom):
        instances = []
        for annotation in labels:
            keypoints = np.reshape(annotation['keypoints'], (-1, 3)) * [zoom, zoom, 1.0]
            keypoints[:, 2] = keypoints[:, 2] > 0
            box = [zoom * number for number in annotation['bbox']]
            instances.append(dict(bbox=box, bbox_score=1, keypoints=keypoints.tolist()))
        yield path, picture, dict(instances=instances)


def _instances(dataset: dict[str, Any], zoom: int) -> Iterator[Labelled]:
    for path, picture, labels in _coco_images(dataset, zoom):
        height, width = picture.shape[:2]
        instances = []
        for annotation in labels:
            polygons = [[zoom * number for number in part] for part in annotation['segmentation']]
            mask = coco_mask.merge(coco_mask.frPyObjects(polygons, height, width))
            instances.append(
                dict(
                    bbox=[zoom * number for number in annotation['bbox']],
                    score=1,
                    label=annotation['label'],
                    category=annotation['category'],
                    mask=dict(size=mask['size'], counts=mask['counts'].decode('ascii')),
                )
            )
        yield path, picture, dict(instances=instances)


def _label_maps(dataset: dict[str, Any], zoom: int) -> Iterator[Labelled]:
    root, prefix = Path(dataset['data_root']), dataset['data_prefix']
    for path in sorted((root / prefix['img_path']).glob('*.jpg')):
        file = root / prefix['seg_map_path'] / f'{path.stem}.png'
        labels = read_image(file, cv2.IMREAD_UNCHANGED)
        labels = cv2.resize(labels, None, fx=zoom, fy=zoom, interpolation=cv2.INTER_NEAREST)
        yield path, _picture(path, zoom), dict(label_map=labels)


def _coco_images(
    dataset: dict[str, Any], zoom: int
) -> Iterator[tuple[Path, np.ndarray, list[dict]]]:
    """The images that have annotations, whose ``label`` counts the categories from 0."""
    root = Path(dataset['data_root'])
    document = json.loads((root / dataset['ann_file']).read_text(encoding='utf-8'))
    categories = {
        category['id']: dict(label=label, category=category['name'])
        for label, category in enumerate(document['categories'])
    }
    by_image: dict[int, list[dict]] = {}
    for annotation in document['annotations']:
        named = annotation | categories[annotation['category_id']]
        by_image.setdefault(annotation['image_id'], []).append(named)
    for image in document['images']:
        if image['id'] in by_image:
            path = root / dataset['data_prefix']['img'] / image['file_name']
            yield path, _picture(path, zoom), by_image[image['id']]


def _picture(path: Path, zoom: int) -> np.ndarray:
    image = read_image(path)
    return cv2.resize(image, None, fx=zoom, fy=zoom, interpolation=cv2.INTER_CUBIC)
