"""Ground truth beside prediction, in one picture.

The labels of a dataset take the form of predictions, so that both are drawn alike.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from mmengine.config import Config
from pycocotools import mask as coco_mask

from hrnet_mm.base.files import replacing
from hrnet_mm.base.images import Frame, read_image
from hrnet_mm.predict.drawing import OPACITY
from hrnet_mm.predict.predictor import Predictor, make_predictor
from hrnet_mm.weights.checkpoint import Checkpoint

ZOOM = 2
GAP = 8  # pixels between pictures
TITLE_HEIGHT = 40
COLUMNS = 2  # pairs in a row
MIN_SCORE = 0.3  # what scores less is not drawn
# An image's file, the picture (H, W, 3) uint8 BGR, and its record.
Labelled = tuple[Path, np.ndarray, dict[str, Any]]


def compare(cfg: Config, checkpoint: Path, out: Path, num_images: int = 6) -> None:
    """Draw the first labelled images of the test data twice, as labelled and as predicted.

    Args:
        cfg: of a top-down pose model, which is given the labelled boxes, a detector or a
            segmentor; its test data is COCO's or label maps.
        checkpoint: its weights.
        out: the picture to write, two images a row.
        num_images: how many.

    Raises:
        UserError: naming what is wrong with the config or the checkpoint.
    """
    labelled = read_labelled(cfg.default_scope, cfg.test_dataloader.dataset, num_images, ZOOM)
    predictor = make_predictor(cfg, Checkpoint(str(checkpoint)), torch.device('cpu'))
    frames = [
        Frame(path, path.name, predictor.model.loader.load(path, picture))
        for path, picture, _ in labelled
    ]
    truths = [truth for _, _, truth in labelled]
    drawn = [
        [predictor.drawing(frame.image, record, MIN_SCORE, OPACITY) for record in records]
        for frame, *records in zip(frames, truths, predict(predictor, frames, truths), strict=True)
    ]
    sides = [max(image.shape[axis] for pair in drawn for image in pair) for axis in (0, 1)]
    pairs = [np.hstack([framed(image, *sides) for image in pair]) for pair in drawn]
    with replacing(out) as temporary:
        cv2.imwrite(str(temporary), sheet(pairs))


def predict(
    predictor: Predictor, frames: Sequence[Frame], truths: Sequence[dict[str, Any]]
) -> list[dict[str, Any]]:
    if not predictor.takes_boxes:
        return [found.record for found in predictor.predict(frames)]
    boxes = [
        np.float32([[*instance['bbox'], 1] for instance in truth['instances']]) for truth in truths
    ]
    return [found.record for found in predictor.predict(frames, boxes)]


def framed(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """On white of that size, and half a gap around it: legends beside images differ."""
    rest = height - image.shape[0] + GAP // 2, width - image.shape[1] + GAP // 2
    borders = GAP // 2, rest[0], GAP // 2, rest[1]
    return cv2.copyMakeBorder(image, *borders, cv2.BORDER_CONSTANT, value=(255, 255, 255))


def sheet(pairs: Sequence[np.ndarray]) -> np.ndarray:
    """Rows of pairs under a line of titles: (H, W, 3) uint8 BGR."""
    blank = np.full_like(pairs[0], 255)
    cells = [*pairs, *[blank] * (-len(pairs) % COLUMNS)]
    rows = [np.hstack(cells[i : i + COLUMNS]) for i in range(0, len(cells), COLUMNS)]
    width = rows[0].shape[1]
    title = np.full((TITLE_HEIGHT, width, 3), 255, np.uint8)
    half = width // (2 * COLUMNS)
    for i, text in enumerate(['ground truth', 'prediction'] * COLUMNS):
        place = (i * half + GAP, 28)
        cv2.putText(title, text, place, cv2.FONT_HERSHEY_SIMPLEX, 0.9, (0, 0, 0), 2, cv2.LINE_AA)
    return np.vstack([title, *rows])


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
    names = dataset['metainfo']['classes']
    for path in sorted((root / prefix['img_path']).glob('*.jpg')):
        file = root / prefix['seg_map_path'] / f'{path.stem}.png'
        labels = read_image(file, cv2.IMREAD_UNCHANGED)
        labels = cv2.resize(labels, None, fx=zoom, fy=zoom, interpolation=cv2.INTER_NEAREST)
        found, counts = np.unique(labels, return_counts=True)
        classes = [
            dict(label=int(label), category=names[label], share=count / labels.size)
            for label, count in zip(found, counts, strict=True)
        ]
        yield path, _picture(path, zoom), dict(label_map=labels, classes=classes)


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
