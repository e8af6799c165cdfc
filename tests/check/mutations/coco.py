"""Mistakes in COCO files and in the images they list."""

from __future__ import annotations

import json
import shutil

import numpy as np
from PIL import Image

from tests.check.mutations.mutation import (
    TRAIN_FILE,
    Document,
    Mutations,
    OneOf,
    Rng,
    Row,
    Words,
    a_split,
    an_annotated_image,
    cut_off,
    file_of,
)
from tests.check.sets import HEIGHT, WIDTH, DataSet

BOTH = 'pose det'  # the sets that are COCO files
mistakes = Mutations(__name__)


def as_corners(box: list[float]) -> list[float]:
    x, y, w, h = box
    return [x, y, x + w, y + h]


def from_0_to_1(box: list[float]) -> list[float]:
    return (np.array(box) / [WIDTH, HEIGHT, WIDTH, HEIGHT]).tolist()


def with_nan(box: list[float]) -> list[float]:
    return [float('nan'), *box[1:]]


def with_infinity(box: list[float]) -> list[float]:
    return [*box[:3], float('inf')]


mistakes.every(
    'annotations',
    BOTH,
    image_id_as_text_in_annotations=Row(dict(image_id=str), 'image_id'),
    boxes_as_corners=Row(dict(bbox=as_corners), 'bbox'),
    normalised_boxes=Row(dict(bbox=from_0_to_1), 'bbox'),
    everything_is_a_crowd=Row(dict(iscrowd=1), 'crowd'),
)
mistakes.one_annotation(
    BOTH,
    box_not_finite=Row(dict(bbox=OneOf((with_nan, with_infinity))), 'bbox'),
    box_outside_the_image=Row(dict(bbox=[WIDTH + 9, HEIGHT + 9, 30, 30]), 'bbox'),
    annotation_of_no_category=Row(dict(category_id=77), '{value}'),
    annotation_of_no_image=Row(dict(image_id=4711), '{value}'),
)
mistakes.every(
    'images',
    BOTH,
    backslashes_in_file_names=Row(dict(file_name=lambda name: f'.\\{name}'), '\\'),
    width_and_height_swapped=Row(dict(width=HEIGHT, height=WIDTH), 'width'),
)
mistakes.config(
    BOTH,
    annotations_of_another_split=Row(
        {'val.ann_file': f'annotations/{file_of("train")}'}, f'{TRAIN_FILE} & val'
    ),
    training_images_for_validation=Row(
        {'val.data_prefix': dict(img='train/')}, '/train & val_dataloader'
    ),
)


@mistakes.in_file(BOTH)
def twice_the_same_annotation_id(document: Document, rng: Rng) -> Words:
    first, second = rng.choice(document['annotations'], 2, replace=False)
    second['id'] = first['id']
    return (first['id'],)


@mistakes.made_by(BOTH)
def two_files_merged(data: DataSet, rng: Rng) -> Words:
    with data.document('val') as other, data.document('train') as document:
        for key in ('images', 'annotations'):
            document[key] += json.loads(json.dumps(other[key]))
    for image in (data.root / 'val').iterdir():
        shutil.copy(image, data.root / 'train')
    return file_of('train'), 'id'


@mistakes.in_file(BOTH)
def image_ids_as_text(document: Document, rng: Rng) -> Words:
    for image in document['images']:
        image['id'] = str(image['id'])
    for entry in document['annotations']:
        entry['image_id'] = str(entry['image_id'])
    return ('id',)


@mistakes.made_by(BOTH)
def image_that_is_not_there(data: DataSet, rng: Rng) -> Words:
    path = an_annotated_image(data, rng)
    path.unlink()
    return path.parent.name, path.name


@mistakes.made_by(BOTH)
def damaged_image(data: DataSet, rng: Rng) -> Words:
    path = an_annotated_image(data, rng)
    cut_off(path, 20)
    return path.parent.name, path.name


@mistakes.made_by(BOTH)
def images_of_another_size(data: DataSet, rng: Rng) -> Words:
    split = a_split(rng)
    for path in (data.root / split).iterdir():
        image = Image.open(path)
        image.resize((image.width // 2, image.height // 2)).save(path)
    return file_of(split), WIDTH, WIDTH // 2


@mistakes.in_file(BOTH)
def one_file_name_twice(document: Document, rng: Rng) -> Words:
    first, second = rng.choice(document['images'], 2, replace=False)
    second['file_name'] = first['file_name']
    return (first['file_name'],)


@mistakes.made_by(BOTH)
def evaluator_of_another_file(data: DataSet, rng: Rng) -> Words:
    data.cfg.val_evaluator.ann_file = str(data.annotations('train'))
    return file_of('train'), 'val_evaluator'


@mistakes.in_file(BOTH)
def key_is_missing(document: Document, rng: Rng) -> Words:
    place = str(rng.choice(['images', 'annotations']))
    keys = dict(images=['id', 'file_name', 'width'], annotations=['id', 'image_id'])[place]
    key = str(rng.choice(keys))
    number = int(rng.integers(len(document[place])))
    del document[place][number][key]
    return key, number
