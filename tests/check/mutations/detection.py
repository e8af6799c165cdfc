"""Mistakes of classes, boxes and masks."""

from __future__ import annotations

import copy

from tests.check.mutations.mutation import (
    ABSENT,
    TRAIN_FILE,
    Document,
    Mutations,
    OneOf,
    Rng,
    Row,
    Words,
    change_config,
    file_of,
)
from tests.check.sets import ANIMALS, HEIGHT, WIDTH, DataSet

mistakes = Mutations(__name__)

mistakes.config(
    'det',
    classes_in_another_order=Row(
        {'both.metainfo': dict(classes=('dog', 'cat', 'bird'))},
        f'{TRAIN_FILE} & dog & cat & classes',
    ),
    other_classes_for_validation=Row(
        {'val.metainfo': dict(classes=('cat', 'dog'))}, 'classes & val & bird'
    ),
    text_in_place_of_a_tuple_of_classes=Row(
        {'both.metainfo': dict(classes='cat')}, "classes & cat & ('cat',)"
    ),
    no_metainfo=Row({'both.metainfo': ABSENT}, f'{TRAIN_FILE} & classes & person'),
    classes_under_another_key=Row(
        {'both.metainfo': dict(CLASSES=ANIMALS)}, 'metainfo & CLASSES & classes'
    ),
    images_smaller_than_the_filter=Row(
        {'train.filter_cfg': dict(filter_empty_gt=True, min_size=200)},
        f'{TRAIN_FILE} & min_size & 200',
    ),
)
mistakes.one_annotation(
    'det',
    'train',
    no_segmentations=Row(dict(segmentation=OneOf((None, [], [[]]))), 'segmentation'),
    segmentation_key_is_missing=Row(dict(segmentation=ABSENT), 'segmentation'),
    polygon_of_two_points=Row(
        dict(segmentation=OneOf((lambda old: [old[0][:4]], lambda old: [old[0][:7]]))),
        'segmentation',
    ),
)
mistakes.one_annotation(
    'det',
    no_area=Row(dict(area=ABSENT), 'area'),
)


@mistakes.made_by('det')
def class_spelt_otherwise(data: DataSet, rng: Rng) -> Words:
    wrong = str(rng.choice(['Dog', 'dogs', 'hound']))
    change_config(data, rng, {'both.metainfo': dict(classes=('cat', wrong, 'bird'))})
    return file_of('train'), wrong


@mistakes.in_file('det', 'val')
def validation_file_with_categories_in_another_order(document: Document, rng: Rng) -> Words:
    document['categories'].reverse()
    return 'bird', 'cat'


@mistakes.made_by('det')
def number_of_classes_of_one_head(data: DataSet, rng: Rng) -> Words:
    head = str(rng.choice(['bbox_head', 'mask_head']))
    data.cfg.model.roi_head[head].num_classes = number = int(rng.choice([1, 2, 4, 80]))
    return head, 'num_classes', number, len(ANIMALS)


@mistakes.made_by('det')
def number_of_classes_in_a_cascade(data: DataSet, rng: Rng) -> Words:
    heads = [copy.deepcopy(data.cfg.model.roi_head.bbox_head) for _ in range(3)]
    wrong = int(rng.integers(3))
    heads[wrong].num_classes = 80
    data.cfg.model.roi_head.bbox_head = heads
    return f'bbox_head[{wrong}]', 'num_classes', 80


@mistakes.in_file('det', 'train')
def run_lengths_of_another_size(document: Document, rng: Rng) -> Words:
    entry = document['annotations'][-1]
    entry['segmentation']['size'] = [WIDTH, HEIGHT]
    return entry['id'], 'segmentation'
