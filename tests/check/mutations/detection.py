"""Mistakes of classes, boxes and masks."""

from __future__ import annotations

import json

from mmengine.config import ConfigDict

from tests.check.mutations.mutation import Rng, a_split, file_of, of, one
from tests.check.sets import ANIMALS, HEIGHT, WIDTH, DataSet


@of('det')
def classes_in_another_order(data: DataSet, rng: Rng) -> tuple[object, ...]:
    for split in ('train', 'val'):
        data.dataset(split).metainfo = dict(classes=('dog', 'cat', 'bird'))
    return file_of('train'), 'dog', 'cat', 'classes'


@of('det')
def class_spelt_otherwise(data: DataSet, rng: Rng) -> tuple[object, ...]:
    wrong = str(rng.choice(['Dog', 'dogs', 'hound']))
    for split in ('train', 'val'):
        data.dataset(split).metainfo = dict(classes=('cat', wrong, 'bird'))
    return file_of('train'), wrong


@of('det')
def validation_file_with_categories_in_another_order(data: DataSet, rng: Rng) -> tuple[object, ...]:
    with data.document('val') as document:
        document['categories'].reverse()
    return file_of('val'), 'bird', 'cat'


@of('det')
def other_classes_for_validation(data: DataSet, rng: Rng) -> tuple[object, ...]:
    data.dataset('val').metainfo = dict(classes=('cat', 'dog'))
    return 'classes', 'val', 'bird'


@of('det')
def number_of_classes_of_one_head(data: DataSet, rng: Rng) -> tuple[object, ...]:
    head = str(rng.choice(['bbox_head', 'mask_head']))
    data.cfg.model.roi_head[head].num_classes = number = int(rng.choice([1, 2, 4, 80]))
    return head, 'num_classes', number, len(ANIMALS)


@of('det')
def number_of_classes_in_a_cascade(data: DataSet, rng: Rng) -> tuple[object, ...]:
    head = data.cfg.model.roi_head.bbox_head.to_dict()
    heads = [ConfigDict(json.loads(json.dumps(head))) for _ in range(3)]
    wrong = int(rng.integers(3))
    heads[wrong].num_classes = 80
    data.cfg.model.roi_head.bbox_head = heads
    return f'bbox_head[{wrong}]', 'num_classes', 80


@of('det')
def text_in_place_of_a_tuple_of_classes(data: DataSet, rng: Rng) -> tuple[object, ...]:
    for split in ('train', 'val'):
        data.dataset(split).metainfo = dict(classes='cat')
    return 'classes', 'cat', "('cat',)"


@of('det')
def no_metainfo(data: DataSet, rng: Rng) -> tuple[object, ...]:
    for split in ('train', 'val'):
        del data.dataset(split)['metainfo']
    return file_of('train'), 'classes', 'person'


@of('det')
def classes_under_another_key(data: DataSet, rng: Rng) -> tuple[object, ...]:
    for split in ('train', 'val'):
        data.dataset(split).metainfo = {'CLASSES': ANIMALS}
    return 'metainfo', 'CLASSES', 'classes'


@of('det')
def no_segmentations(data: DataSet, rng: Rng) -> tuple[object, ...]:
    what = [None, [], [[]]][int(rng.integers(3))]
    with data.document('train') as document:
        entry = one(rng, document['annotations'])
        entry['segmentation'] = what
    return file_of('train'), entry['id'], 'segmentation'


@of('det')
def segmentation_key_is_missing(data: DataSet, rng: Rng) -> tuple[object, ...]:
    with data.document('train') as document:
        entry = one(rng, document['annotations'])
        del entry['segmentation']
    return file_of('train'), entry['id'], 'segmentation'


@of('det')
def polygon_of_two_points(data: DataSet, rng: Rng) -> tuple[object, ...]:
    with data.document('train') as document:
        entry = one(rng, document['annotations'])
        entry['segmentation'] = [entry['segmentation'][0][: int(rng.choice([4, 7]))]]
    return file_of('train'), entry['id'], 'segmentation'


@of('det')
def run_lengths_of_another_size(data: DataSet, rng: Rng) -> tuple[object, ...]:
    with data.document('train') as document:
        entry = document['annotations'][-1]
        entry['segmentation']['size'] = [WIDTH, HEIGHT]
    return file_of('train'), entry['id'], 'segmentation'


@of('det')
def no_area(data: DataSet, rng: Rng) -> tuple[object, ...]:
    split = a_split(rng)
    with data.document(split) as document:
        entry = one(rng, document['annotations'])
        del entry['area']
    return file_of(split), entry['id'], 'area'


@of('det')
def images_smaller_than_the_filter(data: DataSet, rng: Rng) -> tuple[object, ...]:
    data.dataset('train').filter_cfg = dict(filter_empty_gt=True, min_size=200)
    return file_of('train'), 'min_size', 200
