"""Results in COCO's format, which COCO's own evaluation and ``pycocotools``' ``loadRes`` read."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePath
from typing import Any, Protocol

from hrnet_mm.base.errors import UserError
from hrnet_mm.base.files import replacing

# COCO has 80 classes of things and gives them ids up to 90; the hosts' labels have no gaps.
NOT_USED = (12, 26, 29, 30, 45, 66, 68, 69, 71, 83)
COCO_IDS = [number for number in range(1, 91) if number not in NOT_USED]
FIRST, LAST = 'person', 'toothbrush'  # of COCO's classes


class HasResults(Protocol):
    """What a ``result.Result`` is here."""

    file: str
    path: Path | None

    def to_coco(
        self, image_id: int = 1, category_ids: dict[str, int] | None = None
    ) -> list[dict[str, Any]]: ...


def save_coco(
    results: Iterable[HasResults], path: str | Path, annotations: str | Path | None = None
) -> Path:
    """Write the results of many images into one file of COCO's results.

    Args:
        results: of one model; a generator is gone through once.
        path: of the file; its folder is made.
        annotations: the file that the results are to be compared with: the ids of images are
            taken from it by their names, those of categories by theirs. Default: images are
            numbered from 1.

    Raises:
        UserError: the annotations lack an image, or COCO has no results of this task.
    """
    path, known = Path(path), None if annotations is None else _read(Path(annotations))
    with replacing(path) as temporary, temporary.open('w') as file:
        separator = '['
        for number, result in enumerate(results, start=1):
            image_id = number if known is None else _id_of(result, known['images'], annotations)
            ids = None if known is None else known['categories']
            for entry in result.to_coco(image_id, ids):
                file.write(separator + json.dumps(entry, allow_nan=False))
                separator = ',\n'
        file.write('[]' if separator == '[' else ']')
    return path


def poses(
    fields: dict[str, Any], in_boxes: bool, category_ids: dict[str, int] | None
) -> list[dict[str, Any]]:
    """Poses, not rounded.

    Args:
        fields: of a ``predictor.Prediction``.
        in_boxes: their boxes have scores of their own, with which the mean of the keypoints' is
            multiplied. Else the boxes' scores are those of the people.
        category_ids: see ``Result.to_coco``.
    """
    found = []
    rows = (fields[name] for name in ('keypoints', 'scores', 'boxes', 'box_scores'))
    for points, scores, box, box_score in zip(*rows, strict=True):
        flat = [float(n) for point, s in zip(points, scores, strict=True) for n in (*point, s)]
        found.append(
            {
                'category_id': (category_ids or {}).get('person', 1),
                'keypoints': flat,
                'score': float(box_score) * (float(scores.mean()) if in_boxes else 1.0),
                'bbox': _xywh(box),
            }
        )
    return found


def instances(
    fields: dict[str, Any], record: dict[str, Any], category_ids: dict[str, int] | None
) -> list[dict[str, Any]]:
    """Boxes, not rounded, and masks.

    Args:
        fields: of a ``predictor.Prediction``.
        record: its record, with the masks as COCO has them.
        category_ids: see ``Result.to_coco``.

    Raises:
        UserError: a class has no id.
    """
    found = []
    rows = (fields[name] for name in ('boxes', 'scores', 'labels', 'names'))
    for instance, box, score, label, name in zip(record['instances'], *rows, strict=True):
        number = _default_id(int(label), fields['class_names'])
        if category_ids is not None:
            if name not in category_ids:
                raise UserError(f'the categories that are given have no {name!r}')
            number = category_ids[name]
        entry = {'category_id': number, 'bbox': _xywh(box), 'score': float(score)}
        found.append(entry | ({'segmentation': instance['mask']} if 'mask' in instance else {}))
    return found


def _default_id(label: int, names: Sequence[str]) -> int:
    is_coco = len(names) == len(COCO_IDS) and (names[0], names[-1]) == (FIRST, LAST)
    return COCO_IDS[label] if is_coco else label + 1


def _xywh(box: Sequence[float]) -> list[float]:
    x1, y1, x2, y2 = map(float, box)
    return [x1, y1, x2 - x1, y2 - y1]


def _read(path: Path) -> dict[str, dict[str, int]]:
    try:
        document = json.loads(path.read_text(encoding='utf-8'))
        images = {str(image['file_name']): image['id'] for image in document['images']}
        categories = {entry['name']: entry['id'] for entry in document.get('categories') or []}
    except OSError as error:
        raise UserError(f'{path} cannot be opened: {error.strerror}') from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f'{path} is no file of COCO annotations: {error}') from error
    if len(categories) == 1:  # of poses, whatever it is called
        categories.setdefault('person', *categories.values())
    return {'images': images, 'categories': categories}


def _id_of(result: HasResults, images: dict[str, int], annotations: str | Path | None) -> int:
    """The id of the longest name in the annotations that the image's path ends with."""
    parts = PurePath(result.path or result.file).parts
    endings = ('/'.join(parts[start:]) for start in range(len(parts)))
    name = next((ending for ending in endings if ending in images), None)
    if name is None:
        raise UserError(f'{annotations} has no image {result.file}')
    return images[name]
