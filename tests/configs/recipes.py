"""What the papers and official repositories say of training, for every config but the demos."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatch
from typing import Any


@dataclass(frozen=True)
class Recipe:
    """``drops`` are the epochs at which the learning rate falls to a tenth; none: poly decay."""

    optimizer: str
    lr: float
    length: int  # epochs, or iterations where the host counts those
    drops: tuple[int, ...]
    images_per_gpu: int
    images: int
    warm_up: bool = False
    weight_decay: float = 0


def _pose(lr: float, length: int, *drops: int, images_per_gpu: int, images: int) -> Recipe:
    return Recipe('Adam', lr, length, drops, images_per_gpu, images)


def _seg(lr: float, length: int, images_per_gpu: int, weight_decay: float) -> Recipe:
    images = 4 * images_per_gpu
    return Recipe('SGD', lr, length, (), images_per_gpu, images, weight_decay=weight_decay)


def _det(length: int, *drops: int, lr: float = 0.02, images_per_gpu: int = 2) -> Recipe:
    images = 128 if images_per_gpu == 16 else 16
    return Recipe('SGD', lr, length, drops, images_per_gpu, images, True, 1e-4)


# The first pattern that fits.
RECIPES = {
    'pose/ae_*': _pose(1e-3, 300, 200, 260, images_per_gpu=12, images=48),
    'pose/higherhrnet_w32_*': _pose(1e-3, 300, 200, 260, images_per_gpu=12, images=48),
    'pose/higherhrnet_w48_*': _pose(1e-3, 300, 200, 260, images_per_gpu=10, images=40),
    'pose/dekr_hrnet_w32_coco_*': _pose(1e-3, 140, 90, 120, images_per_gpu=10, images=40),
    'pose/dekr_hrnet_w48_coco_*': _pose(1e-3, 140, 90, 120, images_per_gpu=5, images=40),
    'pose/dekr_hrnet_w32_crowdpose_*': _pose(1e-3, 300, 200, 260, images_per_gpu=10, images=40),
    'pose/dekr_hrnet_w48_crowdpose_*': _pose(1e-3, 300, 200, 260, images_per_gpu=5, images=40),
    'pose/cid_*': _pose(1e-3, 140, 90, 120, images_per_gpu=20, images=40),
    'pose/*_posetrack18_*': _pose(1e-4, 20, 10, 15, images_per_gpu=32, images=256),
    'pose/*': _pose(1e-3, 210, 170, 200, images_per_gpu=32, images=256),
    'face/*_aflw_*': _pose(2e-4, 60, 30, 50, images_per_gpu=16, images=16),
    'face/*': _pose(1e-4, 60, 30, 50, images_per_gpu=16, images=16),
    'cls/*': Recipe('SGD', 0.1, 100, (30, 60, 90), 32, 256, weight_decay=1e-4),
    'seg/*_cityscapes_*': _seg(0.01, 120_000, 3, 5e-4),
    'seg/*_pascal_context*': _seg(0.004, 60_000, 4, 1e-4),
    'seg/*_lip_*': _seg(0.007, 110_000, 10, 5e-4),
    'seg/*_ade20k_*': _seg(0.02, 120 * 1263, 4, 1e-4),
    'det/centernet_*': _det(28, 18, 24, images_per_gpu=16),  # every image five times an epoch
    'det/fcos_*_2x.py': _det(24, 16, 22, lr=0.01, images_per_gpu=4),
    'det/*_1x.py': _det(12, 8, 11),
    'det/*_2x.py': _det(24, 16, 22),
    'det/*_20e.py': _det(20, 16, 19),
}


def expected_recipe(config: str) -> Recipe:
    return next(recipe for pattern, recipe in RECIPES.items() if fnmatch(config, pattern))


def recipe_of(cfg: dict[str, Any]) -> Recipe:
    """Read the recipe out of a config."""
    optimizer = cfg['optim_wrapper']['optimizer']
    schedule = cfg['param_scheduler']
    *warm_up, decay = schedule if isinstance(schedule, list) else [schedule]
    length = cfg['train_cfg'].get('max_epochs') or cfg['train_cfg']['max_iters']
    if decay['type'] == 'PolyLR':
        assert (decay['power'], decay['eta_min'], decay['end']) == (0.9, 0, length)
    return Recipe(
        optimizer['type'],
        optimizer['lr'],
        length,
        tuple(decay.get('milestones', ())),
        cfg['train_dataloader']['batch_size'],
        cfg['auto_scale_lr']['base_batch_size'],
        bool(warm_up),
        optimizer.get('weight_decay', 0),
    )
