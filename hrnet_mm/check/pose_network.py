"""Checks that codec, pipeline and network of a pose config agree with each other and the data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from mmengine.config import Config

from hrnet_mm.base.config import as_list, name_of
from hrnet_mm.check.findings import Finding, stop, warn
from hrnet_mm.check.network import built
from hrnet_mm.check.sources import Source

# The argument of a head that is the number of keypoints.
CHANNEL_KEYS = ('num_joints', 'num_keypoints', 'out_channels')
HEATMAPS = ('MSRAHeatmap', 'UDPHeatmap')
DATA_MODES = dict(TopdownPoseEstimator='topdown', BottomupPoseEstimator='bottomup')


def check_config(cfg: Config, sources: list[Source]) -> Iterator[Finding]:
    head = (cfg.model or {}).get('head')
    for source in sources:
        yield from check_data_mode(cfg, source)
        yield from check_codecs(head, source)
        picks = 'output_keypoint_indices' in (cfg.model.get('test_cfg') or {})
        if isinstance(head, dict) and (source.phase == 'train' or not picks):
            yield from check_channels(head, source)
    if isinstance(head, dict):
        yield from check_maps(cfg, head)


def check_data_mode(cfg: Config, source: Source) -> Iterator[Finding]:
    """A top-down model is given one person a sample, a bottom-up model an image."""
    kind = name_of(cfg.model)
    wanted = DATA_MODES.get(kind)
    mode = source.cfg.get('data_mode', 'topdown')
    if wanted is not None and mode != wanted:
        yield stop(f'{source.key}.data_mode is {mode!r}, but a {kind} needs {wanted!r}')


def keypoints_of(source: Source) -> int:
    """The number of keypoints that a dataset gives, after a conversion if it has one."""
    for transform in source.pipeline:
        if name_of(transform) == 'KeypointConverter':
            return transform['num_keypoints']
    return source.dataset.metainfo['num_keypoints']


def check_channels(head: Mapping[str, Any], source: Source) -> Iterator[Finding]:
    """The head has one output for each keypoint."""
    number = keypoints_of(source)
    decoder = head.get('decoder')
    if isinstance(decoder, dict) and decoder.get('heatmap_type') == 'combined':
        number *= 3
    for key in CHANNEL_KEYS:
        if isinstance(head.get(key), int) and head[key] != number:
            yield stop(
                f'model.head.{key} is {head[key]}, but {source.key} has {number} keypoints'
                f' (metainfo {source.dataset.metainfo["dataset_name"]!r}): write '
                f'model.head.{key}={number}, or a metainfo of {head[key]} keypoints'
            )
            return


def check_codecs(head: Any, source: Source) -> Iterator[Finding]:
    """What makes targets, what cuts out people and what reads heatmaps have the same sizes."""
    decoder = head.get('decoder') if isinstance(head, dict) else None
    if not isinstance(decoder, dict):
        return
    for number, transform in enumerate(source.cfg.get('pipeline') or ()):
        place = f'{source.key}.pipeline[{number}]'
        if name_of(transform) == 'TopdownAffine':
            yield from check_same(place, transform, decoder, 'input_size')
            uses, wants = bool(transform.get('use_udp')), decoder.get('type') == 'UDPHeatmap'
            if uses != wants and decoder.get('type') in HEATMAPS:
                yield warn(
                    f'{place}.use_udp is {uses}, but model.head.decoder is a {decoder["type"]}: '
                    f'write use_udp={wants}, else points are off by a part of a pixel'
                )
        encoders = as_list(transform.get('encoder'))
        if name_of(transform) == 'GenerateTarget' and len(encoders) == 1:
            for key in ('type', 'input_size', 'heatmap_size', 'sigma'):
                yield from check_same(f'{place}.encoder', encoders[0], decoder, key)


def check_same(
    place: str, ours: Mapping[str, Any], decoder: Mapping[str, Any], key: str
) -> Iterator[Finding]:
    pair = ours.get(key), decoder.get(key)
    mine, theirs = (tuple(value) if isinstance(value, list | tuple) else value for value in pair)
    if None not in pair and mine != theirs:
        level = warn if key == 'sigma' else stop
        order = ' (width, height)' if 'size' in key else ''
        yield level(
            f'{place}.{key} is {mine}, but model.head.decoder.{key} is {theirs}; both are the '
            f'same{order}'
        )


def check_maps(cfg: Config, head: Mapping[str, Any]) -> Iterator[Finding]:
    """The network makes heatmaps of the codec's size."""
    codec = head.get('decoder')
    if not isinstance(codec, dict) or codec.get('type') not in HEATMAPS:
        return
    size = codec.get('input_size'), codec.get('heatmap_size')
    if not all(isinstance(s, list | tuple) and len(s) == 2 for s in size):
        return
    maps = network_maps(cfg, *size[0])
    if maps is not None and maps[::-1] != tuple(size[1]):
        yield stop(
            f'model.head.decoder.heatmap_size is {tuple(size[1])}, but the network makes maps of '
            f'{maps[::-1]} (width, height) of the input_size {tuple(size[0])}: write '
            f'heatmap_size={maps[::-1]} wherever the codec stands'
        )


def network_maps(cfg: Config, width: int, height: int) -> tuple[int, int] | None:
    """Height and width of a network's heatmaps, counted without memory; None where that fails."""
    model = built(cfg, cfg.model)
    if model is None:
        return None
    try:
        with torch.no_grad():
            images = torch.zeros(1, 3, height, width, device='meta')
            maps = model(images, None, mode='tensor')
    except Exception:  # the run says why
        return None
    if isinstance(maps, list | tuple) and maps:
        maps = maps[-1]
    return tuple(maps.shape[-2:]) if isinstance(maps, torch.Tensor) and maps.ndim == 4 else None
