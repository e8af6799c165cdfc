"""Mistakes in COCO files and in the images they list."""

from __future__ import annotations

import json
import shutil

import numpy as np
from PIL import Image

from tests.check.mutations.mutation import Rng, a_split, file_of, of, one
from tests.check.sets import HEIGHT, WIDTH, DataSet


@of('pose', 'det')
def twice_the_same_annotation_id(data: DataSet, rng: Rng) -> tuple[object, ...]:
    split = a_split(rng)
    with data.document(split) as document:
        first, second = rng.choice(document['annotations'], 2, replace=False)
        second['id'] = first['id']
    return file_of(split), first['id']


@of('pose', 'det')
def two_files_merged(data: DataSet, rng: Rng) -> tuple[object, ...]:
    with data.document('val') as other, data.document('train') as document:
        for key in ('images', 'annotations'):
            document[key] += json.loads(json.dumps(other[key]))
    for image in (data.root / 'val').iterdir():
        shutil.copy(image, data.root / 'train')
    return file_of('train'), 'id'


@of('pose', 'det')
def image_ids_as_text(data: DataSet, rng: Rng) -> tuple[object, ...]:
    split = a_split(rng)
    with data.document(split) as document:
        for image in document['images']:
            image['id'] = str(image['id'])
        for entry in document['annotations']:
            entry['image_id'] = str(entry['image_id'])
    return file_of(split), 'id'


@of('pose', 'det')
def image_id_as_text_in_annotations(data: DataSet, rng: Rng) -> tuple[object, ...]:
    split = a_split(rng)
    with data.document(split) as document:
        for entry in document['annotations']:
            entry['image_id'] = str(entry['image_id'])
    return file_of(split), 'image_id'


@of('pose', 'det')
def boxes_as_corners(data: DataSet, rng: Rng) -> tuple[object, ...]:
    split = a_split(rng)
    with data.document(split) as document:
        for entry in document['annotations']:
            x, y, w, h = entry['bbox']
            entry['bbox'] = [x, y, x + w, y + h]
    return file_of(split), 'bbox'


@of('pose', 'det')
def normalised_boxes(data: DataSet, rng: Rng) -> tuple[object, ...]:
    split = a_split(rng)
    with data.document(split) as document:
        for entry in document['annotations']:
            size = np.array([WIDTH, HEIGHT, WIDTH, HEIGHT])
            entry['bbox'] = (np.array(entry['bbox']) / size).tolist()
    return file_of(split), 'bbox'


@of('pose', 'det')
def box_not_finite(data: DataSet, rng: Rng) -> tuple[object, ...]:
    split = a_split(rng)
    with data.document(split) as document:
        entry = one(rng, document['annotations'])
        entry['bbox'][int(rng.integers(4))] = float(rng.choice([np.nan, np.inf]))
    return file_of(split), entry['id'], 'bbox'


@of('pose', 'det')
def box_outside_the_image(data: DataSet, rng: Rng) -> tuple[object, ...]:
    split = a_split(rng)
    with data.document(split) as document:
        entry = one(rng, document['annotations'])
        entry['bbox'] = [WIDTH + 9, HEIGHT + 9, 30, 30]
    return file_of(split), entry['id'], 'bbox'


@of('pose', 'det')
def everything_is_a_crowd(data: DataSet, rng: Rng) -> tuple[object, ...]:
    split = a_split(rng)
    with data.document(split) as document:
        for entry in document['annotations']:
            entry['iscrowd'] = 1
    return file_of(split), 'crowd'


@of('pose', 'det')
def image_that_is_not_there(data: DataSet, rng: Rng) -> tuple[object, ...]:
    split = a_split(rng)
    with data.document(split) as document:
        wanted = {one(rng, document['annotations'])['image_id']}
        [image] = [image for image in document['images'] if image['id'] in wanted]
    (data.root / split / image['file_name']).unlink()
    return split, image['file_name']


@of('pose', 'det')
def backslashes_in_file_names(data: DataSet, rng: Rng) -> tuple[object, ...]:
    split = a_split(rng)
    with data.document(split) as document:
        for image in document['images']:
            image['file_name'] = f'.\\{image["file_name"]}'
    return file_of(split), '\\'


@of('pose', 'det')
def annotations_of_another_split(data: DataSet, rng: Rng) -> tuple[object, ...]:
    data.dataset('val').ann_file = f'annotations/{file_of("train")}'
    return file_of('train'), 'val'


@of('pose', 'det')
def training_images_for_validation(data: DataSet, rng: Rng) -> tuple[object, ...]:
    data.dataset('val').data_prefix = dict(img='train/')
    return '/train', 'val_dataloader'


@of('pose', 'det')
def damaged_image(data: DataSet, rng: Rng) -> tuple[object, ...]:
    split = a_split(rng)
    with data.document(split) as document:
        wanted = {one(rng, document['annotations'])['image_id']}
        [image] = [image for image in document['images'] if image['id'] in wanted]
    path = data.root / split / image['file_name']
    path.write_bytes(path.read_bytes()[:20])
    return split, image['file_name']


@of('pose', 'det')
def images_of_another_size(data: DataSet, rng: Rng) -> tuple[object, ...]:
    split = a_split(rng)
    for path in (data.root / split).iterdir():
        image = Image.open(path)
        image.resize((image.width // 2, image.height // 2)).save(path)
    return file_of(split), WIDTH, WIDTH // 2


@of('pose', 'det')
def width_and_height_swapped(data: DataSet, rng: Rng) -> tuple[object, ...]:
    split = a_split(rng)
    with data.document(split) as document:
        for image in document['images']:
            image['width'], image['height'] = image['height'], image['width']
    return file_of(split), 'width'


@of('pose', 'det')
def one_file_name_twice(data: DataSet, rng: Rng) -> tuple[object, ...]:
    split = a_split(rng)
    with data.document(split) as document:
        first, second = rng.choice(document['images'], 2, replace=False)
        second['file_name'] = first['file_name']
    return file_of(split), first['file_name']


@of('pose', 'det')
def annotation_of_no_category(data: DataSet, rng: Rng) -> tuple[object, ...]:
    split = a_split(rng)
    with data.document(split) as document:
        entry = one(rng, document['annotations'])
        entry['category_id'] = 77
    return file_of(split), entry['id'], 77


@of('pose', 'det')
def annotation_of_no_image(data: DataSet, rng: Rng) -> tuple[object, ...]:
    split = a_split(rng)
    with data.document(split) as document:
        entry = one(rng, document['annotations'])
        entry['image_id'] = 4711
    return file_of(split), entry['id'], 4711


@of('pose', 'det')
def evaluator_of_another_file(data: DataSet, rng: Rng) -> tuple[object, ...]:
    data.cfg.val_evaluator.ann_file = str(data.annotations('train'))
    return file_of('train'), 'val_evaluator'


@of('pose', 'det')
def key_is_missing(data: DataSet, rng: Rng) -> tuple[object, ...]:
    split = a_split(rng)
    with data.document(split) as document:
        place = str(rng.choice(['images', 'annotations']))
        keys = dict(images=['id', 'file_name', 'width'], annotations=['id', 'image_id'])[place]
        key = str(rng.choice(keys))
        number = int(rng.integers(len(document[place])))
        del document[place][number][key]
    return file_of(split), key, number
