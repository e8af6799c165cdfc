"""Parameters and multiply-adds of whole models, beside the numbers that their papers print.

A multiply-add is one step of a convolution or a linear layer; nothing else is counted, as in the
papers. The papers' "GFLOPs" are multiply-adds in units of 2**30, because their counter divides by
1024**3 (``lib/utils/modelsummary.py`` of the official repositories).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from mmcv.ops import DeformConv2d
from mmengine.config import Config
from mmengine.registry import MODELS, DefaultScope
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.flop_counter import FlopCounterMode

from hrnet_mm.base.errors import UserError
from papers.rows import CONFIGS, TEST_ROIS, Row

TRUNK = ('backbone', 'neck')
DENSE_HEADS = ('head', 'decode_head', 'bbox_head', 'rpn_head')
ROI_HEADS = ('bbox_head', 'mask_head', 'semantic_head')
TEST_MASKS = 100  # the detections that mmdet keeps at test time
TEST_PEOPLE = 30  # that mmpose's CIDHead keeps


@dataclass(frozen=True)
class Part:
    """A child of the host model; ``norm_params`` are those of ``params`` in batch norms."""

    name: str
    params: int
    norm_params: int
    macs: int


@dataclass(frozen=True)
class Complexity:
    """All parts of one model at one input size."""

    parts: tuple[Part, ...]

    @property
    def params(self) -> int:
        return sum(part.params for part in self.parts)

    @property
    def norm_params(self) -> int:
        return sum(part.norm_params for part in self.parts)

    @property
    def macs(self) -> int:
        return sum(part.macs for part in self.parts)


def count_row(row: Row) -> Complexity:
    """Count the model of a row at its input size."""
    return count_config(CONFIGS / row.config, row.shape, row.counting.rois)


def count_config(config: Path, shape: tuple[int, int], num_rois: int = TEST_ROIS) -> Complexity:
    """Count the model of a config for one image of ``shape`` (height, width)."""
    cfg = Config.fromfile(config)
    if 'model' not in cfg:
        raise UserError(f'{config} has no model')
    with DefaultScope.overwrite_default_scope(cfg.get('default_scope')), torch.device('meta'):
        model = MODELS.build(cfg.model)
    return count_model(model, shape, num_rois)


@torch.no_grad()
def count_model(model: nn.Module, shape: tuple[int, int], num_rois: int = TEST_ROIS) -> Complexity:
    """Count a host model on the device that it was built on; the meta device suffices.

    Args:
        model: any model of the hosts with a backbone and dense heads, or of mmdet's two-stage
            detectors one with box, mask and semantic heads, cascaded or not.
        shape: height and width of the one image.
        num_rois: RoIs that every box head of a detector sees; its mask heads see ``TEST_MASKS``.
            A CID finds ``TEST_PEOPLE``.
    """
    if not hasattr(model, 'backbone'):
        raise UserError(f'{type(model).__name__} has no backbone to count')
    model.eval()
    parts = []
    maps = torch.empty(1, 3, *shape, device=next(model.parameters()).device)
    with _deformable_as_plain(model):
        for name in (*TRUNK, *DENSE_HEADS):
            module = getattr(model, name, None)
            if module is not None:
                if hasattr(module, 'gfd_module'):
                    macs = _count_people(module, maps[-1])
                    name = f'{name}, {TEST_PEOPLE} people'
                else:
                    outputs, macs = _run_in_turn(_stages(module), maps)
                    maps = outputs if name in TRUNK else maps
                parts.append(_part(name, module, macs))
        if hasattr(model, 'roi_head'):
            macs = _count_roi_head(model.roi_head, maps, num_rois)
            parts.append(_part(f'roi_head, {num_rois} RoIs', model.roi_head, macs))
    return Complexity(tuple(parts))


@contextmanager
def _deformable_as_plain(model: nn.Module) -> Iterator[None]:
    """Run deformable convolutions as plain ones, which multiply as often.

    mmcv's kernel is no operator of torch: it is not counted and does not run on the meta device.
    """

    def convolve(conv: DeformConv2d, x: Tensor, offset: Tensor) -> Tensor:
        padding, dilation = conv.padding, conv.dilation
        return F.conv2d(x, conv.weight, None, conv.stride, padding, dilation, conv.groups)

    deformable = [module for module in model.modules() if isinstance(module, DeformConv2d)]
    for module in deformable:
        module.forward = partial(convolve, module)
    try:
        yield
    finally:
        for module in deformable:
            del module.forward


def _run_in_turn(heads: Sequence[nn.Module], maps: Any) -> tuple[Any, int]:
    """Run heads of which each also sees the outputs of the one before it, as in OCR."""
    outputs, total = _run_counted(heads[0], maps)
    for head in heads[1:]:
        outputs, macs = _run_counted(head, maps, outputs)
        total += macs
    return outputs, total


def _run_counted(module: nn.Module, *inputs: Any) -> tuple[Any, int]:
    with FlopCounterMode(display=False) as counter:
        outputs = module(*inputs)
    return outputs, counter.get_total_flops() // 2  # it counts a multiply-add as two operations


def _count_people(head: nn.Module, maps: Tensor) -> int:
    """Count a CIDHead, whose second half runs for each person that its first half finds."""
    people = maps.new_empty(TEST_PEOPLE, maps.shape[1])
    places = torch.zeros(TEST_PEOPLE, 2, dtype=torch.long, device=maps.device)
    first = _run_counted(head.iia_module, maps)[1]
    return first + _run_counted(head.gfd_module, maps, people, places, places[:, 0])[1]


def _count_roi_head(roi_head: nn.Module, maps: Sequence[Tensor], num_rois: int) -> int:
    counted = [getattr(roi_head, name, None) for name in ROI_HEADS]
    counted = [head for head in counted if head is not None]
    if _num_params(counted) != _num_params([roi_head]):
        raise UserError(
            f'{type(roi_head).__name__} has more than box, mask and semantic heads, which alone '
            'are counted'
        )
    regions = _regions(roi_head.bbox_roi_extractor, maps[0], num_rois)
    total = sum(_run_counted(head, regions)[1] for head in _stages(roi_head.bbox_head))
    if getattr(roi_head, 'semantic_head', None) is not None:
        total += _run_counted(roi_head.semantic_head, maps)[1]
    if roi_head.with_mask:
        regions, before = _regions(roi_head.mask_roi_extractor, maps[0], TEST_MASKS), ()
        for head in _stages(roi_head.mask_head):
            outputs, macs = _run_counted(head, regions, *before)
            # In a hybrid task cascade, features flow from one mask head to the next.
            before = outputs[1:] if getattr(roi_head, 'mask_info_flow', False) else ()
            total += macs
    return total


def _stages(head: nn.Module) -> Sequence[nn.Module]:
    return list(head) if isinstance(head, nn.ModuleList) else [head]


def _regions(extractor: nn.Module, maps: Tensor, number: int) -> Tensor:
    """What is cut out of the maps: (number, channels, height, width), 7x7 or 14x14."""
    extractor = _stages(extractor)[0]
    size = extractor.roi_layers[0].output_size
    return maps.new_empty(number, extractor.out_channels, *size)


def _part(name: str, module: nn.Module, macs: int) -> Part:
    norms = [m for m in module.modules() if isinstance(m, _BatchNorm)]
    return Part(name, _num_params([module]), _num_params(norms), macs)


def _num_params(modules: Iterable[nn.Module]) -> int:
    return sum(parameter.numel() for module in modules for parameter in module.parameters())
