"""The boxes of images in which a top-down pose model looks: typed by the user, or read from a file.

A file is a mapping by image name, COCO annotations, or a list of detections.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from hrnet_mm.base.errors import UserError
from hrnet_mm.base.images import Frame, ImageFiles
from hrnet_mm.base.inputs import Inputs

FORMATS = (
    'a mapping from image file name to a list of [x, y, w, h], a COCO file with "images" and '
    '"annotations", or a list of {"file_name": ..., "bbox": [x, y, w, h]}'
)
LARGEST = 1e9  # pixels; beyond, a box is a mistake and float32 does not hold it
# Name of an image, the place in the file for messages, and the box or None: an image without any.
NamedBox = tuple[str, str, Any]
# Gives for each frame its boxes, (N, 5) of x, y, w, h in pixels and score.
BoxesOf = Callable[[Sequence[Frame]], list[np.ndarray]]


def boxes_by_frame(
    boxes: Path | Sequence[Sequence[float]],
    frames: ImageFiles | Inputs,
    report: Callable[[str], None],
) -> BoxesOf:
    """Make a function that gives boxes which the user has typed or has in a file.

    Args:
        boxes: a file (see ``read_boxes``), or the boxes of every frame.
        frames: the input. An image that a file does not name has no boxes, (0, 5).
        report: takes a line where the file names only some of the images.

    Raises:
        UserError: a box or the file is wrong, or it names none of the images.
    """
    if not isinstance(boxes, Path):
        same = as_boxes(boxes, '--bbox')
        return lambda frames: [same] * len(frames)
    if frames.unit != 'image':
        raise UserError(f'{boxes}: a file of boxes is for images; a video takes --bbox')
    of_image = _boxes_of_images(read_boxes(boxes), frames.names, boxes, report)
    return lambda frames: [of_image[frame.name] for frame in frames]


def as_boxes(boxes: Any, place: str) -> np.ndarray:
    """Boxes [[x, y, w, h], ...] or with scores, of numbers or an array, as (N, 5) float32.

    Args:
        boxes: what is to be boxes.
        place: what it is called, the beginning of an error's message.

    Raises:
        UserError: one is no box.
    """
    rows = boxes.tolist() if hasattr(boxes, 'tolist') else boxes
    return _as_array([_checked_box(_plain(box), place) for box in rows])


def read_boxes(path: Path) -> dict[str, list[list[float]]]:
    """Read the boxes of a JSON file, in one of three forms.

    A mapping from image file name to boxes; COCO annotations with their table of images; or a
    list of records with ``file_name`` and ``bbox``. Of COCO annotations, crowds are left out, and
    so are other categories than person where several are there.

    Returns:
        For each image name of the file, boxes [x, y, w, h, score]; the score is 1 if not given.

    Raises:
        UserError: the file is missing, not JSON, of another form, or holds a wrong box.
    """
    boxes: dict[str, list[list[float]]] = {}
    for name, place, box in _named_boxes(_read_json(path), path):
        if not isinstance(name, str):
            raise UserError(f'{path}: {name!r} is not the file name of an image')
        rows = boxes.setdefault(PurePosixPath(name).as_posix().lstrip('/'), [])
        if box is not None:
            rows.append(_checked_box(box, f'{path}: {place}'))
    if not boxes:
        raise UserError(f'{path} names no image')
    return boxes


def _checked_box(box: Any, place: str) -> list[float]:
    """Return a box [x, y, w, h] or [x, y, w, h, score] as five numbers, the score 1 if not given.

    Args:
        box: anything that JSON knows.
        place: where the box was found, the beginning of an error's message.

    Raises:
        UserError: it is no box, or is empty.
    """
    if isinstance(box, list | tuple) and len(box) in (4, 5):
        are_numbers = all(isinstance(n, int | float) and abs(n) < LARGEST for n in box)
        if are_numbers and box[2] > 0 and box[3] > 0:
            return [*box, 1.0][:5]
    raise UserError(f'{place} is {box}, not [x, y, w, h] in pixels with w and h above 0')


def _boxes_of_images(
    by_name: dict[str, list[list[float]]],
    images: dict[Path, str],
    file: Path,
    report: Callable[[str], None],
) -> dict[str, np.ndarray]:
    """Give every image the boxes of the longest name in the file that its path ends with."""
    of_image, unnamed = {}, []
    for path, own_name in images.items():
        parts = path.absolute().parts
        endings = ('/'.join(parts[i:]) for i in range(1, len(parts)))
        name = next((ending for ending in endings if ending in by_name), None)
        of_image[own_name] = _as_array(by_name.get(name, []))
        if name is None:
            unnamed.append(path)
    if len(unnamed) == len(images):
        raise UserError(
            f'{file} names none of the images: its first name is {next(iter(by_name))}, '
            f'the first image {unnamed[0]}'
        )
    if unnamed:
        report(f'{len(unnamed)} of {len(images)} images are not in {file}: no boxes for them')
    return of_image


def _plain(box: Any) -> Any:
    """A row of an array as JSON knows it."""
    if hasattr(box, 'tolist'):
        return box.tolist()
    if isinstance(box, list | tuple):
        return [number.item() if hasattr(number, 'item') else number for number in box]
    return box


def _as_array(boxes: list[list[float]]) -> np.ndarray:
    return np.reshape(np.float32(boxes), (-1, 5))


def _read_json(path: Path) -> Any:
    if path.is_dir():
        raise UserError(f'{path} is a folder, not a JSON file of boxes')
    try:
        return json.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise UserError(f'there is no file of boxes {path}') from error
    except ValueError as error:
        raise UserError(f'{path} is not a JSON file: {error}') from error


def _named_boxes(document: Any, path: Path) -> Iterator[NamedBox]:
    if isinstance(document, list):
        yield from _from_list(document, path)
    elif isinstance(document, dict) and 'images' in document and 'annotations' in document:
        yield from _from_coco(document, path)
    elif isinstance(document, dict) and all(isinstance(v, list) for v in document.values()):
        for name, boxes in document.items():
            yield name, '', None
            yield from ((name, f'box {i} of {name}', box) for i, box in enumerate(boxes))
    else:
        raise UserError(f'{path} holds no boxes; expected {FORMATS}')


def _from_list(records: list[Any], path: Path) -> Iterator[NamedBox]:
    for index, record in enumerate(records):
        if not isinstance(record, dict) or 'bbox' not in record:
            raise UserError(f'{path}: item {index} is not a record with a bbox; expected {FORMATS}')
        if 'file_name' not in record:
            raise UserError(
                f'{path}: item {index} has no file_name; a list of image_ids without a table of '
                f'images does not tell which image is meant; expected {FORMATS}'
            )
        yield record['file_name'], f'the bbox of item {index}', _with_score(record)


def _from_coco(document: dict[str, Any], path: Path) -> Iterator[NamedBox]:
    try:
        names = {image['id']: image['file_name'] for image in document['images']}
        taken = _category_ids(document.get('categories') or [])
        boxes = [
            (names[record['image_id']], f'the bbox of annotation {index}', _with_score(record))
            for index, record in enumerate(document['annotations'])
            if (taken is None or record['category_id'] in taken) and not record.get('iscrowd')
        ]
    except KeyError as error:
        raise UserError(f'{path} is not a COCO file: its tables lack {error}') from error
    except (TypeError, AttributeError) as error:
        raise UserError(f'{path} is not a COCO file; expected {FORMATS}') from error
    yield from ((name, '', None) for name in names.values())
    yield from boxes


def _category_ids(categories: list[dict[str, Any]]) -> set[int] | None:
    """The ids of the categories with keypoints, else of person, else None for all categories."""
    with_keypoints = {category['id'] for category in categories if category.get('keypoints')}
    return with_keypoints or {c['id'] for c in categories if c['name'] == 'person'} or None


def _with_score(record: dict[str, Any]) -> Any:
    box = record['bbox']
    return [*box, record['score']] if 'score' in record and isinstance(box, list) else box
