"""Mistakes that were thought of only after the checks were written."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import cv2
import numpy as np

from tests.check.mutations.mutation import Rng, a_split, file_of, of, one
from tests.check.sets import ANIMALS, HEIGHT, REGIONS, WIDTH, DataSet


@of('pose')
def lying_input(data: DataSet, rng: Rng) -> tuple[object, ...]:
    """Width and height are exchanged everywhere, so that all sizes agree."""
    for codec in (data.cfg.model.head.decoder, data.dataset('train').pipeline[5].encoder):
        codec.update(input_size=(64, 32), heatmap_size=(16, 8))
    for split, place in (('train', 4), ('val', 2)):
        data.dataset(split).pipeline[place].input_size = (64, 32)
    return 'input_size', 64, 32


@of('pose')
def codec_of_the_pipeline_is_another(data: DataSet, rng: Rng) -> tuple[object, ...]:
    data.dataset('train').pipeline[5].encoder.sigma = 3
    return 'pipeline[5]', 'sigma', 3


@of('pose')
def keypoint_outside_the_image(data: DataSet, rng: Rng) -> tuple[object, ...]:
    split = a_split(rng)
    with data.document(split) as document:
        entry = one(rng, document['annotations'])
        place = int(rng.choice(np.flatnonzero(entry['keypoints'][2::3])))
        entry['keypoints'][3 * place] = WIDTH + 60
    return file_of(split), entry['id'], WIDTH + 60


@of('det')
def no_iscrowd_for_evaluation(data: DataSet, rng: Rng) -> tuple[object, ...]:
    with data.document('val') as document:
        entry = one(rng, document['annotations'])
        del entry['iscrowd']
    return file_of('val'), entry['id'], 'iscrowd'


@of('det')
def masks_are_not_loaded(data: DataSet, rng: Rng) -> tuple[object, ...]:
    data.dataset('train').pipeline[1].with_mask = False
    return 'mask_head', 'with_mask'


@of('pose', 'det')
def images_under_another_key(data: DataSet, rng: Rng) -> tuple[object, ...]:
    split = a_split(rng)
    data.dataset(split).data_prefix = dict(img_path=f'{split}/')
    return f'{split}_dataloader', 'data_prefix', 'img_path'


@of('pose', 'det')
def area_from_0_to_1(data: DataSet, rng: Rng) -> tuple[object, ...]:
    split = 'val'
    with data.document(split) as document:
        for entry in document['annotations']:
            entry['area'] /= WIDTH * HEIGHT
    return file_of(split), 'area'


@of('pose', 'det')
def images_are_pictures_of_validation_under_other_names(
    data: DataSet, rng: Rng
) -> tuple[object, ...]:
    with data.document('train') as document:
        names = [image['file_name'] for image in document['images']]
    for source, name in zip(sorted((data.root / 'val').iterdir()), names, strict=False):
        shutil.copy(source, data.root / 'train' / name)
    return '/val/', 'val_dataloader', 'train_dataloader'


@of('pose', 'det')
def one_box_as_corners(data: DataSet, rng: Rng) -> tuple[object, ...]:
    split = a_split(rng)
    with data.document(split) as document:
        people = [entry for entry in document['annotations'] if not entry['iscrowd']]
        entry = max(people, key=lambda entry: 2 * entry['bbox'][0] + entry['bbox'][2])
        x, y, w, h = entry['bbox']
        entry['bbox'] = [x, y, x + w, y + h]
    return file_of(split), entry['id'], 'bbox'


@of('pose', 'det')
def annotations_cut_off(data: DataSet, rng: Rng) -> tuple[object, ...]:
    split = a_split(rng)
    path = data.annotations(split)
    path.write_text(path.read_text()[: int(rng.integers(100, 900))])
    return file_of(split), 'JSON'


@of('pose', 'det')
def boxes_with_text(data: DataSet, rng: Rng) -> tuple[object, ...]:
    split = a_split(rng)
    with data.document(split) as document:
        entry = one(rng, document['annotations'])
        entry['bbox'] = list(map(str, entry['bbox']))
    return file_of(split), entry['id'], 'bbox'


@of('pose', 'det')
def everything_twice(data: DataSet, rng: Rng) -> tuple[object, ...]:
    split = a_split(rng)
    with data.document(split) as document:
        again = json.loads(json.dumps(document['annotations']))
        for entry in again:
            entry['id'] += 5000
        document['annotations'] += again
    return file_of(split), 'annotation'


@of('seg')
def palette_read_as_colors(data: DataSet, rng: Rng) -> tuple[object, ...]:
    from tests.check.sets import save_palette

    for path in (data.root / 'labels/train').iterdir():
        save_palette(cv2.imread(str(path), cv2.IMREAD_UNCHANGED), path)
    data.dataset('train').pipeline[1].imdecode_backend = 'cv2'
    return '.png', 'imdecode_backend'


@of('seg')
def no_folder_of_label_maps(data: DataSet, rng: Rng) -> tuple[object, ...]:
    split = a_split(rng)
    data.dataset(split).data_prefix = dict(img_path=split, seg_map=f'labels/{split}')
    return f'{split}_dataloader', 'data_prefix', 'seg_map_path'


@of('seg')
def label_maps_of_another_split(data: DataSet, rng: Rng) -> tuple[object, ...]:
    data.dataset('val').data_prefix.seg_map_path = 'labels/train'
    return 'val_000', 'labels/train'


@of('seg')
def classes_for_validation_in_another_order(data: DataSet, rng: Rng) -> tuple[object, ...]:
    data.dataset('val').metainfo = dict(classes=tuple(reversed(REGIONS)))
    return 'val_dataloader', 'classes', 'tree'


@of('seg')
def schedule_is_longer_than_the_training(data: DataSet, rng: Rng) -> tuple[object, ...]:
    data.cfg.param_scheduler = dict(type='PolyLR', end=40_000, by_epoch=False)
    return 'param_scheduler', 'end', 40_000


@of('cls')
def label_that_is_no_number(data: DataSet, rng: Rng) -> tuple[object, ...]:
    split = a_split(rng)
    paths = sorted((data.root / split).rglob('*.jpg'))
    lines = [f'{path.parent.name}/{path.name} {path.parent.name}' for path in paths]
    (data.root / 'list.txt').write_text('\n'.join(lines))
    data.dataset(split).ann_file = 'list.txt'
    return 'list.txt', 'line 1'


@of('cls')
def list_of_images_that_moved(data: DataSet, rng: Rng) -> tuple[object, ...]:
    split = a_split(rng)
    (data.root / 'list.txt').write_text('old/picture.jpg 0\nold/other.jpg 1\nold/more.jpg 2')
    data.dataset(split).ann_file = 'list.txt'
    return 'list.txt', 'old/picture.jpg'


@of('cls')
def number_of_classes_without_names(data: DataSet, rng: Rng) -> tuple[object, ...]:
    for split in ('train', 'val'):
        del data.dataset(split)['metainfo']
    data.cfg.model.head.num_classes = 5
    return 'num_classes', 5, len(ANIMALS)


@of('cls')
def one_folder_too_deep(data: DataSet, rng: Rng) -> tuple[object, ...]:
    data.dataset('train').update(data_prefix='')
    del data.dataset('train')['metainfo']
    return 'train_dataloader', str(Path(data.root).name)


@of('pose')
def best_by_a_metric_that_is_not_measured(data: DataSet, rng: Rng) -> tuple[object, ...]:
    data.cfg.default_hooks.checkpoint.save_best = 'PCK'
    return 'save_best', 'PCK', 'coco/'


@of('pose')
def epochs_that_never_end(data: DataSet, rng: Rng) -> tuple[object, ...]:
    data.cfg.train_dataloader.sampler = dict(type='InfiniteSampler', shuffle=True)
    return 'train_dataloader.sampler', 'InfiniteSampler', 'max_epochs'


@of('pose', 'det')
def box_of_no_width(data: DataSet, rng: Rng) -> tuple[object, ...]:
    split = a_split(rng)
    with data.document(split) as document:
        entry = one(rng, document['annotations'])
        entry['bbox'][2] = int(rng.choice([0, -20]))
    return file_of(split), entry['id'], 'bbox'


@of('seg')
def class_that_is_ignored(data: DataSet, rng: Rng) -> tuple[object, ...]:
    data.cfg.model.decode_head.ignore_index = 0
    return 'decode_head', 'ignore_index', REGIONS[0]


@of('pose', 'seg')
def learning_rate_of_another_optimizer(data: DataSet, rng: Rng) -> tuple[object, ...]:
    data.cfg.optim_wrapper.optimizer.lr = 0.1
    return 'optimizer.lr', 0.1


@of('pose', 'det')
def no_annotations(data: DataSet, rng: Rng) -> tuple[object, ...]:
    split = a_split(rng)
    with data.document(split) as document:
        document['annotations'] = []
        document['images'] = document['images'][: int(rng.integers(2))]
    return file_of(split), 'annotation', 'empty'
