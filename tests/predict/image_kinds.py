"""Images that are not 8 bit colour, tiny models for them, and what a Runner predicts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from mmcv.transforms import BaseTransform, LoadImageFromFile
from mmengine.config import Config
from mmengine.model import ImgDataPreprocessor
from mmengine.registry import TRANSFORMS, DefaultScope
from mmengine.runner import Runner
from mmseg.models import SegDataPreProcessor
from PIL import Image
from torch import nn

from hrnet_mm.base.safe_load import safe_load
from tests.helpers import picture
from tests.models_of_hosts import TinyModel, build

SIZES = [(52, 77), (64, 64), (91, 45)]  # heights and widths, two of them no multiples of 32

# All in one, as reading the bases of a config and writing it into a log takes longer than the rest.
SEGMENTATION = """
default_scope = 'mmseg'
model = dict(
    type='EncoderDecoder',
    data_preprocessor=dict(
        type='SegDataPreProcessor', mean={mean}, std={std}, bgr_to_rgb={channels} == 3),
    backbone=dict(
        type='hrnet_mm.HRNet', arch='w18_small', upsample='bilinear', in_channels={channels}),
    neck=dict(type='hrnet_mm.HRNetV2', in_channels=[16, 32, 64, 128]),
    decode_head=dict(
        type='FCNHead', in_channels=240, channels=240, num_convs=0, concat_input=False,
        num_classes=5),
    test_cfg=dict(mode='whole'))
test_dataloader = dict(
    batch_size=1, num_workers=0, sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='BaseSegDataset', data_root={root!r}, img_suffix={suffix!r}, seg_map_suffix='.png',
        metainfo=dict(classes=tuple('abcde')),
        data_prefix=dict(img_path='images', seg_map_path='labels'),
        pipeline=[
            dict({loader}),
            dict(type='Resize', scale=(96, 80), keep_ratio=True),
            dict(type='LoadAnnotations'),
            dict(type='PackSegInputs')]))
"""


POSE = """
default_scope = 'mmpose'
codec = dict(type='MSRAHeatmap', input_size=(48, 64), heatmap_size=(12, 16), sigma=2)
model = dict(
    type='TopdownPoseEstimator',
    data_preprocessor=dict(type='PoseDataPreprocessor', mean=[120.0], std=[60.0]),
    backbone=dict(type='hrnet_mm.HRNet', arch='w18_small', in_channels=1, out_indices=(0,)),
    head=dict(type='HeatmapHead', in_channels=16, out_channels=17, deconv_out_channels=None,
              loss=dict(type='KeypointMSELoss'), decoder=codec),
    test_cfg=dict(flip_test=True, flip_mode='heatmap'))
test_dataloader = dict(
    batch_size=1, num_workers=0, sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='CocoDataset', data_root={root!r}, ann_file='boxes.json', test_mode=True,
        data_prefix=dict(img='images'),
        pipeline=[
            dict(type='LoadImage', color_type='grayscale'),
            dict(type='mmengine.InvertInPlace'),
            dict(type='GetBBoxCenterScale'),
            dict(type='TopdownAffine', input_size=(48, 64)),
            dict(type='PackPoseInputs')]))
train_dataloader = test_dataloader
"""
CLASSIFICATION = """
default_scope = 'mmpretrain'
model = dict(
    type='ImageClassifier',
    backbone=dict(type='hrnet_mm.HRNet', arch='w18_small', in_channels=1, out_indices=(3,)),
    neck=dict(type='GlobalAveragePooling'),
    head=dict(type='LinearClsHead', num_classes=7, in_channels=128))
data_preprocessor = dict(mean=[120.0], std=[60.0])
test_dataloader = dict(
    batch_size=1, num_workers=0, sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='CustomDataset', data_root={root!r}, data_prefix='images', with_label=False,
        metainfo=dict(classes=tuple('abcdefg')),
        pipeline=[
            dict(type='LoadImageFromFile', color_type='grayscale'),
            dict(type='Resize', scale=(64, 48)),
            dict(type='PackInputs')]))
"""


@TRANSFORMS.register_module()
class ReadNumbers(BaseTransform):
    """A loader of one's own, of five channels; with what a later step writes into."""

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        image = np.load(results['img_path'])
        return {**results, 'img': image, 'img_shape': image.shape[:2], 'ori_shape': image.shape[:2]}


@TRANSFORMS.register_module()
class LoadBrighter(LoadImageFromFile):
    """Derived from mmcv's, and not the same."""

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        results = super().transform(results)
        return {**results, 'img': results['img'] // 2 + 100}


@TRANSFORMS.register_module()
class InvertInPlace(BaseTransform):
    """Writes into the image that it is given."""

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        np.subtract(255, results['img'], out=results['img'])
        return results


def as_png(path: Path, image: np.ndarray) -> None:
    cv2.imwrite(str(path), image)


def as_deep(path: Path, image: np.ndarray) -> None:
    as_png(path, image.astype(np.uint16) * 200 + 7)


def as_rgba(path: Path, image: np.ndarray) -> None:
    as_png(path, np.dstack([image, image[..., 1] // 2]))


def as_float(path: Path, image: np.ndarray) -> None:
    as_png(path, image.astype(np.float32) / 255)


def as_turned(path: Path, image: np.ndarray) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned right by 90 degrees
    Image.fromarray(image[..., ::-1]).save(path, exif=exif, quality=95)


def as_numbers(path: Path, image: np.ndarray) -> None:
    np.save(path, np.dstack([image, image[..., :2][::-1]]).astype(np.float32))


@dataclass(frozen=True)
class Kind:
    """A kind of image files, and how a config loads them."""

    write: Callable[[Path, np.ndarray], None]
    loader: str
    suffix: str = '.png'
    channels: int = 3
    mean: float = 120.0


FILE = "type='LoadImageFromFile', "
KINDS = {
    'color': Kind(as_png, FILE),
    'gray': Kind(as_png, FILE + "color_type='grayscale'", channels=1),
    'deep': Kind(as_deep, FILE + "color_type='unchanged'", mean=24_000.0),
    'rgba': Kind(as_rgba, FILE + "color_type='unchanged'", channels=4),
    'float': Kind(as_float, FILE + "color_type='unchanged'", '.tif', mean=0.5),
    'turned': Kind(as_turned, FILE + "color_type='color_ignore_orientation'", '.jpg'),
    'pillow': Kind(as_rgba, FILE + "imdecode_backend='pillow', to_float32=True"),
    'own loader': Kind(as_numbers, "type='ReadNumbers'", '.npy', channels=5),
    'derived loader': Kind(as_png, "type='LoadBrighter'"),
}


def make_segmentor(folder: Path, kind: Kind) -> TinyModel:
    """A tiny segmentor for a kind of images, and files and labels to test it on."""
    if kind.channels > 3 and issubclass(SegDataPreProcessor, ImgDataPreprocessor):
        pytest.skip("the fork's mmseg takes images of 1 or 3 channels")
    for part in ('images', 'labels'):
        (folder / part).mkdir()
    for number, size in enumerate(SIZES):
        kind.write(folder / f'images/{number}{kind.suffix}', picture(*size, seed=number))
        as_png(folder / f'labels/{number}.png', np.zeros(size, np.uint8))
    config = folder / 'segmentor.py'
    config.write_text(
        SEGMENTATION.format(
            mean=[kind.mean] * kind.channels,
            std=[kind.mean / 2] * kind.channels,
            channels=kind.channels,
            loader=kind.loader,
            root=str(folder),
            suffix=kind.suffix,
        )
    )
    return save_model(config, 'decode_head.conv_seg', 0.5)


def save_model(config: Path, layer: str, std: float) -> TinyModel:
    """A checkpoint of random weights beside a config, one layer with larger numbers."""
    torch.manual_seed(0)
    model = build(Config.fromfile(config))
    nn.init.normal_(model.get_submodule(layer).weight, std=std)
    checkpoint = config.with_suffix('.pth')
    torch.save({'state_dict': model.state_dict(), 'meta': {}}, checkpoint)
    return TinyModel(str(config), str(checkpoint))


def runner_samples(files: TinyModel, **options: Any) -> Iterator[Any]:
    """The data samples of a Runner's test loop."""
    cfg = Config.fromfile(files.config)
    cfg.merge_from_dict(options)
    model = build(cfg.copy()).eval()
    model.load_state_dict(safe_load(files.checkpoint)['state_dict'])
    with DefaultScope.overwrite_default_scope(cfg.default_scope), torch.no_grad():
        for batch in Runner.build_dataloader(cfg.test_dataloader):
            yield from model.test_step(batch)
