"""Checks of images and their label maps: pairs, channels, sizes, values."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from mmengine.config import Config

from hrnet_mm.base.config import name_of
from hrnet_mm.check import images
from hrnet_mm.check.classes import check_class_weights, check_classes, numbers_of_classes
from hrnet_mm.check.datasets import Dataset
from hrnet_mm.check.findings import Finding, first_of, keyed, stop, warn
from hrnet_mm.check.label_maps import IGNORED, LabelMaps, check_values
from hrnet_mm.check.run import preprocessors_of

FOLDERS = ('img_path', 'seg_map_path')  # that the host's class cannot do without
LOSSY = ('.jpg', '.jpeg', '.webp')  # suffixes of images that do not keep their values
MOST_MAPS = 1000  # label maps that are read of one dataset


def check_config(cfg: Config, datasets: Sequence[Dataset]) -> Iterator[Finding]:
    heads = [
        keyed_head
        for name in ('decode_head', 'auxiliary_head')
        for keyed_head in keyed(f'model.{name}', cfg.model.get(name))
    ]
    numbers = [number for key, head in heads for number in numbers_of_classes(head, key, None)]
    yield from check_classes(datasets, numbers)
    for dataset in datasets:
        yield from check_reduce_zero_label(dataset)
    for key, head in heads:
        yield from check_class_weights(head, key, 'loss_decode')
        yield from check_ignored(head, key, datasets[0])
    yield from check_crop(cfg, datasets[0])


def check_ignored(head: Mapping[str, Any], place: str, dataset: Dataset) -> Iterator[Finding]:
    """The number that is ignored is not that of a class."""
    ignored, classes = head.get('ignore_index', IGNORED), dataset.classes
    if isinstance(ignored, int) and 0 <= ignored < len(classes):
        yield warn(
            f'{place}.ignore_index is {ignored}, the class {classes[ignored]!r} of {dataset.key}: '
            'it is never learnt'
        )


def check_reduce_zero_label(dataset: Dataset) -> Iterator[Finding]:
    """``reduce_zero_label`` in the pipeline is that of the dataset."""
    ours = dataset.built.reduce_zero_label
    for key, transform in keyed(f'{dataset.key}.pipeline', dataset.cfg.get('pipeline')):
        theirs = transform.get('reduce_zero_label')
        if name_of(transform) == 'LoadAnnotations' and theirs is not None and theirs != ours:
            yield stop(
                f'{key}.reduce_zero_label is {theirs}, but the dataset has '
                f'reduce_zero_label={ours}; write it once, in the dataset'
            )


def check_crop(cfg: Config, dataset: Dataset) -> Iterator[Finding]:
    """Crops of training images have the size that batches are padded to."""
    size = next((part.get('size') for _, part in preprocessors_of(cfg)), None)
    if size is None or dataset.phase != 'train':
        return
    for key, transform in keyed(f'{dataset.key}.pipeline', dataset.cfg.get('pipeline')):
        if name_of(transform) != 'RandomCrop':
            continue
        crop = transform.get('crop_size')
        crop, size = (tuple(s) if isinstance(s, list | tuple) else (s, s) for s in (crop, size))
        if crop != size:
            yield (stop if any(c > s for c, s in zip(crop, size, strict=False)) else warn)(
                f'{key}.crop_size is {crop}, but data_preprocessor.size is {size}; both are the '
                'same (height, width)'
            )


def read(dataset: Dataset) -> LabelMaps:
    """List the pairs as the host does, and read a sample of the maps."""
    pairs = dataset.built.load_data_list()
    maps = LabelMaps(
        [pair['img_path'] for pair in pairs], [pair.get('seg_map_path', '') for pair in pairs]
    )
    in_colors = any(
        name_of(transform) == 'LoadAnnotations' and transform.get('imdecode_backend') == 'cv2'
        for transform in dataset.pipeline
    )
    pixels = 0
    for number in images.spread(len(pairs), MOST_MAPS):
        if maps.paths[number] and os.path.isfile(maps.paths[number]) and pixels < images.PIXELS:
            pixels += maps.add(number, in_colors)
    return maps


def check_data(cfg: Config, dataset: Dataset, maps: LabelMaps) -> Iterator[Finding]:
    """What is wrong with the files, and with the values in a sample of the maps."""
    yield from check_pairs(dataset, maps)
    yield from first_of(stop, maps.faults)
    if maps.number_read:
        yield from check_values(dataset, maps)


def check_pairs(dataset: Dataset, maps: LabelMaps) -> Iterator[Finding]:
    """There are images, and each has its label map."""
    folder = dataset.built.data_prefix.get('img_path')
    map_folder = dataset.built.data_prefix.get('seg_map_path')
    if not maps.image_paths:
        yield stop(
            f'{folder} has no image with {dataset.key}.img_suffix={dataset.built.img_suffix!r}; '
            f'it has {suffixes_in(folder)}'
        )
        return
    yield from check_list(dataset)
    if not dataset.built.ann_file:
        yield from check_left_out(dataset, folder)
    suffix = dataset.built.seg_map_suffix
    if suffix.lower().endswith(LOSSY):
        yield stop(
            f'{map_folder} holds label maps with {dataset.key}.seg_map_suffix={suffix!r}: JPEG '
            'changes the numbers of classes where it saves space; write PNG'
        )
    named = [path for path in maps.paths if path]
    missing = images.missing_files(named)
    in_list = f'. {dataset.built.ann_file} names the images' if dataset.built.ann_file else ''
    if missing:
        yield stop(
            f'there is no label map {named[missing[0]]} of {maps.image_paths[missing[0]]}: '
            f'{len(missing)} of {len(named)} images have none in {map_folder} with '
            f'{dataset.key}.seg_map_suffix={suffix!r}; it has {suffixes_in(map_folder)}{in_list}'
        )


def check_list(dataset: Dataset) -> Iterator[Finding]:
    """Each line of a list is the name of an image."""
    path = dataset.built.ann_file
    if not path or not os.path.isfile(path):
        return
    lines = Path(path).read_text(encoding='utf-8').splitlines()
    blank = [number for number, line in enumerate(lines, 1) if not line.strip()]
    yield from first_of(
        stop,
        blank,
        lambda number: f'{path}: line {number} is empty, which is read as a name: remove it',
    )


def check_left_out(dataset: Dataset, folder: str) -> Iterator[Finding]:
    """No image of a folder has another suffix than the one that is read."""
    suffix = dataset.built.img_suffix
    others = [
        os.path.join(place, name)
        for place, _, names in os.walk(folder)
        for name in sorted(names)
        if not name.endswith(suffix) and images.is_image(name)
    ]
    if others and dataset.built.data_prefix.get('seg_map_path') != folder:
        yield warn(
            f'{others[0]} is left out, as {len(others)} images are whose names do not end in '
            f'{dataset.key}.img_suffix={suffix!r}'
        )


def suffixes_in(folder: str) -> str:
    """'8 .png, 2 .txt' of the files below a folder."""
    names = (name for _, _, names in os.walk(folder) for name in names)
    counts = Counter(Path(name).suffix for name in names)
    listed = [f'{n} {suffix or "without suffix"}' for suffix, n in counts.most_common(3)]
    return ', '.join(listed) or 'no files'
