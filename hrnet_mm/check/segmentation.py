"""Checks of images and their label maps: pairs, channels, sizes, values."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from mmengine.config import Config

from hrnet_mm.base.annotations import few
from hrnet_mm.base.config import as_list, name_of
from hrnet_mm.check import images
from hrnet_mm.check.classes import (
    check_names,
    check_numbers,
    check_same_names,
    names_of,
    numbers_of_classes,
)
from hrnet_mm.check.findings import Finding, first_of, note, stop, warn
from hrnet_mm.check.label_maps import LabelMaps
from hrnet_mm.check.sources import Source

IGNORED = 255  # mmseg's LoadAnnotations and losses ignore it unless told otherwise
LOSSY = ('.jpg', '.jpeg', '.webp')


def check_config(cfg: Config, sources: Sequence[Source]) -> Iterator[Finding]:
    yield from check_same_names(sources)
    heads = {key: cfg.model[key] for key in ('decode_head', 'auxiliary_head') if cfg.model.get(key)}
    numbers = [
        n for key, head in heads.items() for n in numbers_of_classes(head, f'model.{key}', None)
    ]
    for source in sources[:1]:
        if names_of(source):
            yield from check_numbers(numbers, len(names_of(source)), source)
    for source in sources:
        yield from check_names(source)
        yield from check_reduce_zero_label(source)
    for key, head in heads.items():
        for number, part in enumerate(as_list(head)):
            suffix = f'[{number}]' if isinstance(head, list | tuple) else ''
            yield from check_weights(part, f'model.{key}{suffix}')
            yield from check_ignored(part, f'model.{key}{suffix}', sources[0])
    if sources:
        yield from check_crop(cfg, sources[0])


def check_weights(head: Mapping[str, Any], place: str) -> Iterator[Finding]:
    """A loss has a weight for each class."""
    number = head.get('num_classes')
    losses = head.get('loss_decode')
    for index, loss in enumerate(as_list(losses)):
        weights = loss.get('class_weight') if isinstance(loss, Mapping) else None
        if isinstance(loss, Mapping) and 'cls' in loss.get('loss_name', ''):
            continue  # of masks that are classified, with one more class for none
        if isinstance(weights, list | tuple) and number and len(weights) != number:
            suffix = f'[{index}]' if isinstance(losses, list | tuple) else ''
            yield stop(
                f'{place}.loss_decode{suffix}.class_weight has {len(weights)} numbers, but '
                f'{place}.num_classes is {number}: write one weight for each class'
            )


def check_ignored(head: Mapping[str, Any], place: str, source: Source) -> Iterator[Finding]:
    """What is ignored is no class."""
    ignored, classes = head.get('ignore_index', IGNORED), names_of(source)
    if isinstance(ignored, int) and 0 <= ignored < len(classes):
        yield warn(
            f'{place}.ignore_index is {ignored}, the class {classes[ignored]!r} of {source.key}: '
            'it is never learnt'
        )


def check_reduce_zero_label(source: Source) -> Iterator[Finding]:
    """``reduce_zero_label`` in the pipeline is that of the dataset."""
    ours = source.dataset.reduce_zero_label
    for number, transform in enumerate(source.cfg.get('pipeline') or ()):
        theirs = transform.get('reduce_zero_label')
        if name_of(transform) == 'LoadAnnotations' and theirs is not None and theirs != ours:
            yield stop(
                f'{source.key}.pipeline[{number}].reduce_zero_label is {theirs}, but the dataset '
                f'has reduce_zero_label={ours}; write it once, in the dataset'
            )


def check_crop(cfg: Config, source: Source) -> Iterator[Finding]:
    """What is cut out for training has the size that batches are padded to."""
    size = (cfg.model.get('data_preprocessor') or cfg.get('data_preprocessor') or {}).get('size')
    for number, transform in enumerate(source.cfg.get('pipeline') or ()):
        if name_of(transform) != 'RandomCrop' or size is None or source.phase != 'train':
            continue
        crop = transform.get('crop_size')
        crop, size = (tuple(s) if isinstance(s, list | tuple) else (s, s) for s in (crop, size))
        if crop != size:
            level = stop if any(c > s for c, s in zip(crop, size, strict=False)) else warn
            yield level(
                f'{source.key}.pipeline[{number}].crop_size is {crop}, but data_preprocessor.size '
                f'is {size}; both are the same (height, width)'
            )


def check_data(cfg: Config, source: Source, maps: LabelMaps) -> Iterator[Finding]:
    """What is wrong with the files, and with the values in a sample of the maps."""
    yield from check_pairs(source, maps)
    for fault in maps.faults[:1]:
        others = f' (and {len(maps.faults) - 1} more)' if len(maps.faults) > 1 else ''
        yield stop(fault + others)
    if maps.values:
        yield from check_values(source, maps)


def check_pairs(source: Source, maps: LabelMaps) -> Iterator[Finding]:
    """There are images, and each has its label map."""
    folder = source.dataset.data_prefix.get('img_path')
    map_folder = source.dataset.data_prefix.get('seg_map_path')
    if not maps.image_paths:
        yield stop(
            f'{folder} has no image with {source.key}.img_suffix={source.dataset.img_suffix!r}; '
            f'it has {suffixes_in(folder)}'
        )
        return
    yield from check_list(source)
    if not source.dataset.ann_file:
        yield from check_left_out(source, folder)
    suffix = source.dataset.seg_map_suffix
    if suffix.lower().endswith(LOSSY):
        yield stop(
            f'{map_folder} holds label maps with {source.key}.seg_map_suffix={suffix!r}: JPEG '
            'changes the numbers of classes where it saves space; write PNG'
        )
    named = [path for path in maps.paths if path]
    missing = images.missing_files(named)
    in_list = f'. {source.dataset.ann_file} names the images' if source.dataset.ann_file else ''
    if missing:
        yield stop(
            f'there is no label map {named[missing[0]]} of {maps.image_paths[missing[0]]}: '
            f'{len(missing)} of {len(named)} images have none in {map_folder} with '
            f'{source.key}.seg_map_suffix={suffix!r}; it has {suffixes_in(map_folder)}{in_list}'
        )


def check_list(source: Source) -> Iterator[Finding]:
    """Each line of a list is the name of an image."""
    path = source.dataset.ann_file
    if not path or not os.path.isfile(path):
        return
    lines = Path(path).read_text(encoding='utf-8').splitlines()
    blank = [number for number, line in enumerate(lines, 1) if not line.strip()]
    yield from first_of(
        stop,
        blank,
        lambda number: f'{path}: line {number} is empty, which is read as a name: remove it',
    )


def check_left_out(source: Source, folder: str) -> Iterator[Finding]:
    """No image of a folder has another suffix than the one that is read."""
    suffix = source.dataset.img_suffix
    others = [
        os.path.join(place, name)
        for place, _, names in os.walk(folder)
        for name in sorted(names)
        if not name.endswith(suffix) and images.is_image(name)
    ]
    if others and source.dataset.data_prefix.get('seg_map_path') != folder:
        yield warn(
            f'{others[0]} is left out, as {len(others)} images are whose names do not end in '
            f'{source.key}.img_suffix={suffix!r}'
        )


def suffixes_in(folder: str) -> str:
    """'8 .png, 2 .txt' of the files below a folder."""
    names = (name for _, _, names in os.walk(folder) for name in names)
    counts = Counter(Path(name).suffix for name in names)
    listed = [f'{n} {suffix or "without suffix"}' for suffix, n in counts.most_common(3)]
    return ', '.join(listed) or 'no files'


def labels_as_read(source: Source, values: Sequence[int]) -> dict[int, int]:
    """What each value of a file is for training: its class, or the ignored number."""
    label_map = source.dataset.label_map or {}
    result = {}
    for value in values:
        label = value % 256
        if source.dataset.reduce_zero_label:
            label = IGNORED if label in (0, IGNORED) else label - 1
        result[value] = label_map.get(label, label)
    return result


def check_values(source: Source, maps: LabelMaps) -> Iterator[Finding]:
    """Values are numbers of classes or ignored, and every class is there."""
    classes = names_of(source)
    ignored = source.dataset.ignore_index
    labels = labels_as_read(source, list(maps.counts))
    wrong = sorted(
        value
        for value, label in labels.items()
        if classes
        and value not in (ignored, IGNORED)
        and not 0 <= label < len(classes)
        and label not in (ignored, IGNORED)
        or value > IGNORED
        or value < 0
    )
    if wrong:
        yield stop(value_fault(source, maps, wrong))
        return
    seen = set(labels.values()) - {ignored, IGNORED}
    if not seen:
        yield stop(
            f'{maps.holder[next(iter(labels))]}, as all label maps, holds only ignored pixels'
        )
    elif len(classes) > 1 and IGNORED in maps.counts and len(seen) == 1 and len(maps.counts) == 2:
        yield stop(
            f'{maps.holder[IGNORED]} has only the values {sorted(maps.counts)}, as all that were '
            f'read: {IGNORED} is ignored and not an object, so there is one class to learn; '
            f'write the numbers of the classes, 0 to {len(classes) - 1}'
        )
    else:
        yield from check_classes_occur(source, maps, seen)


def value_fault(source: Source, maps: LabelMaps, wrong: Sequence[int]) -> str:
    classes, number = names_of(source), len(names_of(source))
    found = set(maps.counts) - {IGNORED}
    hint = f'write the numbers of the {number} classes, 0 to {number - 1}, and {IGNORED} to ignore'
    if found == set(range(1, number + 1)) or (0 not in found and max(found) == number):
        hint = 'they count from 1: take 1 off, or set reduce_zero_label=True where 0 is ignored'
    elif max(found) > IGNORED:
        hint = f'mmseg reads the lower 8 bits; {hint}'
    elif name_of(source.cfg) == 'CityscapesDataset':
        hint = f'these are labelIds and not labelTrainIds; {hint}'
    return (
        f'{maps.holder[wrong[0]]} has the value {wrong[0]}, but there are the classes 0 to '
        f'{number - 1} ({few(classes)}); all values of {len(maps.values)} label maps: '
        f'{sorted(maps.counts)}: {hint}'
    )


def check_classes_occur(source: Source, maps: LabelMaps, seen: set[int]) -> Iterator[Finding]:
    """Every class is in some label map."""
    classes = names_of(source)
    absent = [name for number, name in enumerate(classes) if number not in seen]
    if not absent:
        return
    some = f'{len(maps.values)} label maps of {source.dataset.data_prefix.get("seg_map_path")}'
    if len(classes) - 1 not in seen and source.dataset.reduce_zero_label and 0 in maps.counts:
        text = (
            f'{maps.holder[0]} and others have the values {sorted(maps.counts)}, of which '
            f'reduce_zero_label=True ignores 0 and takes 1 off the others, so the class '
            f'{absent[-1]!r} is nowhere: set reduce_zero_label=False if 0 is a class'
        )
    else:
        text = f'the class {", ".join(map(repr, absent[:5]))} is nowhere in {some}'
    # A class that only a large public dataset has all of is no mistake in a part of it.
    whole = len(maps.values) == len(maps.paths)
    yield warn(text) if source.is_custom and whole and source.phase == 'train' else note(text)
