"""Checks of bottom-up models.

Targets of heatmaps and tags have the sizes of the maps, and hold everybody; what rescores DEKR's
people is of their keypoints.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from mmengine.config import Config
from torch import Tensor

from hrnet_mm.base.coco_file import CocoFile
from hrnet_mm.base.config import keeps_shapes, name_of
from hrnet_mm.bottomup.grouping import GroupingRules
from hrnet_mm.check.datasets import Dataset
from hrnet_mm.check.findings import Finding, first_of, keyed, stop
from hrnet_mm.check.network import image_of, result_of

CODEC = 'HeatmapsAndTags'


def codecs_of(dataset: Dataset) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Each codec that makes targets of heatmaps and tags, with its key in the config."""
    for place, transform in keyed(f'{dataset.key}.pipeline', dataset.cfg.get('pipeline')):
        if name_of(transform) == 'GenerateTarget':
            for key, codec in keyed(f'{place}.encoder', transform.get('encoder')):
                if name_of(codec) == CODEC:
                    yield key, codec


def reads_masks(dataset: Dataset) -> bool:
    """Whether the pipeline masks the people without keypoints, and the crowds."""
    steps = dataset.cfg.get('pipeline') or ()
    return any(name_of(step).endswith('BottomupGetHeatmapMask') for step in steps)


def check_sizes(cfg: Config, dataset: Dataset) -> Iterator[Finding]:
    """There is one codec for each of the head's maps, of its size."""
    codecs = list(codecs_of(dataset))
    if not codecs or not all(key in codecs[0][1] for key in ('input_size', 'heatmap_size')):
        return
    key, first = codecs[0]
    size = tuple(first['input_size'])
    maps = result_of(cfg, cfg.model, image_of(*size[::-1]), None, mode='tensor')
    if not isinstance(maps, list) or not all(isinstance(x, Tensor) for x in maps):
        return
    made = [(x.shape[-1], x.shape[-2]) for x in maps]
    wanted = [tuple(codec.get('heatmap_size', ())) for _, codec in codecs]
    if made != wanted:
        yield stop(
            f'{key.partition(".encoder")[0]}.encoder makes targets of {listed(wanted)}, but the '
            f'network makes maps of {listed(made)} (width, height) of the input_size {size}: one '
            'codec for each of these, with that heatmap_size'
        )


def listed(sizes: list[tuple[int, ...]]) -> str:
    return ' and '.join(map(str, sizes))


def check_batch(cfg: Config, dataset: Dataset) -> Iterator[Finding]:
    """Images of several shapes are evaluated one by one."""
    loader = cfg[f'{dataset.phase}_dataloader']
    if dataset.phase != 'train' and loader.get('batch_size', 1) > 1 and keeps_shapes(loader):
        yield stop(
            f'{dataset.phase}_dataloader.batch_size is {loader["batch_size"]}, but its images are '
            'of several shapes, which mmpose would pad, and find the people elsewhere: write 1'
        )


def check_people(dataset: Dataset, file: CocoFile) -> Iterator[Finding]:
    """No image has more people with keypoints than the codec takes."""
    codecs = list(codecs_of(dataset))
    if not codecs:
        return
    default = GroupingRules.max_people
    most = min(codec.get('max_num_people', default) for _, codec in codecs)
    images = file.image_numbers[np.asarray(file.with_visible, bool) & (file.image_numbers >= 0)]
    people = np.bincount(images, minlength=len(file.names))
    key = codecs[0][0].partition('.encoder')[0]
    yield from first_of(
        stop,
        np.flatnonzero(people > most),
        lambda image: (
            f'{key}.encoder takes max_num_people={most}; write {people.max()}, there and in '
            f'model.head.decoder: {file.path}: {file.names[image]} has {people[image]} people with '
            'keypoints'
        ),
    )


def check_rescoring(cfg: Config, dataset: Dataset) -> Iterator[Finding]:
    """The network that rescores DEKR's people is of the dataset's keypoints and links."""
    rescoring = (cfg.model.get('head') or {}).get('rescore_cfg')
    metainfo = dataset.built.metainfo
    links, keypoints = len(metainfo['skeleton_links']), metainfo['num_keypoints']
    if dataset.phase == 'train' or not rescoring or not links:
        return
    given, needed = rescoring.get('in_channels'), 3 * links + keypoints
    if given != needed:
        yield stop(
            f'model.head.rescore_cfg.in_channels is {given}, but the {keypoints} keypoints and '
            f'{links} links of {dataset.key} make {needed} numbers: a network that rescores people '
            'is of one set of keypoints; write model.head.rescore_cfg=None'
        )
