"""Mistakes that were thought of only after the checks were written."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import cv2
import numpy as np

from tests.check.mutations.classification import listed, write_list
from tests.check.mutations.coco import as_corners
from tests.check.mutations.mutation import (
    ABSENT,
    Document,
    Mutations,
    OneOf,
    Rng,
    Row,
    Words,
    a_split,
    change_config,
    file_of,
    label_maps,
    one,
)
from tests.check.sets import HEIGHT, REGIONS, WIDTH, DataSet, save_palette

mistakes = Mutations(__name__)

mistakes.config(
    'pose',
    codec_of_the_pipeline_is_another=Row(
        {'train.pipeline.5.encoder.sigma': 3}, 'pipeline[5] & sigma & 3'
    ),
    best_by_a_metric_that_is_not_measured=Row(
        {'default_hooks.checkpoint.save_best': 'PCK'}, 'save_best & PCK & coco/'
    ),
    epochs_that_never_end=Row(
        {'train_dataloader.sampler': dict(type='InfiniteSampler', shuffle=True)},
        'train_dataloader.sampler & InfiniteSampler & max_epochs',
    ),
)
mistakes.config(
    'det',
    masks_are_not_loaded=Row({'train.pipeline.1.with_mask': False}, 'mask_head & with_mask'),
)
mistakes.config(
    'seg',
    label_maps_of_another_split=Row(
        {'val.data_prefix.seg_map_path': 'labels/train'}, 'val_000 & labels/train'
    ),
    classes_for_validation_in_another_order=Row(
        {'val.metainfo': dict(classes=REGIONS[::-1])}, 'val_dataloader & classes & tree'
    ),
    schedule_is_longer_than_the_training=Row(
        {'param_scheduler': dict(type='PolyLR', end=40000, by_epoch=False)},
        'param_scheduler & end & 40000',
    ),
    class_that_is_ignored=Row(
        {'model.decode_head.ignore_index': 0}, 'decode_head & ignore_index & background'
    ),
)
mistakes.config(
    'cls',
    number_of_classes_without_names=Row(
        {'both.metainfo': ABSENT, 'model.head.num_classes': 5}, 'num_classes & 5 & 3'
    ),
)
mistakes.config(
    'pose seg',
    learning_rate_of_another_optimizer=Row(
        {'optim_wrapper.optimizer.lr': 0.1}, 'optimizer.lr & 0.1'
    ),
)
mistakes.every(
    'annotations',
    'pose det',
    'val',
    area_from_0_to_1=Row(dict(area=lambda area: area / (WIDTH * HEIGHT)), 'area'),
)
mistakes.one_annotation(
    'det',
    'val',
    no_iscrowd_for_evaluation=Row(dict(iscrowd=ABSENT), 'iscrowd'),
)
mistakes.one_annotation(
    'pose det',
    boxes_with_text=Row(dict(bbox=lambda box: list(map(str, box))), 'bbox'),
    box_of_no_width=Row(
        dict(bbox=OneOf((lambda box: [*box[:2], 0, box[3]], lambda box: [*box[:2], -20, box[3]]))),
        'bbox',
    ),
)


@mistakes.made_by('pose')
def lying_input(data: DataSet, rng: Rng) -> Words:
    """Width and height are exchanged everywhere, so that all sizes agree."""
    codecs = 'model.head.decoder', 'train.pipeline.5.encoder'
    inputs = *codecs, 'train.pipeline.4', 'val.pipeline.2'
    change_config(data, rng, {f'{codec}.heatmap_size': (16, 8) for codec in codecs})
    change_config(data, rng, {f'{part}.input_size': (64, 32) for part in inputs})
    return 'input_size', 64, 32


@mistakes.in_file('pose')
def keypoint_outside_the_image(document: Document, rng: Rng) -> Words:
    entry = one(rng, document['annotations'])
    place = int(rng.choice(np.flatnonzero(entry['keypoints'][2::3])))
    entry['keypoints'][3 * place] = WIDTH + 60
    return entry['id'], WIDTH + 60


@mistakes.made_by('pose det')
def images_under_another_key(data: DataSet, rng: Rng) -> Words:
    split = a_split(rng)
    data.dataset(split).data_prefix = dict(img_path=f'{split}/')
    return f'{split}_dataloader', 'data_prefix', 'img_path'


@mistakes.made_by('pose det')
def images_are_pictures_of_validation_under_other_names(data: DataSet, rng: Rng) -> Words:
    with data.document('train') as document:
        names = [image['file_name'] for image in document['images']]
    for source, name in zip(sorted((data.root / 'val').iterdir()), names, strict=False):
        shutil.copy(source, data.root / 'train' / name)
    return '/val/', 'val_dataloader', 'train_dataloader'


@mistakes.in_file('pose det')
def one_box_as_corners(document: Document, rng: Rng) -> Words:
    people = [entry for entry in document['annotations'] if not entry['iscrowd']]
    entry = max(people, key=lambda entry: 2 * entry['bbox'][0] + entry['bbox'][2])
    entry['bbox'] = as_corners(entry['bbox'])
    return entry['id'], 'bbox'


@mistakes.made_by('pose det')
def annotations_cut_off(data: DataSet, rng: Rng) -> Words:
    split = a_split(rng)
    path = data.annotations(split)
    path.write_text(path.read_text()[: int(rng.integers(100, 900))])
    return file_of(split), 'JSON'


@mistakes.in_file('pose det')
def everything_twice(document: Document, rng: Rng) -> Words:
    again = json.loads(json.dumps(document['annotations']))
    for entry in again:
        entry['id'] += 5000
    document['annotations'] += again
    return ('annotation',)


@mistakes.in_file('pose det')
def no_annotations(document: Document, rng: Rng) -> Words:
    document['annotations'] = []
    document['images'] = document['images'][: int(rng.integers(2))]
    return 'annotation', 'empty'


@mistakes.made_by('seg')
def palette_read_as_colors(data: DataSet, rng: Rng) -> Words:
    for path in label_maps(data, 'train'):
        save_palette(cv2.imread(str(path), cv2.IMREAD_UNCHANGED), path)
    data.dataset('train').pipeline[1].imdecode_backend = 'cv2'
    return '.png', 'imdecode_backend'


@mistakes.made_by('seg')
def no_folder_of_label_maps(data: DataSet, rng: Rng) -> Words:
    split = a_split(rng)
    data.dataset(split).data_prefix = dict(img_path=split, seg_map=f'labels/{split}')
    return f'{split}_dataloader', 'data_prefix', 'seg_map_path'


@mistakes.made_by('cls')
def label_that_is_no_number(data: DataSet, rng: Rng) -> Words:
    split = a_split(rng)
    write_list(data, split, listed(data, split, '{image} {name}'))
    return 'list.txt', 'line 1'


@mistakes.made_by('cls')
def list_of_images_that_moved(data: DataSet, rng: Rng) -> Words:
    write_list(data, a_split(rng), ['old/picture.jpg 0', 'old/other.jpg 1', 'old/more.jpg 2'])
    return 'list.txt', 'old/picture.jpg'


@mistakes.made_by('cls')
def one_folder_too_deep(data: DataSet, rng: Rng) -> Words:
    data.dataset('train').update(data_prefix='')
    del data.dataset('train')['metainfo']
    return 'train_dataloader', str(Path(data.root).name)
