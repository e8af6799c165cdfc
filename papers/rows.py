"""Every config of ``configs/`` and the numbers that its paper or official code prints."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from papers.weights import WEIGHTS

CONFIGS = Path(__file__).resolve().parents[1] / 'configs'
BOTTOM_UP = ('ae_', 'higherhrnet_', 'dekr_', 'cid_')  # names of configs begin so
TEST_ROIS = 1000  # what mmdet's RPN hands to the RoI head at test time


@dataclass(frozen=True)
class Counting:
    """How a paper counts: its M and G, whether norms have parameters, a detector's RoIs."""

    million: int = 10**6
    giga: int = 2**30
    norms: bool = True
    rois: int = TEST_ROIS

    def params(self, params: int, norm_params: int) -> float:
        """Parameters in the paper's M; ``norm_params`` are those of ``params`` in batch norms."""
        return (params - (0 if self.norms else norm_params)) / self.million

    def gflops(self, macs: int) -> float:
        """Multiply-adds in the paper's G, which is nearly always 2**30 of them."""
        return macs / self.giga


@dataclass(frozen=True)
class Row:
    """A config, and what its paper or the official repository prints of it; '' where nothing.

    The paper's numbers are kept as printed, since their last digit says how exact they are.

    Attributes:
        config: below ``configs/``, 'pose/hrnet_w32_coco_256x192.py'.
        shape: height and width of the input, (256, 192).
        params, gflops: as printed, '28.5' and '7.1'.
        score: as printed, 'AP 74.4'.
        source: who prints the score: an arXiv number, the address of official code, or a host.
        counting: how the paper counts.
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
        """'pose', 'seg', 'det', 'face' or 'cls'."""
        return self.config.partition('/')[0]

    @property
    def page(self) -> str:
        """The page of docs/ that has the row in its table: the task's, or 'bottomup'."""
        return 'bottomup' if self.name.startswith(BOTTOM_UP) else self.task

    @property
    def name(self) -> str:
        """The config's name, 'hrnet_w32_coco_256x192'."""
        return Path(self.config).stem

    @property
    def size(self) -> str:
        """The shape as it is written, '256x192'."""
        return 'x'.join(map(str, self.shape))

    @property
    def weights(self) -> str:
        """The address of a host's checkpoint that loads unchanged; '' if there is none."""
        return WEIGHTS.get(self.config, '')


POSE, ALL = '1902.09212', '1908.07919'  # arXiv
MMPOSE, MMDET = 'mmpose', 'mmdet'
POSE_CODE = 'github.com/leoxiaobin/deep-high-resolution-net.pytorch'
HIGHER_CODE = 'github.com/HRNet/HigherHRNet-Human-Pose-Estimation'
DEKR_CODE = 'github.com/HRNet/DEKR'
CID_CODE = 'github.com/kennethwdk/CID'
SEG_CODE = 'github.com/HRNet/HRNet-Semantic-Segmentation'
DET_CODE = 'github.com/HRNet/HRNet-Object-Detection'
CLS_CODE = 'github.com/HRNet/HRNet-Image-Classification'
# Found by fitting what is printed (docs/model_zoo.md).
OFFICIAL_SEGMENTATION = Counting(norms=False)
TWO_STAGES = Counting(million=2**20, norms=False, rois=512)
TWO_STAGES_SHAPE, FCOS_SHAPE = (800, 1216), (800, 1312)
DECIMAL, EMBEDDING = Counting(giga=10**9), Counting(giga=10**3 * 2**20)


def _rows() -> Iterator[Row]:
    yield from _pose_rows()
    yield from _more_pose_rows()
    yield from _bottom_up_rows()
    yield from _cityscapes_rows()
    yield from _more_segmentation_rows()
    yield from _faster_rcnn_rows()
    yield from _instance_rows()
    yield from _one_stage_rows()
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
    yield Row('pose/hrnet_w32_mpii_256x256.py', square, '28.5', '9.5', 'PCKh@0.5 90.3', POSE_CODE)
    yield Row('pose/hrnet_w48_mpii_256x256.py', square)
    yield Row('pose/hrnet_w32_posetrack18_256x192.py', small)
    yield Row('pose/hrnet_w48_posetrack18_256x192.py', small)


def _more_pose_rows() -> Iterator[Row]:
    for config, params, gflops, score, source in (
        ('hrnet_w32_coco_256x192_dark', '28.5', '7.1', 'AP 75.6', POSE_CODE),
        ('hrnet_w48_coco_256x192_dark', '', '', 'AP 76.4', MMPOSE),
        ('hrnet_w32_coco_256x192_udp', '', '', 'AP 76.2', MMPOSE),
        ('hrnet_w48_coco_256x192_udp', '', '', 'AP 76.8', MMPOSE),
        ('hrnet_w32_coco_wholebody_256x192', '', '', 'whole AP 53.6', MMPOSE),
        ('hrnet_w48_coco_wholebody_256x192', '', '', 'whole AP 57.9', MMPOSE),
        ('hrnet_w32_crowdpose_256x192', '', '', 'AP 67.5', MMPOSE),
    ):
        yield Row(f'pose/{config}.py', (256, 192), params, gflops, score, source)


def _bottom_up_rows() -> Iterator[Row]:
    for config, side, params, gflops, score, source, counting in (
        ('ae_hrnet_w32_coco', 512, '28.5', '38.9', 'AP 65.6', MMPOSE, EMBEDDING),
        ('higherhrnet_w32_coco', 512, '28.6', '47.9', 'AP 67.1', HIGHER_CODE, DECIMAL),
        ('higherhrnet_w32_coco', 640, '28.6', '74.8', 'AP 68.5', HIGHER_CODE, DECIMAL),
        ('higherhrnet_w48_coco', 640, '63.8', '154.3', 'AP 69.9', HIGHER_CODE, DECIMAL),
        ('higherhrnet_w32_crowdpose', 512, '', '', 'AP 65.5', f'{MMPOSE} 0.x', DECIMAL),
        ('higherhrnet_w32_crowdpose', 640, '', '', '', '', DECIMAL),
        ('higherhrnet_w48_crowdpose', 640, '', '', 'AP 65.9', HIGHER_CODE, DECIMAL),
        ('dekr_hrnet_w32_coco', 512, '29.6', '45.4', 'AP 68.0', DEKR_CODE, DECIMAL),
        ('dekr_hrnet_w48_coco', 640, '65.7', '141.5', 'AP 71.0', DEKR_CODE, DECIMAL),
        ('dekr_hrnet_w32_crowdpose', 512, '', '', 'AP 65.7', DEKR_CODE, DECIMAL),
        ('dekr_hrnet_w48_crowdpose', 640, '', '', 'AP 67.3', DEKR_CODE, DECIMAL),
        ('cid_hrnet_w32_coco', 512, '', '', 'AP 69.8', CID_CODE, DECIMAL),
        ('cid_hrnet_w48_coco', 512, '', '', 'AP 71.5', MMPOSE, DECIMAL),
    ):
        shape = (side, side)
        config = f'pose/{config}_{side}x{side}.py'
        yield Row(config, shape, params, gflops, score, source, counting)


def _cityscapes_rows() -> Iterator[Row]:
    for config, params, gflops, score, source in (
        ('fcn_hrnetv2_w18_small', '1.5', '31.1', 'mIoU 70.3', SEG_CODE),
        ('fcn_hrnetv2_w18_small_v2', '3.9', '71.6', 'mIoU 76.2', SEG_CODE),
        ('fcn_hrnetv2_w18', '', '', '', ''),
        ('fcn_hrnetv2_w40', '45.2', '493.2', 'mIoU 80.2', ALL),
        ('fcn_hrnetv2_w48', '65.9', '696.2', 'mIoU 81.1', ALL),
        ('ocrnet_hrnetv2_w18', '', '', '', ''),
        ('ocrnet_hrnetv2_w48', '', '', 'mIoU 81.6', SEG_CODE),
    ):
        config = f'seg/{config}_cityscapes_512x1024.py'
        yield Row(config, (1024, 2048), params, gflops, score, source)
    config = 'seg/fcn_hrnetv2_w48_cityscapes_512x1024_resize_concat.py'
    yield Row(config, (1024, 2048), '65.9', '696.2', 'mIoU 81.1', ALL)


def _more_segmentation_rows() -> Iterator[Row]:
    for dataset, size, params, gflops, score in (
        ('pascal_context59', 480, '65.8', '76.5', 'mIoU 54.1'),
        ('pascal_context60', 480, '65.8', '76.5', 'mIoU 48.3'),
        ('lip', 473, '65.8', '74.3', 'mIoU 56.04'),
        ('ade20k', 520, '', '', 'mIoU 43.1'),
    ):
        config, shape = f'seg/fcn_hrnetv2_w48_{dataset}_{size}x{size}.py', (size, size)
        yield Row(config, shape, params, gflops, score, SEG_CODE, OFFICIAL_SEGMENTATION)
    yield Row('seg/fcn_hrnetv2_w18_ade20k_520x520.py', (520, 520))


def _faster_rcnn_rows() -> Iterator[Row]:
    for width, params, gflops, aps in (
        (18, '26.2', '159.1', ('36.2', '38.0')),
        (32, '45.0', '245.3', ('39.6', '40.9')),
        (40, '60.5', '314.9', ('40.4', '41.4')),
        (48, '79.4', '399.1', ('41.3', '41.8')),
    ):
        for schedule, ap in zip(('1x', '2x'), aps, strict=True):
            config = f'det/faster_rcnn_hrnetv2p_w{width}_coco_{schedule}.py'
            yield Row(config, TWO_STAGES_SHAPE, params, gflops, f'AP {ap}', ALL, TWO_STAGES)


def _instance_rows() -> Iterator[Row]:
    """Detectors of more heads; nothing is printed of their sizes. Mask AP is after the slash."""
    for config, score, source in (
        ('mask_rcnn_hrnetv2p_w18_coco_1x', '37.3 / 34.2', DET_CODE),
        ('mask_rcnn_hrnetv2p_w18_coco_2x', '39.2 / 35.3', ALL),
        ('mask_rcnn_hrnetv2p_w32_coco_1x', '40.7 / 36.8', DET_CODE),
        ('mask_rcnn_hrnetv2p_w32_coco_2x', '42.3 / 37.6', ALL),
        ('mask_rcnn_hrnetv2p_w40_coco_1x', '42.1 / 37.5', MMDET),
        ('mask_rcnn_hrnetv2p_w40_coco_2x', '42.8 / 38.2', MMDET),
        ('cascade_rcnn_hrnetv2p_w18_coco_20e', '41.2', DET_CODE),
        ('cascade_rcnn_hrnetv2p_w32_coco_20e', '43.7', ALL),
        ('cascade_rcnn_hrnetv2p_w40_coco_20e', '43.8', MMDET),
        ('cascade_mask_rcnn_hrnetv2p_w18_coco_20e', '41.9 / 36.4', DET_CODE),
        ('cascade_mask_rcnn_hrnetv2p_w32_coco_20e', '44.5 / 38.5', DET_CODE),
        ('cascade_mask_rcnn_hrnetv2p_w40_coco_20e', '45.1 / 39.3', MMDET),
        ('htc_hrnetv2p_w32_coco_20e', '45.3 / 39.6', DET_CODE),
    ):
        score, counting = f'AP {score}', TWO_STAGES
        yield Row(f'det/{config}.py', TWO_STAGES_SHAPE, '', '', score, source, counting)


def _one_stage_rows() -> Iterator[Row]:
    for config, params, gflops, ap in (
        ('fcos_hrnetv2p_w18_coco_2x', '17.5', '180.3', 37.7),
        ('fcos_hrnetv2p_w32_coco_2x', '37.3', '273.3', 40.3),
        ('fcos_hrnetv2p_w32_coco_ms_2x', '37.3', '273.3', 41.9),
    ):
        yield Row(f'det/{config}.py', FCOS_SHAPE, params, gflops, f'AP {ap}', DET_CODE)
    yield Row('det/centernet_hrnetv2_w48_coco_140e.py', (512, 512))


def _classification_rows() -> Iterator[Row]:
    for arch, params, gflops, top1, source in (
        ('w18_small', '13.2', '1.49', 72.3, CLS_CODE),
        ('w18_small_v2', '15.6', '2.42', 75.1, CLS_CODE),
        ('w18', '21.3', '3.99', 76.8, CLS_CODE),
        ('w30', '37.7', '7.55', 78.2, CLS_CODE),
        ('w32', '41.2', '8.31', 78.5, CLS_CODE),
        ('w40', '57.6', '11.8', 78.9, CLS_CODE),
        ('w44', '67.1', '13.9', 78.9, CLS_CODE),
        ('w48', '77.5', '16.1', 79.3, CLS_CODE),
        ('w64', '128.1', '26.9', 79.5, CLS_CODE),
        ('w44_bottleneck', '21.9', '3.90', 77.0, ALL),
        ('w76_bottleneck', '40.8', '7.30', 78.5, ALL),
        ('w96_bottleneck', '57.5', '10.2', 79.0, ALL),
    ):
        config = f'cls/hrnet_{arch}_imagenet_224.py'
        yield Row(config, (224, 224), params, gflops, f'top-1 {top1:.1f}', source)


ROWS = tuple(_rows())
