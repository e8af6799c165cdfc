"""Ground truth beside prediction, in one picture."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from hrnet_mm.engine.config import read_config
from hrnet_mm.inference.inputs import Frame
from hrnet_mm.inference.predictor import make_predictor
from hrnet_mm.inference.results import replacing

ZOOM = 2
GAP = 8  # pixels between pictures
TITLE_HEIGHT = 40


def compare_poses(
    config: Path,
    checkpoint: Path,
    annotation_file: Path,
    image_folder: Path,
    out: Path,
    num_images: int = 6,
    score_thr: float = 0.3,
) -> None:
    """Draw the first annotated images twice, with labelled and with predicted poses.

    Args:
        config, checkpoint: of a top-down pose model; it is given the labelled boxes.
        annotation_file: COCO person keypoints.
        image_folder: holds the files that the annotations name.
        out: the picture to write, two images a row.

    Raises:
        UserError: naming what is wrong with the config or the checkpoint.
    """
    frames, truths = read_truth(annotation_file, image_folder, num_images)
    boxes = [
        np.float32([[*instance['bbox'], 1] for instance in truth['instances']]) for truth in truths
    ]
    predictor = make_predictor(read_config(config), checkpoint, torch.device('cpu'), batch_size=32)
    predictions = predictor.predict(frames, boxes)
    pairs = [
        np.hstack([framed(predictor.draw(large, zoomed(record), score_thr)) for record in records])
        for large, records in zip(
            map(enlarged, frames), zip(truths, predictions, strict=True), strict=True
        )
    ]
    with replacing(out) as temporary:
        cv2.imwrite(str(temporary), sheet(pairs, columns=2))


def read_truth(
    annotation_file: Path, image_folder: Path, num_images: int
) -> tuple[list[Frame], list[dict[str, Any]]]:
    """The first annotated images, and their annotations in the form of predictions."""
    document = json.loads(annotation_file.read_text(encoding='utf-8'))
    people: dict[int, list[dict[str, Any]]] = {}
    for annotation in document['annotations']:
        keypoints = np.reshape(annotation['keypoints'], (-1, 3)).astype(float)
        keypoints[:, 2] = keypoints[:, 2] > 0
        instance = dict(bbox=annotation['bbox'], bbox_score=1, keypoints=keypoints.tolist())
        people.setdefault(annotation['image_id'], []).append(instance)
    images = [image for image in document['images'] if image['id'] in people][:num_images]
    paths = [image_folder / image['file_name'] for image in images]
    frames = [Frame(path, path.name, cv2.imread(str(path))) for path in paths]
    return frames, [dict(instances=people[image['id']]) for image in images]


def enlarged(frame: Frame) -> Frame:
    image = cv2.resize(frame.image, None, fx=ZOOM, fy=ZOOM, interpolation=cv2.INTER_CUBIC)
    return Frame(frame.path, frame.name, image)


def zoomed(record: dict[str, Any]) -> dict[str, Any]:
    instances = [
        instance
        | dict(
            bbox=[ZOOM * number for number in instance['bbox']],
            keypoints=[[ZOOM * x, ZOOM * y, score] for x, y, score in instance['keypoints']],
        )
        for instance in record['instances']
    ]
    return record | dict(instances=instances)


def framed(image: np.ndarray) -> np.ndarray:
    return cv2.copyMakeBorder(image, *[GAP // 2] * 4, cv2.BORDER_CONSTANT, value=(255, 255, 255))


def sheet(pairs: Sequence[np.ndarray], columns: int) -> np.ndarray:
    """Rows of pairs under a line of titles: (H, W, 3) uint8 BGR."""
    blank = np.full_like(pairs[0], 255)
    cells = [*pairs, *[blank] * (-len(pairs) % columns)]
    rows = [np.hstack(cells[i : i + columns]) for i in range(0, len(cells), columns)]
    width = rows[0].shape[1]
    title = np.full((TITLE_HEIGHT, width, 3), 255, np.uint8)
    half = width // (2 * columns)
    for i, text in enumerate(['ground truth', 'prediction'] * columns):
        cv2.putText(
            title,
            text,
            (i * half + GAP, 28),
            cv2.FONT_HERSHEY_SIMPLEX,
            0.9,
            (0, 0, 0),
            2,
            cv2.LINE_AA,
        )
    return np.vstack([title, *rows])
