"""Checks of pose: keypoint data, and that dataset, codec and network agree on them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.config import Config
from torch import Tensor

from hrnet_mm.base.coco_file import (
    CocoFile,
    FieldsToRead,
    listed,
    read_coco_file,
    reasons_to_skip,
    unusable,
)
from hrnet_mm.base.config import as_list, name_of
from hrnet_mm.check import bottomup
from hrnet_mm.check.boxes import check_areas, check_boxes, check_detected_people
from hrnet_mm.check.coco import check_entries, check_run_lengths
from hrnet_mm.check.datasets import Dataset
from hrnet_mm.check.evaluation import evaluators_of
from hrnet_mm.check.findings import Finding, few_sorted, keyed, note, stop, warn
from hrnet_mm.check.keypoints import check_annotated_keypoints
from hrnet_mm.check.network import image_of, result_of

FOLDERS = ('img',)  # that the host's classes cannot do without
WHOLE_BODY = ('keypoints', 'foot_kpts', 'face_kpts', 'lefthand_kpts', 'righthand_kpts')
FACES = ('Face300WDataset', 'AFLWDataset', 'WFLWDataset')  # center and scale in place of bbox
# What a class takes of every annotation.
NEEDED = dict.fromkeys(FACES, ('center', 'scale', 'num_keypoints', 'iscrowd'))
NEEDED['CocoWholeBodyDataset'] = (*WHOLE_BODY, 'num_keypoints', 'iscrowd', 'segmentation')
# The argument of a head that is the number of keypoints.
CHANNEL_KEYS = ('num_joints', 'num_keypoints', 'out_channels')
HEATMAPS = ('MSRAHeatmap', 'UDPHeatmap')
DATA_MODES = dict(TopdownPoseEstimator='topdown', BottomupPoseEstimator='bottomup')


def check_config(cfg: Config, datasets: Sequence[Dataset]) -> Iterator[Finding]:
    picks = 'output_keypoint_indices' in (cfg.model.get('test_cfg') or {})
    for dataset in datasets:
        yield from check_data_mode(cfg, dataset)
        yield from check_codecs(cfg, dataset)
        yield from bottomup.check_sizes(cfg, dataset)
        yield from bottomup.check_rescoring(cfg, dataset)
        yield from bottomup.check_batch(cfg, dataset)
        if dataset.phase == 'train' or not picks:
            yield from check_outputs(cfg, dataset)
    yield from check_heatmap_size(cfg)


def head_of(cfg: Config) -> Mapping[str, Any]:
    head = cfg.model.get('head')
    return head if isinstance(head, dict) else {}


def decoder_of(cfg: Config) -> Mapping[str, Any]:
    """The codec that reads a network's maps; empty where there is none, or several."""
    decoder = head_of(cfg).get('decoder')
    return decoder if isinstance(decoder, dict) else {}


def size_of(codec: Mapping[str, Any], key: str) -> tuple[int, int] | None:
    """Width and height under a key of a codec; None where it has no such pair."""
    size = codec.get(key)
    return tuple(size) if isinstance(size, list | tuple) and len(size) == 2 else None


def check_data_mode(cfg: Config, dataset: Dataset) -> Iterator[Finding]:
    """A top-down model is given one person a sample, a bottom-up model an image."""
    kind = name_of(cfg.model)
    right = DATA_MODES.get(kind)
    mode = dataset.cfg.get('data_mode', 'topdown')
    if right is not None and mode != right:
        yield stop(f'{dataset.key}.data_mode is {mode!r}, but a {kind} needs {right!r}')


def keypoints_of(dataset: Dataset) -> int:
    """The number of keypoints that a dataset gives, after a conversion if it has one."""
    for transform in dataset.pipeline:
        if name_of(transform) == 'KeypointConverter':
            return transform['num_keypoints']
    return dataset.built.metainfo['num_keypoints']


def check_outputs(cfg: Config, dataset: Dataset) -> Iterator[Finding]:
    """The head has one output for each keypoint."""
    head, number = head_of(cfg), keypoints_of(dataset)
    if decoder_of(cfg).get('heatmap_type') == 'combined':
        number *= 3
    for key in CHANNEL_KEYS:
        if isinstance(head.get(key), int) and head[key] != number:
            yield stop(
                f'model.head.{key} is {head[key]}, but {dataset.key} has {number} keypoints'
                f' (metainfo {dataset.built.metainfo["dataset_name"]!r}): write '
                f'model.head.{key}={number}, or a metainfo of {head[key]} keypoints'
            )
            return


def check_codecs(cfg: Config, dataset: Dataset) -> Iterator[Finding]:
    """The pipeline cuts out people and makes targets as the decoder reads them."""
    decoder = decoder_of(cfg)
    if not decoder:
        return
    for place, transform in keyed(f'{dataset.key}.pipeline', dataset.cfg.get('pipeline')):
        if name_of(transform) == 'TopdownAffine':
            yield from check_same(place, transform, decoder, 'input_size')
            uses, right = bool(transform.get('use_udp')), decoder.get('type') == 'UDPHeatmap'
            if uses != right and decoder.get('type') in HEATMAPS:
                yield warn(
                    f'{place}.use_udp is {uses}, but model.head.decoder is a {decoder["type"]}: '
                    f'write use_udp={right}, else points are off by a part of a pixel'
                )
        if name_of(transform) == 'BottomupRandomAffine':
            yield from check_same(place, transform, decoder, 'input_size')
        encoders = as_list(transform.get('encoder'))
        if name_of(transform) == 'GenerateTarget' and len(encoders) == 1:
            for key in ('type', 'input_size', 'heatmap_size', 'sigma'):
                yield from check_same(f'{place}.encoder', encoders[0], decoder, key)


def check_same(
    place: str, ours: Mapping[str, Any], decoder: Mapping[str, Any], key: str
) -> Iterator[Finding]:
    """A step of the pipeline at ``place`` has the decoder's value under ``key``."""
    pair = ours.get(key), decoder.get(key)
    mine, theirs = (tuple(value) if isinstance(value, list | tuple) else value for value in pair)
    if None not in pair and mine != theirs:
        order = ' (width, height)' if 'size' in key else ''
        yield (warn if key == 'sigma' else stop)(
            f'{place}.{key} is {mine}, but model.head.decoder.{key} is {theirs}; both are the '
            f'same{order}'
        )


def check_heatmap_size(cfg: Config) -> Iterator[Finding]:
    """The network makes heatmaps of the codec's size."""
    codec = decoder_of(cfg)
    input_size, heatmap_size = size_of(codec, 'input_size'), size_of(codec, 'heatmap_size')
    if codec.get('type') not in HEATMAPS or not input_size or not heatmap_size:
        return
    maps = result_of(cfg, cfg.model, image_of(*input_size[::-1]), None, mode='tensor')
    if isinstance(maps, list | tuple) and maps:
        maps = maps[-1]
    if not isinstance(maps, Tensor) or maps.ndim != 4:
        return
    size = (maps.shape[-1], maps.shape[-2])
    if size != heatmap_size:
        yield stop(
            f'model.head.decoder.heatmap_size is {heatmap_size}, but the network makes maps of '
            f'{size} (width, height) of the input_size {input_size}: write '
            f'heatmap_size={size} wherever the codec stands'
        )


def read(dataset: Dataset) -> CocoFile:
    """Read the annotation file.

    Raises:
        UserError: it cannot be used at all.
    """
    keys = WHOLE_BODY if dataset.reader.name == 'CocoWholeBodyDataset' else ('keypoints',)
    number = dataset.built.metainfo['num_keypoints']
    return read_coco_file(
        Path(dataset.built.ann_file),
        FieldsToRead(
            keys,
            number,
            masks=bottomup.reads_masks(dataset),
            needed=NEEDED.get(dataset.reader.name, ()),
        ),
    )


def check_data(cfg: Config, dataset: Dataset, file: CocoFile) -> Iterator[Finding]:
    """What is wrong with a file."""
    yield from check_entries(file)
    if dataset.reader.name not in FACES:
        yield from check_boxes(file, needed=False)
    metrics = [name_of(part) for _, part in evaluators_of(cfg, dataset.phase)]
    if dataset.phase != 'train' and 'CocoMetric' in metrics:
        yield from check_areas(file, 'the AP of keypoints is measured by')
    yield from check_annotated_keypoints(file)
    yield from check_names(dataset, file)
    yield from check_shape(cfg, file)
    yield from check_usable(file, reasons_of(dataset, file))
    yield from bottomup.check_people(dataset, file)
    yield from check_run_lengths(file)


def check_bbox_file(dataset: Dataset, file: CocoFile) -> Iterator[Finding]:
    """The file of detected people, where there is one."""
    path = dataset.cfg.get('bbox_file')
    if path and Path(path).is_file():
        for finding in check_detected_people(Path(path), file):
            yield finding.at(f'{dataset.key}.bbox_file')


def reasons_of(dataset: Dataset, file: CocoFile) -> np.ndarray:
    """(annotations,) why the host leaves out each one; '' where it does not."""
    return reasons_to_skip(file, True, with_boxes=dataset.reader.name not in FACES)


def used_images(dataset: Dataset, file: CocoFile) -> list[int]:
    """The numbers of the images that are read."""
    if dataset.cfg.get('data_mode') == 'bottomup' and dataset.cfg.get('test_mode'):
        return list(range(len(file.names)))
    people = file.image_numbers[reasons_of(dataset, file) == '']
    return sorted(set(people.tolist()))


def check_names(dataset: Dataset, file: CocoFile) -> Iterator[Finding]:
    """The keypoints that a category names are those of metainfo, in that order."""
    names = list(dataset.built.metainfo['keypoint_id2name'].values())
    for category in file.categories:
        theirs = category.get('keypoints') if isinstance(category, dict) else None
        if not isinstance(theirs, list) or not theirs:
            continue
        if dataset.reader.name == 'CocoWholeBodyDataset':
            names = names[: len(theirs)]
        where = f"{file.path}: the 'keypoints' of category {category.get('name')!r}"
        if len(theirs) != len(names):
            yield stop(
                f'{where} are {len(theirs)} names, and metainfo has {len(names)} keypoints '
                f'({few_sorted(names, 5)}): write a metainfo of these names'
            )
        place = {plain(name): i for i, name in enumerate(names)}
        moved = [i for i, name in enumerate(theirs) if place.get(plain(name), i) != i]
        if moved and len(theirs) == len(names):
            i = moved[0]
            yield stop(
                f'{where} have {theirs[i]!r} as number {i}, where metainfo has {names[i]!r}, and '
                f'{theirs[i]!r} as number {place[plain(theirs[i])]}: bring metainfo in the order '
                'of the file'
            )
        bones = [bone for bone in category.get('skeleton') or [] if not is_bone(bone, len(theirs))]
        if bones:
            yield warn(
                f"{file.path}: the 'skeleton' of category {category.get('name')!r} has {bones[0]!r}"
                f', which are not two of the keypoints 1 to {len(theirs)}'
            )


def plain(name: Any) -> str:
    return str(name).lower().replace('-', '_').replace(' ', '_')


def is_bone(bone: Any, number: int) -> bool:
    return (
        isinstance(bone, list | tuple)
        and len(bone) == 2
        and all(isinstance(i, int) and 1 <= i <= number for i in bone)
    )


def check_shape(cfg: Config, file: CocoFile) -> Iterator[Finding]:
    """The input is upright where most people are, e.g. 192x256, and lying where they lie."""
    size = size_of(decoder_of(cfg), 'input_size')
    people = file.boxes[(file.boxes[:, 2:] > 0).all(axis=1) & ~file.crowds]
    if size is None or not len(people):
        return
    of_boxes, of_input = float(np.median(people[:, 2] / people[:, 3])), size[0] / size[1]
    if (of_boxes < 0.75 and of_input > 1.2) or (of_boxes > 1.33 and of_input < 0.83):
        yield warn(
            f'model.head.decoder.input_size is {size}, (width, height), but half of the '
            f'boxes of {file.path} are {"higher" if of_boxes < 1 else "wider"} than '
            f'{of_boxes:.2f} in width to height: is it meant as {size[::-1]}?'
        )


def check_usable(file: CocoFile, reasons: np.ndarray) -> Iterator[Finding]:
    """People are left to train or to evaluate on; those that are left out are counted."""
    fault = unusable(file, reasons)
    if fault is not None:
        yield stop(fault)
    elif listed(reasons):
        yield note(f'{file.path}: {len(file)} annotated people; left out: {listed(reasons)}')
