"""Whole models of the hosts on random data: the columns of the paper's table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from mmengine.config import Config
from mmengine.model import revert_sync_batchnorm
from mmengine.registry import MODELS, DefaultScope
from mmengine.structures import BaseDataElement, InstanceData, PixelData
from torch import Tensor, nn

from benchmark.networks import calibrate_norms
from benchmark.paper_models import PaperModel
from benchmark.steps import LEARNING_RATE, Step, TrainingStep, mixed_precision
from papers.rows import CONFIGS

KEYPOINTS, LABELS, CLASSES, BOXES = 17, 19, 80, 7  # COCO has about 7 boxes in an image


@dataclass(frozen=True)
class HostBenchmark:
    """A model of the paper's table that trains or infers.

    Training is the host's own step: the model's losses, backward, and a step of SGD. Inference is
    the host's ``mode='tensor'``: the network with all heads, in detection with its proposals, and
    nothing of what follows.
    """

    model: PaperModel
    host: str
    trains: bool
    size: tuple[int, int]
    batch: int
    precision: str
    device: str

    def __str__(self) -> str:
        return f'{self.model.name}, {self.model.owner}'

    def modules(self) -> list[str]:
        ours = ['hrnet_mm.deploy'] if self.model.optimised else []
        return [f'{self.host}.models', *ours]

    def network(self) -> nn.Module:
        cfg = _config(self.model.config)
        with DefaultScope.overwrite_default_scope(self.host), torch.random.fork_rng():
            torch.manual_seed(0)
            net = revert_sync_batchnorm(MODELS.build(cfg.model))
            calibrate_norms(net, lambda: net.extract_feat(torch.randn(2, 3, 64, 64)))
        return net.to(self.device)

    def step(self, net: nn.Module) -> Step:
        images, samples = self._batch()
        if self.trains:
            return _without_outputs(self._training_step(net, images, samples))
        net.eval()
        if self.model.optimised:
            from hrnet_mm.deploy import optimize

            net = optimize(net, images, precision=self.precision, backend='auto')
        mixed = '' if self.model.optimised else self.precision

        @torch.no_grad()
        def infer() -> None:
            with mixed_precision(mixed, images.device.type):
                net(images, samples, mode='tensor')

        return _without_outputs(infer)

    def _training_step(
        self, net: nn.Module, images: Tensor, samples: list[BaseDataElement]
    ) -> TrainingStep:
        net.train()

        def loss() -> Tensor:
            with mixed_precision(self.precision, images.device.type):
                losses = net(images, samples, mode='loss')
            return net.parse_losses(losses)[0]

        optimizer = torch.optim.SGD(net.parameters(), lr=LEARNING_RATE)
        return TrainingStep(optimizer, loss, self.precision)

    def _batch(self) -> tuple[Tensor, list[BaseDataElement]]:
        generator = torch.Generator().manual_seed(0)
        images = torch.randn(self.batch, 3, *self.size, generator=generator)
        samples = [SAMPLES[self.host](self.size, generator) for _ in range(self.batch)]
        return images.to(self.device), [sample.to(self.device) for sample in samples]


def pose_sample(size: tuple[int, int], generator: torch.Generator) -> BaseDataElement:
    from mmpose.structures import PoseDataSample

    height, width = size
    heatmaps = torch.rand(KEYPOINTS, height // 4, width // 4, generator=generator)
    labels = InstanceData(keypoint_weights=torch.ones(1, KEYPOINTS))
    sample = PoseDataSample(metainfo=dict(img_shape=size))
    sample.gt_fields = PixelData(heatmaps=heatmaps)
    sample.gt_instance_labels = labels
    return sample


def label_sample(size: tuple[int, int], generator: torch.Generator) -> BaseDataElement:
    from mmseg.structures import SegDataSample

    sample = SegDataSample(metainfo=dict(img_shape=size))
    labels = torch.randint(LABELS, (1, *size), generator=generator)
    sample.gt_sem_seg = PixelData(data=labels)
    return sample


def box_sample(size: tuple[int, int], generator: torch.Generator) -> BaseDataElement:
    from mmdet.structures import DetDataSample

    height, width = size
    shapes = dict(img_shape=size, ori_shape=size, pad_shape=size, batch_input_shape=size)
    sample = DetDataSample(metainfo=dict(**shapes, scale_factor=(1.0, 1.0)))
    limits = torch.tensor([width, height, width, height]) / 2
    corners = torch.rand(BOXES, 4, generator=generator) * limits
    corners[:, 2:] += corners[:, :2]  # right and bottom
    labels = torch.randint(CLASSES, (BOXES,), generator=generator)
    sample.gt_instances = InstanceData(bboxes=corners, labels=labels)
    return sample


SAMPLES: dict[str, Callable[[tuple[int, int], torch.Generator], Any]] = dict(
    mmpose=pose_sample, mmseg=label_sample, mmdet=box_sample
)


def _without_outputs(call: Callable[[], object]) -> Step:
    """The models of the table are different functions: there is nothing to compare."""

    def outputs() -> tuple[()]:
        call()
        return ()

    return Step(call, outputs)


def _config(name: str) -> Config:
    if '::' in name:
        return Config.fromstring(f'_base_ = {name!r}', '.py')
    return Config.fromfile(CONFIGS / name)
