"""Mistakes of keypoints."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np

from demo.people.body import KEYPOINTS
from tests.check.mutations.mutation import (
    ABSENT,
    Document,
    Mutations,
    OneOf,
    Rng,
    Row,
    Words,
    change_config,
    one,
)
from tests.check.sets import HEIGHT, WIDTH, DataSet

mistakes = Mutations(__name__)


def points_of(keypoints: list[float]) -> np.ndarray:
    """(17, 3): x, y and visibility."""
    return np.array(keypoints, float).reshape(-1, 3)


def moved(change: Callable[[np.ndarray], np.ndarray]) -> Callable[[list[float]], list[float]]:
    """A change of points (17, 3) as one of the list in a file."""
    return lambda keypoints: change(points_of(keypoints)).ravel().tolist()


mistakes.config(
    'pose',
    channels_for_other_keypoints=Row(
        {'model.head.out_channels': OneOf(range(2, 15))}, 'out_channels & {value} & 17'
    ),
    input_with_width_and_height_swapped=Row(
        {'model.head.decoder.input_size': (64, 32)}, 'input_size & 64 & 32'
    ),
    bottom_up_data_for_top_down=Row(
        {'train.data_mode': 'bottomup'}, 'data_mode & bottomup & topdown'
    ),
)
mistakes.every(
    'annotations',
    'pose',
    normalised_keypoints=Row(
        dict(keypoints=moved(lambda points: points / [WIDTH, HEIGHT, 1])), 'keypoints'
    ),
    x_and_y_of_keypoints_swapped=Row(
        dict(keypoints=moved(lambda points: points[:, [1, 0, 2]])), 'keypoints'
    ),
    nothing_is_visible=Row(
        dict(keypoints=moved(lambda points: points * [1, 1, 0]), num_keypoints=ABSENT), 'keypoint'
    ),
)
mistakes.one_annotation(
    'pose',
    one_number_of_keypoints_missing=Row(dict(keypoints=lambda old: old[:-1]), 'keypoints'),
    keypoints_far_from_the_box=Row(
        dict(keypoints=moved(lambda points: points + [5 * WIDTH, 0, 0])), 'keypoints'
    ),
    labelled_but_counted_as_none=Row(dict(num_keypoints=0), 'num_keypoints'),
)
mistakes.one_annotation(
    'pose',
    'val',
    no_area_for_evaluation=Row(dict(area=ABSENT), 'area'),
)


@mistakes.made_by('pose')
def five_keypoints_and_no_metainfo(data: DataSet, rng: Rng) -> Words:
    for split in ('train', 'val'):
        with data.document(split) as document:
            for entry in document['annotations']:
                entry.update(keypoints=entry['keypoints'][:15], num_keypoints=5)
    return 'keypoints', 17, 5


@mistakes.in_file('pose')
def null_among_keypoints(document: Document, rng: Rng) -> Words:
    entry = one(rng, document['annotations'])
    entry['keypoints'][int(rng.integers(51))] = None
    return entry['id'], 'keypoints'


@mistakes.in_file('pose')
def visibility_out_of_range(document: Document, rng: Rng) -> Words:
    entry = one(rng, document['annotations'])
    entry['keypoints'][2] = value = int(rng.choice([-1, 3, 100]))
    return entry['id'], value


@mistakes.in_file('pose')
def names_in_another_order(document: Document, rng: Rng) -> Words:
    names = document['categories'][0]['keypoints']
    names[1], names[2] = names[2], names[1]
    return 'left_eye', 'right_eye'


@mistakes.made_by('pose')
def heatmap_of_another_size(data: DataSet, rng: Rng) -> Words:
    size = [(8, 8), (16, 32), (24, 32)][int(rng.integers(3))]
    keys = 'model.head.decoder.heatmap_size', 'train.pipeline.5.encoder.heatmap_size'
    change_config(data, rng, dict.fromkeys(keys, size))
    return 'heatmap_size', *size


def write_detections(data: DataSet, change: Callable[[list[dict[str, Any]]], object]) -> str:
    """Evaluate on a file of the true boxes with a change in them; its name."""
    with data.document('val') as document:
        boxes = [
            dict(image_id=entry['image_id'], category_id=1, bbox=entry['bbox'], score=0.9)
            for entry in document['annotations']
        ]
    change(boxes)
    path = data.root / 'annotations/boxes.json'
    path.write_text(json.dumps(boxes))
    data.dataset('val').bbox_file = str(path)
    return path.name


@mistakes.made_by('pose')
def boxes_of_other_images(data: DataSet, rng: Rng) -> Words:
    number = int(rng.integers(4))
    name = write_detections(data, lambda boxes: boxes[number % len(boxes)].update(image_id=1001))
    return name, 'image_id', 1001


@mistakes.made_by('pose')
def boxes_of_another_category(data: DataSet, rng: Rng) -> Words:
    category = int(rng.choice([0, 2, 44]))
    name = write_detections(data, lambda boxes: [box.update(category_id=category) for box in boxes])
    return name, 'category_id'


def body(swap: dict[str, str] | None = None, **change: Any) -> dict[str, Any]:
    """A metainfo of the 17 names of COCO."""

    def mirrored(name: str) -> str:
        side, _, rest = name.partition('_')
        return {'left': f'right_{rest}', 'right': f'left_{rest}'}.get(side, '')

    return (
        dict(
            dataset_name='mine',
            keypoint_info={
                i: dict(name=name, id=i, type='', swap=(swap or {}).get(name, mirrored(name)))
                for i, name in enumerate(KEYPOINTS)
            },
            skeleton_info={0: dict(link=('nose', 'left_eye'), id=0)},
            joint_weights=[1.0] * 17,
            sigmas=[0.05] * 17,
        )
        | change
    )


mistakes.config(
    'pose',
    skeleton_of_other_names=Row(
        {'train.metainfo': body(skeleton_info={0: dict(link=('nose', 'tail'), id=0)})},
        'metainfo & skeleton_info & tail',
    ),
)


@mistakes.made_by('pose')
def flip_pair_that_contradicts_the_names(data: DataSet, rng: Rng) -> Words:
    part = str(rng.choice(['eye', 'ear', 'hip', 'knee']))
    other = str(rng.choice(['', 'right_wrist', 'right_nothing']))
    data.dataset('train').metainfo = body(swap={f'left_{part}': other})
    return 'metainfo', f'left_{part}', 'swap'


@mistakes.made_by('pose')
def sigmas_of_another_length(data: DataSet, rng: Rng) -> Words:
    key = str(rng.choice(['sigmas', 'joint_weights']))
    change_config(data, rng, {'both.metainfo': body(**{key: [0.05] * 13})})
    return 'metainfo', key, 13, 17
