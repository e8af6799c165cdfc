"""A contact sheet of a dataset: pictures with their boxes and keypoints beside the label maps."""

import json
from pathlib import Path

import cv2
import numpy as np

from demo.people.coco import SKELETON
from demo.people.figure import SEGMENTATION_PALETTE

ZOOM = 2
VISIBLE, HIDDEN = (80, 255, 80), (255, 160, 40)  # RGB of keypoint marks
LEFT, RIGHT, MIDDLE = (255, 220, 0), (0, 200, 255), (255, 255, 255)  # RGB of bones


def contact_sheet(folder: Path, split: str = 'val', count: int = 12) -> np.ndarray:
    """Draw the first pictures of a split, two to a row, each beside its label map.

    Args:
        folder: the dataset.
        split: 'train' or 'val'.
        count: number of pictures; fewer where the split has fewer.

    Returns:
        (H, W, 3) uint8 RGB.

    Raises:
        ValueError: the split is empty.
    """
    document = json.loads((folder / 'annotations' / f'person_keypoints_{split}.json').read_text())
    images = document['images'][:count]
    if not images:
        raise ValueError(f'{folder} has no {split} images to show')
    cells = []
    for record in images:
        image = cv2.imread(str(folder / split / record['file_name']))[..., ::-1]
        image = cv2.resize(image, None, fx=ZOOM, fy=ZOOM, interpolation=cv2.INTER_CUBIC)
        for person in document['annotations']:
            if person['image_id'] == record['id']:
                draw_person(image, person)
        label_file = folder / 'labels' / split / Path(record['file_name']).with_suffix('.png')
        labels = cv2.imread(str(label_file), cv2.IMREAD_GRAYSCALE)
        colors = np.uint8(SEGMENTATION_PALETTE)[labels].repeat(ZOOM, axis=0).repeat(ZOOM, axis=1)
        cells.append(np.hstack([image, colors]))
    cells += [np.zeros_like(cells[0])] * (len(cells) % 2)
    return np.vstack([np.hstack(cells[i : i + 2]) for i in range(0, len(cells), 2)])


def draw_person(image: np.ndarray, person: dict) -> None:
    """Draw one annotation's box, bones and keypoints into a zoomed image, in place."""
    x, y, width, height = (ZOOM * number for number in person['bbox'])
    cv2.rectangle(image, (x, y), (x + width, y + height), MIDDLE, 1)
    keypoints = np.reshape(person['keypoints'], (-1, 3))
    centers = np.rint(ZOOM * (keypoints[:, :2] + 0.5)).astype(int).tolist()
    for first, second in SKELETON:
        if keypoints[first - 1, 2] and keypoints[second - 1, 2]:
            sides = {(first - 1) % 2, (second - 1) % 2}
            color = LEFT if sides == {1} else RIGHT if sides == {0} else MIDDLE
            cv2.line(image, centers[first - 1], centers[second - 1], color, 1, cv2.LINE_AA)
    for center, (*_, visibility) in zip(centers, keypoints, strict=True):
        if visibility:
            cv2.circle(image, center, 3, VISIBLE if visibility == 2 else HIDDEN, -1, cv2.LINE_AA)
