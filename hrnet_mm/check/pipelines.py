"""Checks that data for evaluation are taken whole, in order and as they are."""

from __future__ import annotations

from collections.abc import Iterator

from hrnet_mm.base.config import name_of
from hrnet_mm.check.findings import Finding, warn
from hrnet_mm.check.sources import Source

AUGMENTATIONS = ('Albumentations', 'Albu', 'AutoAugment', 'ColorJitter', 'CutOut', 'MixUp')
AUGMENTATIONS += ('Mosaic', 'PhotoMetricDistortion', 'PhotometricDistortion', 'RandAugment')
WITH_TEST_MODE = ('pose', 'detection')  # whose hosts leave images out in training


def check_source(source: Source) -> Iterator[Finding]:
    indices = source.cfg.get('indices')
    if indices is not None:
        shown = indices if isinstance(indices, int) else f'a list of {len(indices)}'
        yield warn(
            f'{source.key}.indices is {shown}: no other samples are read; remove it after a trial'
        )
    if source.phase == 'train':
        return
    is_wrapped = source.key != f'{source.phase}_dataloader.dataset'  # the wrapper has the mode
    needs_mode = source.reader.task in WITH_TEST_MODE and not is_wrapped
    if needs_mode and not source.cfg.get('test_mode'):
        yield warn(
            f'{source.key}.test_mode is not True: samples are left out or exchanged as in '
            'training; write test_mode=True'
        )
    for number, transform in enumerate(source.cfg.get('pipeline') or ()):
        name = name_of(transform)
        is_random = name.startswith('Random') or name in AUGMENTATIONS
        # Some make a fixed change in a mode of their own, e.g. RandomCenterCropPad.
        if is_random and transform.get('prob') != 0 and not transform.get('test_mode'):
            yield warn(
                f'{source.key}.pipeline[{number}] is a {name}, which changes images at random: '
                'each evaluation is of other images; remove it'
            )
