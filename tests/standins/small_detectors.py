"""A training step and a prediction of small detectors, in this process or in one without libraries.

As a program, ``python -m tests.standins.small_detectors config.py checkpoint.pth results.npz``, it
hides mmcv's compiled operators and xtcocotools and has the stand-ins serve.
"""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.machinery import ModuleSpec, PathFinder
from importlib.metadata import MetadataPathFinder
from typing import Any

import numpy as np

HIDDEN = ('mmcv._ext', 'xtcocotools')
FCOS = """
_base_ = '{configs}/det/fcos_hrnetv2p_w18_coco_2x.py'
model = dict(
    backbone=dict(arch='w18_small', init_cfg=None, norm_eval=False),
    neck=dict(in_channels=[16, 32, 64, 128], out_channels=32),
    bbox_head=dict(in_channels=32, feat_channels=32),
)
"""


class WithoutLibraries:
    """Finds modules on ``sys.path`` as Python does, without those that are hidden."""

    # The fork's mmengine asks for its version. Not PathFinder's: importlib_metadata deletes it.
    find_distributions = MetadataPathFinder.find_distributions

    @staticmethod
    def find_spec(name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        is_hidden = any(name == hidden or name.startswith(f'{hidden}.') for hidden in HIDDEN)
        return None if is_hidden else PathFinder.find_spec(name, path, target)


def train_and_predict(config: str, checkpoint: str | None = None) -> dict[str, np.ndarray]:
    """The losses of two images, the gradient's norm of each layer, and the boxes found after it."""
    import torch
    from mmdet.structures import DetDataSample
    from mmdet.structures.mask import BitmapMasks
    from mmengine.config import Config
    from mmengine.structures import InstanceData

    from hrnet_mm.base.safe_load import safe_load
    from tests.models_of_hosts import build

    torch.manual_seed(0)
    model = build(Config.fromfile(config))
    if checkpoint is None:
        model.init_weights()
    else:
        model.load_state_dict(safe_load(checkpoint)['state_dict'])
    rng = np.random.default_rng(0)
    images = torch.from_numpy(rng.normal(0, 1, (2, 3, 96, 160)).astype(np.float32))
    samples = []
    for _ in images:
        corners = rng.uniform(0, (100, 50), (3, 2))
        boxes = np.concatenate((corners, corners + rng.uniform(15, 46, (3, 2))), 1)
        masks = np.zeros((3, 96, 160), np.uint8)
        for mask, (x1, y1, x2, y2) in zip(masks, boxes.astype(int), strict=True):
            mask[y1:y2, x1:x2] = 1
        sample = DetDataSample(
            metainfo=dict(img_shape=(96, 160), ori_shape=(96, 160), scale_factor=(1.0, 1.0))
        )
        sample.gt_instances = InstanceData(
            bboxes=torch.from_numpy(boxes.astype(np.float32)),
            labels=torch.tensor([0, 7, 79]),
            masks=BitmapMasks(masks, 96, 160),
        )
        sample.set_metainfo(dict(batch_input_shape=(96, 160), pad_shape=(96, 160)))
        samples.append(sample)
    torch.manual_seed(1)  # which proposals are sampled
    model.train()
    losses, values = model.parse_losses(model.loss(images, samples))
    losses.backward()
    results = {name: np.array(float(value)) for name, value in values.items()}
    for name, parameter in model.named_parameters():
        if parameter.grad is not None:
            results[f'gradient {name}'] = parameter.grad.norm().numpy()
    model.eval()
    with torch.no_grad():
        for i, found in enumerate(model.predict(images, samples)):
            instances = found.pred_instances
            results[f'boxes {i}'] = instances.bboxes.numpy()
            results[f'scores {i}'] = instances.scores.numpy()
            if 'masks' in instances:
                results[f'masks {i}'] = np.asarray(instances.masks)
    return results


if __name__ == '__main__':
    sys.meta_path[sys.meta_path.index(PathFinder)] = WithoutLibraries
    import hrnet_mm.compat  # noqa: F401
    from hrnet_mm.standins import serving

    for host in ('mmpose', 'mmdet', 'mmseg'):
        for part in ('models', 'datasets'):
            import_module(f'{host}.{part}')
    mask_rcnn, checkpoint, fcos, file = sys.argv[1:]
    print(*serving())
    np.savez(
        file,
        **train_and_predict(mask_rcnn, checkpoint),
        **{f'fcos {name}': values for name, values in train_and_predict(fcos).items()},
    )
