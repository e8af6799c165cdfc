"""Mistakes of keypoints."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np

from demo.people.body import KEYPOINTS
from tests.check.mutations.mutation import Rng, a_split, file_of, of, one
from tests.check.sets import HEIGHT, WIDTH, DataSet


def person_keypoints(entry: dict[str, Any]) -> np.ndarray:
    return np.array(entry['keypoints'], float).reshape(-1, 3)


@of('pose')
def five_keypoints_and_no_metainfo(data: DataSet, rng: Rng) -> tuple[object, ...]:
    for split in ('train', 'val'):
        with data.document(split) as document:
            for entry in document['annotations']:
                entry.update(keypoints=entry['keypoints'][:15], num_keypoints=5)
    return 'keypoints', 17, 5


@of('pose')
def channels_for_other_keypoints(data: DataSet, rng: Rng) -> tuple[object, ...]:
    data.cfg.model.head.out_channels = number = int(rng.integers(2, 15))
    return 'out_channels', number, 17


@of('pose')
def one_number_of_keypoints_missing(data: DataSet, rng: Rng) -> tuple[object, ...]:
    split = a_split(rng)
    with data.document(split) as document:
        entry = one(rng, document['annotations'])
        entry['keypoints'].pop()
    return file_of(split), entry['id'], 'keypoints'


@of('pose')
def null_among_keypoints(data: DataSet, rng: Rng) -> tuple[object, ...]:
    split = a_split(rng)
    with data.document(split) as document:
        entry = one(rng, document['annotations'])
        entry['keypoints'][int(rng.integers(51))] = None
    return file_of(split), entry['id'], 'keypoints'


@of('pose')
def normalised_keypoints(data: DataSet, rng: Rng) -> tuple[object, ...]:
    split = a_split(rng)
    with data.document(split) as document:
        for entry in document['annotations']:
            points = person_keypoints(entry) / [WIDTH, HEIGHT, 1]
            entry['keypoints'] = points.ravel().tolist()
    return file_of(split), 'keypoints'


@of('pose')
def x_and_y_of_keypoints_swapped(data: DataSet, rng: Rng) -> tuple[object, ...]:
    split = a_split(rng)
    with data.document(split) as document:
        for entry in document['annotations']:
            entry['keypoints'] = person_keypoints(entry)[:, [1, 0, 2]].ravel().tolist()
    return file_of(split), 'keypoints'


@of('pose')
def keypoints_far_from_the_box(data: DataSet, rng: Rng) -> tuple[object, ...]:
    split = a_split(rng)
    with data.document(split) as document:
        entry = one(rng, document['annotations'])
        points = person_keypoints(entry) + [5 * WIDTH, 0, 0]
        entry['keypoints'] = points.ravel().tolist()
    return file_of(split), entry['id'], 'keypoints'


@of('pose')
def visibility_out_of_range(data: DataSet, rng: Rng) -> tuple[object, ...]:
    split = a_split(rng)
    with data.document(split) as document:
        entry = one(rng, document['annotations'])
        entry['keypoints'][2] = value = int(rng.choice([-1, 3, 100]))
    return file_of(split), entry['id'], value


@of('pose')
def nothing_is_visible(data: DataSet, rng: Rng) -> tuple[object, ...]:
    split = a_split(rng)
    with data.document(split) as document:
        for entry in document['annotations']:
            entry['keypoints'] = (person_keypoints(entry) * [1, 1, 0]).ravel().tolist()
            del entry['num_keypoints']
    return file_of(split), 'keypoint'


@of('pose')
def labelled_but_counted_as_none(data: DataSet, rng: Rng) -> tuple[object, ...]:
    split = a_split(rng)
    with data.document(split) as document:
        entry = one(rng, document['annotations'])
        entry['num_keypoints'] = 0
    return file_of(split), entry['id'], 'num_keypoints'


@of('pose')
def names_in_another_order(data: DataSet, rng: Rng) -> tuple[object, ...]:
    split = a_split(rng)
    with data.document(split) as document:
        names = document['categories'][0]['keypoints']
        names[1], names[2] = names[2], names[1]
    return file_of(split), 'left_eye', 'right_eye'


@of('pose')
def heatmap_of_another_size(data: DataSet, rng: Rng) -> tuple[object, ...]:
    size = [(8, 8), (16, 32), (24, 32)][int(rng.integers(3))]
    for codec in (
        data.cfg.model.head.decoder,
        data.dataset('train').pipeline[5].encoder,
    ):
        codec.heatmap_size = size
    return 'heatmap_size', size[0], size[1]


@of('pose')
def input_with_width_and_height_swapped(data: DataSet, rng: Rng) -> tuple[object, ...]:
    data.cfg.model.head.decoder.input_size = (64, 32)
    return 'input_size', 64, 32


@of('pose')
def no_area_for_evaluation(data: DataSet, rng: Rng) -> tuple[object, ...]:
    with data.document('val') as document:
        entry = one(rng, document['annotations'])
        del entry['area']
    return file_of('val'), entry['id'], 'area'


def write_boxes(data: DataSet, change: Callable[[list[dict[str, Any]]], None]) -> str:
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


@of('pose')
def boxes_of_other_images(data: DataSet, rng: Rng) -> tuple[object, ...]:
    number = int(rng.integers(4))

    def change(boxes: list[dict[str, Any]]) -> None:
        boxes[number % len(boxes)]['image_id'] = 1001

    return write_boxes(data, change), 'image_id', 1001


@of('pose')
def boxes_of_another_category(data: DataSet, rng: Rng) -> tuple[object, ...]:
    category = int(rng.choice([0, 2, 44]))
    return (
        write_boxes(
            data, lambda boxes: [box.update(category_id=category) for box in boxes] and None
        ),
        'category_id',
    )


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


@of('pose')
def flip_pair_that_contradicts_the_names(data: DataSet, rng: Rng) -> tuple[object, ...]:
    part = str(rng.choice(['eye', 'ear', 'hip', 'knee']))
    other = str(rng.choice(['', 'right_wrist', 'right_nothing']))
    data.dataset('train').metainfo = body(swap={f'left_{part}': other})
    return 'metainfo', f'left_{part}', 'swap'


@of('pose')
def skeleton_of_other_names(data: DataSet, rng: Rng) -> tuple[object, ...]:
    data.dataset('train').metainfo = body(skeleton_info={0: dict(link=('nose', 'tail'), id=0)})
    return 'metainfo', 'skeleton_info', 'tail'


@of('pose')
def sigmas_of_another_length(data: DataSet, rng: Rng) -> tuple[object, ...]:
    key = str(rng.choice(['sigmas', 'joint_weights']))
    for split in ('train', 'val'):
        data.dataset(split).metainfo = body(**{key: [0.05] * 13})
    return 'metainfo', key, 13, 17


@of('pose')
def bottom_up_data_for_top_down(data: DataSet, rng: Rng) -> tuple[object, ...]:
    data.dataset('train').data_mode = 'bottomup'
    return 'data_mode', 'bottomup', 'topdown'
