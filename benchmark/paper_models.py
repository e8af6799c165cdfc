"""The columns of the paper's table of memory and time (arXiv 1908.07919, table 13).

PyTorch 1.0 on V100 GPUs: training on four, inference on one. In brackets the time on MXNet 1.5.1,
whose static graph runs the branches in parallel.
"""

from __future__ import annotations

from dataclasses import dataclass

ROWS = (
    'training memory',
    'inference memory/image',
    'training second/iteration',
    'inference second/image',
)


@dataclass(frozen=True)
class PaperModel:
    """A column of the table.

    Attributes:
        name: the paper's.
        owner: whose implementation is measured.
        config: of the owner; of this package without a host's name before it.
        paper: what the paper prints in ROWS; '' where it has nothing.
        score: the paper's AP or mIoU.
        optimised: whether ``hrnet_mm.deploy`` runs it; it then only infers.
    """

    name: str
    owner: str
    config: str
    paper: tuple[str, str, str, str] = ('', '', '', '')
    score: str = ''
    optimised: bool = False


@dataclass(frozen=True)
class PaperTask:
    """One part of the table, of one host.

    Attributes:
        train_size, infer_size: height and width of the images.
        batch: images in a training step on one GPU, a quarter of the paper's on four.
        quick_size: for rehearsals.
    """

    host: str
    train_size: tuple[int, int]
    infer_size: tuple[int, int]
    batch: int
    quick_size: tuple[int, int]
    models: tuple[PaperModel, ...]


def _ours(
    name: str, config: str, paper: tuple[str, str, str, str], score: str, static: str = ''
) -> tuple[PaperModel, PaperModel]:
    return (
        PaperModel(name, 'ours', config, paper, score),
        PaperModel(name, 'optimised', config, ('', '', '', static), score, optimised=True),
    )


POSE = 'mmpose::body_2d_keypoint/topdown_heatmap/coco/td-hm_{}_coco-256x192.py'
W48_POSE = ('7.3G', '0.27G', '1.231', '0.058')
W48_SEG = ('13.9G', '1.79G', '0.692', '0.150')
W32_DET = ('8.5G', '0.51G', '0.690', '0.101')
W48_DET = ('11.3G', '0.79G', '0.965', '0.116')

PAPER_TASKS = dict(
    pose=PaperTask(
        'mmpose',
        train_size=(256, 192),
        infer_size=(256, 192),
        batch=32,
        quick_size=(64, 64),
        models=(
            PaperModel(
                'SB-ResNet-152',
                'mmpose',
                POSE.format('res152_8xb32-210e'),
                ('14.8G', '0.29G', '1.085', '0.030 (0.012)'),
                '72.0',
            ),
            PaperModel('HRNetV1-W48', 'mmpose', POSE.format('hrnet-w48_8xb32-210e')),
            *_ours(
                'HRNetV1-W48', 'pose/hrnet_w48_coco_256x192.py', W48_POSE, '75.1', static='(0.017)'
            ),
        ),
    ),
    seg=PaperTask(
        'mmseg',
        train_size=(512, 1024),
        infer_size=(1024, 2048),
        batch=2,
        quick_size=(64, 128),
        models=(
            PaperModel(
                'PSPNet',
                'mmseg',
                'mmseg::pspnet/pspnet_r101-d8_4xb2-80k_cityscapes-512x1024.py',
                ('14.4G', '1.60G', '0.837', '0.397'),
                '79.7',
            ),
            PaperModel(
                'DeepLabV3',
                'mmseg',
                'mmseg::deeplabv3/deeplabv3_r101-d8_4xb2-80k_cityscapes-512x1024.py',
                ('13.3G', '1.15G', '0.850', '0.411'),
                '78.5',
            ),
            PaperModel(
                'HRNetV2-W48', 'mmseg', 'mmseg::hrnet/fcn_hr48_4xb2-160k_cityscapes-512x1024.py'
            ),
            *_ours('HRNetV2-W48', 'seg/fcn_hrnetv2_w48_cityscapes_512x1024.py', W48_SEG, '81.1'),
        ),
    ),
    det=PaperTask(
        'mmdet',
        train_size=(800, 1333),
        infer_size=(800, 1333),
        batch=2,
        quick_size=(96, 128),
        models=(
            PaperModel(
                'ResNet-101',
                'mmdet',
                'mmdet::faster_rcnn/faster-rcnn_r101_fpn_2x_coco.py',
                ('5.4G', '0.62G', '0.550', '0.087'),
                '39.8',
            ),
            PaperModel(
                'ResNeXt-101',
                'mmdet',
                'mmdet::faster_rcnn/faster-rcnn_x101-64x4d_fpn_2x_coco.py',
                ('9.5G', '0.77G', '1.183', '0.144'),
                '40.8',
            ),
            PaperModel('HRNetV2p-W32', 'mmdet', 'mmdet::hrnet/faster-rcnn_hrnetv2p-w32_2x_coco.py'),
            *_ours('HRNetV2p-W32', 'det/faster_rcnn_hrnetv2p_w32_coco_2x.py', W32_DET, '40.9'),
            *_ours('HRNetV2p-W48', 'det/faster_rcnn_hrnetv2p_w48_coco_2x.py', W48_DET, '41.8'),
        ),
    ),
)
