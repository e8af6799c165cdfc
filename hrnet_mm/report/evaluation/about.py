"""What stands on the page beside the metrics: what was tested with what."""

from __future__ import annotations

import platform
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import torch
from mmengine.config import Config

from hrnet_mm.base.config import as_list, datasets_of, name_of, named_paths
from hrnet_mm.base.files import sha256_of

PACKAGES = ('hrnet_mm', 'torch', 'mmengine', 'mmcv', 'mmpose', 'mmdet', 'mmseg', 'mmpretrain')


def about_test(cfg: Config, checkpoint: str, precision: str | None, images: int) -> dict[str, str]:
    """The lines of the page on the test itself.

    Args:
        cfg: of the test.
        checkpoint: as it was given.
        precision: of the engine that ran it, None without one.
        images: how many were tested.
    """
    return dict(_lines(cfg, checkpoint, precision, images))


def _lines(
    cfg: Config, checkpoint: str, precision: str | None, images: int
) -> Iterator[tuple[str, str]]:
    yield 'config', str(cfg.filename or '')
    yield 'checkpoint', checkpoint
    if Path(checkpoint).is_file():
        yield 'its SHA-256', sha256_of(Path(checkpoint))
    if precision:
        yield 'engine', f'--fast {precision}'
    kinds = {name_of(dataset) for dataset in datasets_of(cfg.get('test_dataloader'))}
    yield 'data', f'{", ".join(sorted(kinds))}: {images} samples'
    for key, path in dict(named_paths(cfg, 'test')).items():
        yield key.removeprefix('test_dataloader.dataset.'), path
    yield 'evaluator', ', '.join(map(name_of, as_list(cfg.get('test_evaluator'))))
    modules = {name: sys.modules.get(name) for name in PACKAGES}
    found = [f'{name} {module.__version__}' for name, module in modules.items() if module]
    yield 'versions', ', '.join([f'Python {platform.python_version()}', *found])
    yield 'device', torch.cuda.get_device_name() if torch.cuda.is_available() else _cpu()
    yield 'written', time.strftime('%Y-%m-%d %H:%M')


def _cpu() -> str:
    return f'CPU ({platform.machine()}), {torch.get_num_threads()} threads'
