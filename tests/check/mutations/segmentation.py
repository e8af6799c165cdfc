"""Mistakes of label maps."""

from __future__ import annotations

import cv2
import numpy as np

from tests.check.mutations.mutation import (
    Mutations,
    OneOf,
    Rng,
    Row,
    Words,
    a_file,
    a_split,
    change_config,
    change_label_map,
    label_maps,
)
from tests.check.sets import HEIGHT, REGIONS, DataSet

mistakes = Mutations(__name__)


def road_as(value: int) -> np.ndarray:
    """A table of new values by which class 1 is a value and the others are 0."""
    return np.where(np.arange(256) == 1, value, 0).astype(np.uint8)


FROM_ONE = np.append(np.arange(1, 256), 255).astype(np.uint8)  # the table of v + 1; 255 is ignored

mistakes.one_label_map(
    colors_as_labels=Row(lambda labels: labels[..., None].repeat(3, axis=2), 'channel'),
    label_map_of_another_size=Row(
        lambda labels: labels[: HEIGHT // 2], f'{HEIGHT // 2} & {HEIGHT}'
    ),
    sixteen_bit_labels=Row(lambda labels: labels.astype(np.uint16) * 1000),
)
mistakes.every_label_map(
    object_is_128=Row(lambda labels: road_as(128)[labels], '.png & 128'),
    labels_from_one=Row(lambda labels: FROM_ONE[labels], '.png & 4'),
)
mistakes.config(
    'seg',
    class_weights_of_another_length=Row(
        {'model.decode_head.loss_decode': dict(type='CrossEntropyLoss', class_weight=[1.0] * 3)},
        'class_weight & 3 & 4',
    ),
    zero_label_reduced_by_mistake=Row({'both.reduce_zero_label': True}, 'reduce_zero_label & .png'),
    number_of_classes_of_a_head=Row(
        {'model.decode_head.num_classes': OneOf((2, 3, 19))},
        'decode_head & num_classes & {value} & 4',
    ),
    suffix_of_label_maps=Row(
        {'split.seg_map_suffix': '_mask.png'}, 'seg_map_suffix & _mask.png & labels/{split}'
    ),
    suffix_of_images=Row({'split.img_suffix': '.jpeg'}, 'img_suffix & .jpeg & {split}'),
    crop_of_another_size_than_the_batch=Row(
        {'train.pipeline.2.crop_size': (64, 96)}, 'crop_size & (64, 96) & (64, 64)'
    ),
)


@mistakes.made_by('seg')
def object_is_255(data: DataSet, rng: Rng) -> Words:
    for path in label_maps(data):
        change_label_map(path, lambda labels: road_as(255)[labels])
    two = {
        'both.metainfo': dict(classes=('background', 'road')),
        'model.decode_head.num_classes': 2,
    }
    change_config(data, rng, two)
    return '.png', 255


@mistakes.made_by('seg')
def one_label_too_large(data: DataSet, rng: Rng) -> Words:
    path = a_file(rng, data.root / 'labels' / a_split(rng))
    labels = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    labels[9, 9] = value = int(rng.integers(len(REGIONS), 250))
    cv2.imwrite(str(path), labels)
    return path.name, value


@mistakes.made_by('seg')
def class_that_is_nowhere(data: DataSet, rng: Rng) -> Words:
    gone = int(rng.integers(1, len(REGIONS)))
    for path in label_maps(data):
        change_label_map(path, lambda labels: np.where(labels == gone, 0, labels).astype(np.uint8))
    return REGIONS[gone], 'class'


@mistakes.made_by('seg cityscapes')
def image_without_label_map(data: DataSet, rng: Rng) -> Words:
    maps = sorted(path for path in data.root.rglob('*.png') if 'leftImg8bit' not in path.name)
    path = maps[int(rng.integers(len(maps)))]
    path.unlink()
    return (path.name,)


@mistakes.made_by('seg')
def label_maps_as_jpeg(data: DataSet, rng: Rng) -> Words:
    split = a_split(rng)
    for path in label_maps(data, split):
        labels = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        cv2.imwrite(str(path.with_suffix('.jpg')), labels)
        path.unlink()
    data.dataset(split).seg_map_suffix = '.jpg'
    return f'labels/{split}', '.jpg'


@mistakes.made_by('cityscapes')
def label_ids_in_place_of_train_ids(data: DataSet, rng: Rng) -> Words:
    for path in (data.root / 'gtFine').rglob('*.png'):
        change_label_map(
            path, lambda labels: np.where(labels == 255, 0, labels + 7).astype(np.uint8)
        )
    return '_gtFine_labelTrainIds.png', 25


@mistakes.made_by('pascal')
def list_of_another_folder(data: DataSet, rng: Rng) -> Words:
    path = data.root / 'ImageSets/Segmentation/train.txt'
    path.write_text(path.read_text() + 'gone\n')
    return 'gone', 'train.txt'
