"""Mistakes of label maps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np

from tests.check.mutations.mutation import Rng, a_split, of
from tests.check.sets import HEIGHT, REGIONS, DataSet


def a_label_map(data: DataSet, rng: Rng) -> tuple[str, Any]:
    split = a_split(rng)
    paths = sorted((data.root / 'labels' / split).iterdir())
    return split, paths[int(rng.integers(len(paths)))]


def change_labels(data: DataSet, change: Callable[[np.ndarray], np.ndarray]) -> None:
    for path in (data.root / 'labels').rglob('*.png'):
        cv2.imwrite(str(path), change(cv2.imread(str(path), cv2.IMREAD_UNCHANGED)))


@of('seg')
def colors_as_labels(data: DataSet, rng: Rng) -> tuple[object, ...]:
    _, path = a_label_map(data, rng)
    labels = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    cv2.imwrite(str(path), labels[..., None].repeat(3, axis=2))
    return path.name, 'channel'


@of('seg')
def label_map_of_another_size(data: DataSet, rng: Rng) -> tuple[object, ...]:
    _, path = a_label_map(data, rng)
    labels = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    cv2.imwrite(str(path), labels[: HEIGHT // 2])
    return path.name, HEIGHT // 2, HEIGHT


@of('seg')
def object_is_255(data: DataSet, rng: Rng) -> tuple[object, ...]:
    change_labels(data, lambda labels: np.where(labels == 1, 255, 0).astype(np.uint8))
    for split in ('train', 'val'):
        data.dataset(split).metainfo = dict(classes=('background', 'road'))
    data.cfg.model.decode_head.num_classes = 2
    return '.png', 255


@of('seg')
def object_is_128(data: DataSet, rng: Rng) -> tuple[object, ...]:
    change_labels(data, lambda labels: np.where(labels == 1, 128, 0).astype(np.uint8))
    return '.png', 128


@of('seg')
def labels_from_one(data: DataSet, rng: Rng) -> tuple[object, ...]:
    change_labels(data, lambda labels: np.where(labels == 255, 255, labels + 1).astype(np.uint8))
    return '.png', len(REGIONS)


@of('seg')
def one_label_too_large(data: DataSet, rng: Rng) -> tuple[object, ...]:
    _, path = a_label_map(data, rng)
    labels = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    labels[9, 9] = value = int(rng.integers(len(REGIONS), 250))
    cv2.imwrite(str(path), labels)
    return path.name, value


@of('seg')
def class_that_is_nowhere(data: DataSet, rng: Rng) -> tuple[object, ...]:
    gone = int(rng.integers(1, len(REGIONS)))
    change_labels(data, lambda labels: np.where(labels == gone, 0, labels).astype(np.uint8))
    return REGIONS[gone], 'class'


@of('seg')
def class_weights_of_another_length(data: DataSet, rng: Rng) -> tuple[object, ...]:
    data.cfg.model.decode_head.loss_decode = dict(type='CrossEntropyLoss', class_weight=[1.0] * 3)
    return 'class_weight', 3, len(REGIONS)


@of('seg')
def zero_label_reduced_by_mistake(data: DataSet, rng: Rng) -> tuple[object, ...]:
    for split in ('train', 'val'):
        data.dataset(split).reduce_zero_label = True
    return 'reduce_zero_label', '.png'


@of('seg')
def number_of_classes_of_a_head(data: DataSet, rng: Rng) -> tuple[object, ...]:
    data.cfg.model.decode_head.num_classes = number = int(rng.choice([2, 3, 19]))
    return 'decode_head', 'num_classes', number, len(REGIONS)


@of('seg', 'cityscapes')
def image_without_label_map(data: DataSet, rng: Rng) -> tuple[object, ...]:
    maps = sorted(path for path in data.root.rglob('*.png') if 'leftImg8bit' not in path.name)
    path = maps[int(rng.integers(len(maps)))]
    path.unlink()
    return (path.name,)


@of('seg')
def suffix_of_label_maps(data: DataSet, rng: Rng) -> tuple[object, ...]:
    split = a_split(rng)
    data.dataset(split).seg_map_suffix = '_mask.png'
    return 'seg_map_suffix', '_mask.png', f'labels/{split}'


@of('seg')
def suffix_of_images(data: DataSet, rng: Rng) -> tuple[object, ...]:
    split = a_split(rng)
    data.dataset(split).img_suffix = '.jpeg'
    return 'img_suffix', '.jpeg', split


@of('seg')
def label_maps_as_jpeg(data: DataSet, rng: Rng) -> tuple[object, ...]:
    split = a_split(rng)
    for path in (data.root / 'labels' / split).iterdir():
        labels = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        cv2.imwrite(str(path.with_suffix('.jpg')), labels)
        path.unlink()
    data.dataset(split).seg_map_suffix = '.jpg'
    return f'labels/{split}', '.jpg'


@of('seg')
def sixteen_bit_labels(data: DataSet, rng: Rng) -> tuple[object, ...]:
    _, path = a_label_map(data, rng)
    labels = cv2.imread(str(path), cv2.IMREAD_UNCHANGED).astype(np.uint16)
    cv2.imwrite(str(path), labels * 1000)
    return (path.name,)


@of('seg')
def crop_of_another_size_than_the_batch(data: DataSet, rng: Rng) -> tuple[object, ...]:
    data.dataset('train').pipeline[2].crop_size = (64, 96)
    return 'crop_size', '(64, 96)', '(64, 64)'


@of('cityscapes')
def label_ids_in_place_of_train_ids(data: DataSet, rng: Rng) -> tuple[object, ...]:
    for path in (data.root / 'gtFine').rglob('*.png'):
        labels = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        cv2.imwrite(str(path), np.where(labels == 255, 0, labels + 7).astype(np.uint8))
    return '_gtFine_labelTrainIds.png', 25


@of('pascal')
def list_of_another_folder(data: DataSet, rng: Rng) -> tuple[object, ...]:
    path = data.root / 'ImageSets/Segmentation/train.txt'
    path.write_text(path.read_text() + 'gone\n')
    return 'gone', 'train.txt'
