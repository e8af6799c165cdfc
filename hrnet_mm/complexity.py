"""Parameters and multiply-adds of whole models, beside the numbers that their papers print.

A multiply-add is one step of a convolution or a linear layer; nothing else is counted, as in the
papers. The papers' "GFLOPs" are multiply-adds in units of 2**30, because their counter divides by
1024**3 (``lib/utils/modelsummary.py`` of the official repositories).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.registry import MODELS, DefaultScope
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.flop_counter import FlopCounterMode

from hrnet_mm.cli import UserError

TRUNK = ('backbone', 'neck')
DENSE_HEADS = ('head', 'decode_head', 'bbox_head', 'rpn_head')
TEST_ROIS = 1000  # what mmdet's RPN hands to the RoI head at test time


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


@dataclass(frozen=True)
class Counting:
    """How a paper counts: its M, whether norms have parameters, and the RoIs of a detector."""

    million: int = 10**6
    norms: bool = True
    rois: int = TEST_ROIS

    def params(self, complexity: Complexity) -> float:
        """In the paper's M."""
        norms = 0 if self.norms else complexity.norm_params
        return (complexity.params - norms) / self.million

    def gflops(self, complexity: Complexity) -> float:
        """In the papers' G, 2**30 multiply-adds."""
        return complexity.macs / 2**30


@dataclass(frozen=True)
class Row:
    """A config, and what its paper or the official repository prints of it; '' where nothing.

    The paper's numbers are kept as printed, since their last digit says how exact they are.
    """

    config: str
    shape: tuple[int, int]
    params: str = ''
    gflops: str = ''
    score: str = ''
    source: str = ''
    counting: Counting = Counting()

    @property
    def task(self) -> str:
        return self.config.partition('/')[0]


POSE, ALL = '1902.09212', '1908.07919'  # arXiv
REPO = 'official code'
# Found by fitting the four printed rows (docs/model_zoo.md); the image is 800x1216.
DETECTION = Counting(million=2**20, norms=False, rois=512)


def _rows() -> Iterator[Row]:
    yield from _pose_rows()
    yield from _segmentation_rows()
    for width, params, gflops, aps in (
        (18, '26.2', '159.1', ('36.2', '38.0')),
        (32, '45.0', '245.3', ('39.6', '40.9')),
        (40, '60.5', '314.9', ('40.4', '41.4')),
        (48, '79.4', '399.1', ('41.3', '41.8')),
    ):
        for schedule, ap in zip(('1x', '2x'), aps, strict=True):
            config = f'det/faster_rcnn_hrnetv2p_w{width}_coco_{schedule}.py'
            yield Row(config, (800, 1216), params, gflops, f'AP {ap}', ALL, DETECTION)
    yield from _classification_rows()
    for dataset, nme in (('cofw', 3.45), ('aflw', 1.57), ('wflw', 4.60), ('300w', 3.34)):
        config = f'face/hrnetv2_w18_{dataset}_256x256.py'
        yield Row(config, (256, 256), '9.3', '4.3', f'NME {nme:.2f}', ALL)


def _pose_rows() -> Iterator[Row]:
    small, large, square = (256, 192), (384, 288), (256, 256)
    coco = 'pose/hrnet_w{}_coco_{}x{}.py'
    yield Row(coco.format(32, *small), small, '28.5', '7.1', 'AP 74.4', POSE)
    yield Row(coco.format(32, *large), large, '28.5', '16.0', 'AP 75.8', POSE)
    yield Row(coco.format(48, *small), small, '63.6', '14.6', 'AP 75.1', POSE)
    yield Row(coco.format(48, *large), large, '63.6', '32.9', 'AP 76.3', POSE)
    for fusion, ap in (('final', 70.8), ('across_stages', 71.9), ('full', 73.4)):
        config = f'pose/hrnet_w32_coco_256x192_fusion_{fusion}.py'
        yield Row(config, small, score=f'AP {ap}', source=POSE)
    yield Row('pose/hrnet_w32_mpii_256x256.py', square, '28.5', '9.5', 'PCKh@0.5 90.3', REPO)
    yield Row('pose/hrnet_w48_mpii_256x256.py', square)
    yield Row('pose/hrnet_w32_posetrack18_256x192.py', small)
    yield Row('pose/hrnet_w48_posetrack18_256x192.py', small)


def _segmentation_rows() -> Iterator[Row]:
    for arch, params, gflops, score, source in (
        ('w18_small', '1.5', '31.1', 'mIoU 70.3', REPO),
        ('w18_small_v2', '3.9', '71.6', 'mIoU 76.2', REPO),
        ('w18', '', '', '', ''),
        ('w40', '45.2', '493.2', 'mIoU 80.2', ALL),
        ('w48', '65.9', '696.2', 'mIoU 81.1', ALL),
    ):
        config = f'seg/fcn_hrnetv2_{arch}_cityscapes_512x1024.py'
        yield Row(config, (1024, 2048), params, gflops, score, source)


def _classification_rows() -> Iterator[Row]:
    for arch, params, gflops, top1, source in (
        ('w18_small', '13.2', '1.49', 72.3, REPO),
        ('w18_small_v2', '15.6', '2.42', 75.1, REPO),
        ('w18', '21.3', '3.99', 76.8, REPO),
        ('w30', '37.7', '7.55', 78.2, REPO),
        ('w32', '41.2', '8.31', 78.5, REPO),
        ('w40', '57.6', '11.8', 78.9, REPO),
        ('w44', '67.1', '13.9', 78.9, REPO),
        ('w48', '77.5', '16.1', 79.3, REPO),
        ('w64', '128.1', '26.9', 79.5, REPO),
        ('w44_bottleneck', '21.9', '3.90', 77.0, ALL),
        ('w76_bottleneck', '40.8', '7.30', 78.5, ALL),
        ('w96_bottleneck', '57.5', '10.2', 79.0, ALL),
    ):
        config = f'cls/hrnet_{arch}_imagenet_224.py'
        yield Row(config, (224, 224), params, gflops, f'top-1 {top1:.1f}', source)


ROWS = tuple(_rows())


def configs_folder() -> Path:
    """The configs of this package: installed ones, or those of the source tree."""
    package = Path(__file__).parent
    for folder in (package / '.mim' / 'configs', package.parent / 'configs'):
        if folder.is_dir():
            return folder
    raise UserError(f'there are no configs, neither in {package}/.mim nor beside {package}')


def count_row(row: Row) -> Complexity:
    return count_config(configs_folder() / row.config, row.shape, row.counting.rois)


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
        model: any model of the hosts with a backbone and dense heads, or mmdet's Faster R-CNN.
        shape: height and width of the one image.
        num_rois: RoIs that the second stage of a detector sees.
    """
    if not hasattr(model, 'backbone'):
        raise UserError(f'{type(model).__name__} has no backbone to count')
    model.eval()
    parts = []
    maps = torch.empty(1, 3, *shape, device=next(model.parameters()).device)
    for name in (*TRUNK, *DENSE_HEADS):
        module = getattr(model, name, None)
        if module is not None:
            outputs, macs = _run_counted(module, maps)
            parts.append(_part(name, module, macs))
            maps = outputs if name in TRUNK else maps
    if hasattr(model, 'roi_head'):
        _, macs = _run_counted(_box_head(model), _rois(model, maps[0], num_rois))
        parts.append(_part(f'roi_head, {num_rois} RoIs', model.roi_head, macs))
    return Complexity(tuple(parts))


def _run_counted(module: nn.Module, inputs: Any) -> tuple[Any, int]:
    with FlopCounterMode(display=False) as counter:
        outputs = module(inputs)
    return outputs, counter.get_total_flops() // 2  # it counts a multiply-add as two operations


def _part(name: str, module: nn.Module, macs: int) -> Part:
    norms = [m for m in module.modules() if isinstance(m, _BatchNorm)]
    return Part(name, _num_params([module]), _num_params(norms), macs)


def _num_params(modules: Iterable[nn.Module]) -> int:
    return sum(parameter.numel() for module in modules for parameter in module.parameters())


def _box_head(model: nn.Module) -> nn.Module:
    head = model.roi_head.bbox_head
    if isinstance(head, nn.ModuleList) or getattr(model.roi_head, 'with_mask', False):
        raise UserError(
            f'{type(model).__name__} has cascaded or mask heads, which are not counted: '
            'of the two-stage detectors only Faster R-CNN is'
        )
    return head


def _rois(model: nn.Module, maps: Tensor, num_rois: int) -> Tensor:
    extractor = model.roi_head.bbox_roi_extractor
    size = extractor.roi_layers[0].output_size
    return maps.new_empty(num_rois, extractor.out_channels, *size)


COLUMNS = ('config', 'input', 'M', 'GMACs', 'M*', 'paper', 'ratio', 'G*', 'paper', 'ratio', 'score')


def cells(row: Row, complexity: Complexity) -> tuple[str, ...]:
    """One line of the table under COLUMNS: as it is, then (*) as the paper counts, beside it."""
    params, gflops = row.counting.params(complexity), row.counting.gflops(complexity)
    return (
        row.config,
        'x'.join(map(str, row.shape)),
        f'{complexity.params / 1e6:.2f}',
        f'{complexity.macs / 1e9:.2f}',
        *_beside(params, row.params),
        *_beside(gflops, row.gflops),
        f'{row.score} ({row.source})' if row.score else '-',
    )


def _beside(ours: float, printed: str) -> tuple[str, str, str]:
    return f'{ours:.2f}', printed or '-', f'{ours / float(printed):.3f}' if printed else '-'


def markdown_line(row: Row, complexity: Complexity) -> str:
    """The row in docs/model_zoo.md."""
    config, *numbers = cells(row, complexity)
    link = f'[{Path(config).stem}](../configs/{config})'
    return f'| {" | ".join((link, *numbers))} |'
