"""The samples of a config's training as its network receives them, and their pictures."""

from __future__ import annotations

import pkgutil
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import BaseDataset
from mmengine.registry import DefaultScope
from mmengine.runner import Runner, set_random_seed
from mmengine.structures import BaseDataElement
from torch import Tensor, nn

from hrnet_mm.base.errors import UserError
from hrnet_mm.check.run import preprocessors_of
from hrnet_mm.predict.canvas import as_picture
from hrnet_mm.predict.host_model import build_model
from hrnet_mm.predict.results import write_image
from hrnet_mm.report.samples.sheet import framed, sheet

# What draws a sample's labels, for each default_scope.
TASKS = {
    'mmpose': 'hrnet_mm.report.samples.pose:draw',
    'mmdet': 'hrnet_mm.report.samples.detection:draw',
    'mmseg': 'hrnet_mm.report.samples.segmentation:draw',
    'mmpretrain': 'hrnet_mm.report.samples.classification:draw',
}
SHEET = 'samples.jpg'
OF_WORKERS = ('num_workers', 'persistent_workers', 'prefetch_factor')


@dataclass(frozen=True)
class Sample:
    """One image as the network receives it.

    Attributes:
        image: (H, W, 3) uint8 BGR, with the padding of its batch.
        labels: the host's data sample, after the transforms and what is done to whole batches.
        meta: the dataset's names and colours, and as ``codec`` what reads the model's heatmaps.
    """

    image: np.ndarray
    labels: BaseDataElement
    meta: dict[str, Any]

    @property
    def file(self) -> str:
        """The image's file; empty where the pipeline does not pack it."""
        return str(self.labels.get('img_path') or '')


def show_samples(cfg: Config, folder: Path, number: int, seed: int | None = None) -> Iterator[str]:
    """Draw the first samples of a training into a folder: one picture each, and all as a sheet.

    The files are ``sample_00.jpg``, ``sample_01.jpg``, ... and ``samples.jpg``; what else is in the
    folder stays.

    Args:
        cfg: of any host.
        folder: it is made.
        number: how many, at most.
        seed: see :func:`training_samples`.

    Yields:
        For each picture a line: its file, the image's, and what its labels hold.

    Raises:
        UserError: there is nothing to train on, or a picture would replace an image of the data.
    """
    if folder.exists() and not folder.is_dir():
        raise UserError(f'--show {folder} is a file; the pictures need a folder')
    scope = cfg.get('default_scope')
    if scope not in TASKS:
        raise UserError(
            f'--show: configs with default_scope={scope!r} cannot be drawn, only those of '
            f'{", ".join(TASKS)}'
        )
    draw = pkgutil.resolve_name(TASKS[scope])
    cells = []
    for index, sample in enumerate(islice(training_samples(cfg, seed), number)):
        path = folder / f'sample_{index:02d}.jpg'
        if sample.file and path.resolve() == Path(sample.file).resolve():
            raise UserError(f'the picture of {sample.file} would replace it; choose another --show')
        pictures, found = draw(sample.image, sample.labels, sample.meta)
        text = ', '.join(filter(None, (_augmentation(sample.labels), found)))
        picture = framed(pictures, f'{index:02d} {Path(sample.file).name}: {text}')
        write_image(path, picture, remedy='name another folder')
        cells.append(picture)
        yield f'{path}: {sample.file}: {text}'
    if not cells:
        raise UserError('--show: the train_dataloader gives no samples')
    write_image(folder / SHEET, sheet(cells), remedy='name another folder')
    yield f'{folder / SHEET}: all of them'


def training_samples(cfg: Config, seed: int | None = None) -> Iterator[Sample]:
    """Load samples as a training does: by its loader, its pipeline and its data preprocessor.

    Args:
        cfg: of any host.
        seed: of order and augmentation. Default: the config's, else 0.

    Raises:
        UserError: the config trains nothing, or not on images.
    """
    if not cfg.get('train_dataloader'):
        raise UserError('--show: the config has no train_dataloader')
    if seed is None:
        seed = (cfg.get('randomness') or {}).get('seed') or 0
    given = {key: part for key, part in cfg.train_dataloader.items() if key not in OF_WORKERS}
    with DefaultScope.overwrite_default_scope(cfg.get('default_scope')):
        # The whole model, as some hosts hand their preprocessor what stands elsewhere in it.
        model = build_model(cfg)
        preprocessor = model.data_preprocessor
        set_random_seed(seed)
        loader = Runner.build_dataloader(dict(deepcopy(given), num_workers=0), seed=seed)
        turns = any(
            part.get(key) for _, part in preprocessors_of(cfg) for key in ('bgr_to_rgb', 'to_rgb')
        )
        meta = meta_of(loader.dataset)
        meta['codec'] = getattr(getattr(model, 'head', None), 'decoder', None)
        for batch in loader:
            data = preprocessor(batch, training=True)
            if not isinstance(data, dict) or not isinstance(data.get('inputs'), Tensor):
                kind = type(preprocessor).__name__
                raise UserError(f'--show: the batches of {kind} are not images with labels')
            for inputs, labels in zip(data['inputs'], data['data_samples'], strict=True):
                yield Sample(as_bgr(inputs, preprocessor, turns), labels, meta)


def meta_of(dataset: BaseDataset | Any) -> dict[str, Any]:
    """The names and colours of a dataset, or of what a wrapper holds."""
    return dict(getattr(dataset, 'metainfo', None) or {})


@torch.no_grad()
def as_bgr(inputs: Tensor, preprocessor: nn.Module, is_rgb: bool) -> np.ndarray:
    """Undo the normalisation of an image (C, H, W): (H, W, 3) uint8 BGR."""
    mean, std = getattr(preprocessor, 'mean', None), getattr(preprocessor, 'std', None)
    image = inputs.float() if mean is None else inputs * std + mean
    pixels = image.permute(1, 2, 0).cpu().numpy()
    if is_rgb and pixels.shape[2] == 3:
        pixels = pixels[..., ::-1]
    if mean is not None or pixels.max() > 1 and pixels.min() >= 0:
        return as_picture(pixels.round().clip(0, 255).astype(np.uint8))
    return as_picture(pixels)  # normalised by the pipeline: stretched to be visible


def _augmentation(labels: BaseDataElement) -> str:
    if not labels.get('flip'):
        return ''
    return f'flipped ({labels.get("flip_direction") or "horizontal"})'
