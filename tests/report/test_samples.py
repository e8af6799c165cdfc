"""Samples as the network gets them: labels that belong to the image, whatever was done to it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config, ConfigDict
from mmengine.structures import InstanceData, PixelData
from mmpose.registry import KEYPOINT_CODECS
from mmpose.structures import PoseDataSample

from hrnet_mm.base.errors import UserError
from hrnet_mm.report.samples import show_samples
from hrnet_mm.report.samples.classification import draw as draw_classes
from hrnet_mm.report.samples.pose import _poses
from hrnet_mm.report.samples.segmentation import draw as draw_label_map
from hrnet_mm.report.samples.show import Sample, training_samples
from tests.check.sets import MAKERS
from tests.configs.tiny import tiny_config

TASKS = (
    'pose/hrnet_w32_coco_256x192.py',
    'pose/hrnet_w32_coco_256x192_udp.py',
    'pose/dekr_hrnet_w32_coco_512x512.py',
    'pose/hrnet_w32_coco_wholebody_256x192.py',
    'face/hrnetv2_w18_wflw_256x256.py',
    'seg/ocrnet_hrnetv2_w18_cityscapes_512x1024.py',
    'det/faster_rcnn_hrnetv2p_w18_coco_1x.py',
    'det/htc_hrnetv2p_w32_coco_20e.py',
    'cls/hrnet_w18_imagenet_224.py',
)
SIDES = ((5, 6), (7, 8), (9, 10), (11, 12), (13, 14), (15, 16))  # left and right in COCO's order


@pytest.fixture(scope='module')
def config_of(people: Path) -> Any:
    """A config of ours at small sizes on synthetic people; the network itself is not run."""

    def make(name: str) -> Config:
        cfg = tiny_config(name, people)
        cfg.model.backbone.arch = 'w18_small'
        return cfg

    return make


def without(cfg: Config, *names: str) -> list[dict[str, Any]]:
    """The training's pipeline with some transforms left out."""
    dataset = cfg.train_dataloader.dataset
    steps = [step for step in dataset.pipeline if step['type'] not in names]
    dataset.pipeline = steps
    return steps


def samples_of(cfg: Config, number: int = 3, seed: int = 0) -> list[Sample]:
    return list(islice(training_samples(cfg, seed), number))


def poses_of(sample: Sample) -> list[np.ndarray]:
    return list(_poses(sample.labels, sample.image.shape[:2]))


@pytest.mark.parametrize('name', TASKS)
def test_samples_of_every_task_are_drawn(config_of: Any, name: str, tmp_path: Path) -> None:
    lines = list(show_samples(config_of(name), tmp_path, 3))
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        *(f'sample_{index:02d}.jpg' for index in range(3)),
        'samples.jpg',
    ]
    assert len(lines) == 4 and '/train/' in lines[0]
    assert all(cv2.imread(str(path)).std() > 10 for path in tmp_path.iterdir())


@pytest.mark.parametrize('name', ['det', 'seg', 'cls', 'pose'])
def test_normalisation_is_undone(name: str, tmp_path: Path) -> None:
    """An image that nothing is done to is what the file holds, to the last bit."""
    data = MAKERS[name](tmp_path / name)
    keep = 'LoadImage', 'LoadImageFromFile', 'LoadAnnotations', 'GetBBoxCenterScale'
    pipeline = data.cfg.train_dataloader.dataset.pipeline
    if name != 'pose':  # whose crops are warped
        data.cfg.train_dataloader.dataset.pipeline = [
            step for step in pipeline if step['type'] in keep or step['type'].startswith('Pack')
        ]
    if name == 'cls':
        data.cfg.data_preprocessor.update(mean=[10, 20, 30], std=[50, 60, 70], to_rgb=True)
    sample = samples_of(data.cfg, 1)[0]
    if name == 'pose':
        assert sample.image.dtype == np.uint8 and sample.image.std() > 10
        return
    image = cv2.imread(sample.file)
    height, width = image.shape[:2]
    assert np.array_equal(sample.image[:height, :width], image)


def flipping(cfg: Config, prob: float) -> Config:
    for step in without(cfg, 'RandomBBoxTransform', 'RandomHalfBody'):
        if step['type'] == 'RandomFlip':
            step['prob'] = prob
    cfg.train_dataloader.sampler.shuffle = False
    return cfg


def test_a_flip_swaps_left_and_right(config_of: Any) -> None:
    name = 'pose/hrnet_w32_coco_256x192.py'
    before, after = (samples_of(flipping(config_of(name), prob), 1)[0] for prob in (0.0, 1.0))
    width = before.image.shape[1]
    assert after.labels.flip and not before.labels.flip
    [pose], [flipped] = poses_of(before), poses_of(after)
    stride = 4
    checked = 0
    for left, right in (*SIDES, *((right, left) for left, right in SIDES)):
        if pose[left, 2] and flipped[right, 2]:
            x, y = pose[left, :2]
            assert np.abs(flipped[right, :2] - [width - 1 - x, y]).max() <= 2 * stride
            checked += 1
    assert checked >= 6


def test_a_flip_that_swaps_nothing_is_seen(config_of: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a pipeline loses the swap, the drawn sides stand the wrong way round."""
    from mmpose.datasets.transforms import common_transforms

    name = 'pose/hrnet_w32_coco_256x192.py'
    [right_way] = poses_of(samples_of(flipping(config_of(name), 1.0), 1)[0])
    original = common_transforms.flip_keypoints

    def forgetful(*arguments: Any, **options: Any) -> Any:
        options['flip_indices'] = range(len(options['flip_indices']))
        return original(*arguments, **options)

    monkeypatch.setattr(common_transforms, 'flip_keypoints', forgetful)
    [wrong_way] = poses_of(samples_of(flipping(config_of(name), 1.0), 1)[0])
    left, right = SIDES[0]  # the shoulders
    assert np.array_equal(wrong_way[left], right_way[right])
    assert not np.array_equal(wrong_way[left], right_way[left])


def test_poses_of_dekr_are_read_out_of_its_displacements(config_of: Any) -> None:
    cfg = config_of('pose/dekr_hrnet_w32_coco_512x512.py')
    found = 0
    for sample in samples_of(cfg, 4):
        annotated = sample.labels.gt_instances
        for pose in poses_of(sample):
            shown = pose[:, 2] > 0
            errors = np.linalg.norm(annotated.keypoints - pose[None, :, :2], axis=2)[:, shown]
            assert errors.max(axis=1).min() < 0.01  # pixels, of the nearest person
            found += 1
    assert found >= 2


def test_what_is_ignored_is_hatched_and_a_class_is_not() -> None:
    from mmengine.structures import BaseDataElement, PixelData

    labels = torch.zeros(1, 400, 400, dtype=torch.long)
    labels[:, :, 200:] = 255
    sample = BaseDataElement(gt_sem_seg=PixelData(data=labels))
    image = np.full((400, 400, 3), 100, np.uint8)
    meta = dict(classes=('road',), palette=[[200, 0, 0]])
    (plain, painted), text = draw_label_map(image, sample, meta)
    assert text == 'road, 50.0% ignored'
    assert np.array_equal(plain, image)
    assert {0, 100, 255} <= set(painted[:, 200:].ravel())
    assert len(np.unique(painted[:, :200].reshape(-1, 3), axis=0)) == 1


def test_mixed_classes_are_shown_with_their_shares() -> None:
    from mmpretrain.structures import DataSample

    sample = DataSample().set_gt_score(torch.tensor([0.7, 0.3, 0.0]))
    _, text = draw_classes(np.zeros((64, 64, 3), np.uint8), sample, dict(classes=('a', 'b', 'c')))
    assert text == 'a 0.70, b 0.30'


def test_what_is_done_to_whole_batches_is_seen(tmp_path: Path) -> None:
    data = MAKERS['cls'](tmp_path / 'animals')
    data.cfg.model.train_cfg = ConfigDict(augments=[dict(type='Mixup', alpha=1.0)])
    scores = [sample.labels.gt_score for sample in samples_of(data.cfg, 4)]
    assert any(((score > 0.01) & (score < 0.99)).any() for score in scores)


def drawn(cfg: Config, folder: Path, seed: int | None = None) -> Sequence[bytes]:
    list(show_samples(cfg, folder, 2, seed))
    return [path.read_bytes() for path in sorted(folder.iterdir())]


def test_the_seed_decides_what_is_drawn(tmp_path: Path) -> None:
    cfg = MAKERS['pose'](tmp_path / 'people').cfg
    first = drawn(cfg, tmp_path / 'a', seed=3)
    assert drawn(cfg, tmp_path / 'b', seed=3) == first
    assert drawn(cfg, tmp_path / 'c', seed=4) != first
    cfg.randomness = dict(seed=3)
    assert drawn(cfg, tmp_path / 'd') == first


def test_workers_of_the_config_are_not_started(config_of: Any) -> None:
    cfg = config_of('cls/hrnet_w18_imagenet_224.py')
    cfg.train_dataloader.update(num_workers=4, persistent_workers=True, prefetch_factor=2)
    assert len(samples_of(cfg, 2)) == 2


def test_what_cannot_be_drawn_is_said(config_of: Any, tmp_path: Path) -> None:
    cfg = config_of('cls/hrnet_w18_imagenet_224.py')
    (tmp_path / 'file').touch()
    with pytest.raises(UserError, match='is a file'):
        list(show_samples(cfg, tmp_path / 'file', 1))
    cfg.train_dataloader = None
    with pytest.raises(UserError, match='no train_dataloader'):
        list(show_samples(cfg, tmp_path / 'new', 1))
    cfg.default_scope = 'mmaction'
    with pytest.raises(UserError, match='mmaction'):
        list(show_samples(cfg, tmp_path / 'new', 1))
    assert not (tmp_path / 'new').exists()


def test_other_files_of_the_folder_stay(config_of: Any, tmp_path: Path) -> None:
    (tmp_path / 'mine.txt').write_text('mine')
    list(show_samples(config_of('cls/hrnet_w18_imagenet_224.py'), tmp_path, 1))
    assert (tmp_path / 'mine.txt').read_text() == 'mine'


@pytest.mark.parametrize('name', ['MSRAHeatmap', 'UDPHeatmap'])
def test_poses_lie_where_the_codec_put_them(name: str) -> None:
    codec = KEYPOINT_CODECS.build(
        dict(type=name, input_size=(96, 128), heatmap_size=(24, 32), sigma=2)
    )
    points = np.float32([[[5, 7], [40.5, 60], [88, 120]]])
    target = codec.encode(points, np.ones((1, 3), np.float32))
    labels = PoseDataSample(
        gt_fields=PixelData(heatmaps=torch.from_numpy(target['heatmaps'])),
        gt_instance_labels=InstanceData(
            keypoint_weights=torch.from_numpy(target['keypoint_weights'])
        ),
    )
    [pose] = _poses(labels, (128, 96), codec)
    assert np.abs(pose[:, :2] - points[0]).max() < 2.1  # half a pixel of the heatmaps
    assert pose[:, 2].all()
