"""Several scales of an image at test time, which mmpose's estimator begins and does not end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mmpose.models import BottomupPoseEstimator
from torch import Tensor

from hrnet_mm.base.errors import UserError
from hrnet_mm.registry import MODELS


@MODELS.register_module()
class MultiScaleEstimator(BottomupPoseEstimator):
    """mmpose's BottomupPoseEstimator, with the multi-scale test of the official code.

    ``test_cfg=dict(multiscale_test=True, scales=(2, 1, 0.5))``: the test pipeline makes the largest
    scale, and each other one is every nth row and column of it. That is what the official code
    resizes an image to, pixel by pixel: its resizing takes a point at n times the place of an
    image n times as large. mmpose's way, lists of images of several sizes, ends in an error when
    its ``PackPoseInputs`` stacks them.

    The sizes of the largest scale must be a multiple of 64 at the smallest: with the scales above
    ``BottomupResize(input_size=(1024, 1024), size_factor=256, resize_mode='expand')`` of a model
    for 512 x 512.

    Raises:
        UserError: scales or sizes of other kinds.
    """

    def predict(self, inputs: Tensor, data_samples: Sequence[Any]) -> Sequence[Any]:
        """The people in images (N, C, H, W) of the largest scale."""
        if not self.test_cfg.get('multiscale_test'):
            return super().predict(inputs, data_samples)
        steps = steps_of(self.test_cfg.get('scales') or ())
        sizes = tuple(inputs.shape[2:])
        if any(side % max(steps) for side in sizes):
            raise UserError(
                f'the test pipeline makes an image of {sizes} (height, width), which the smallest '
                f'of test_cfg.scales divides by {max(steps)}: set the size_factor of '
                f'BottomupResize to {64 * max(steps)}'
            )
        height, width = (side // steps[0] for side in sizes)
        for sample in data_samples:  # keypoints are found in pixels of the scale 1
            sample.set_metainfo(dict(img_shape=(height, width), input_size=(width, height)))
            sample.set_metainfo(dict(aug_scales=steps[1:]))
        return super().predict([inputs[..., ::n, ::n] for n in steps], data_samples)


def steps_of(scales: Sequence[float]) -> list[int]:
    """Which rows of the largest scale each is, that of 1 first: of (2, 1, 0.5) 2, 1 and 4."""
    if 1 not in scales or min(scales) <= 0:
        raise UserError(f'test_cfg.scales={scales!r} must be positive and have 1, as (2, 1, 0.5)')
    steps = [max(scales) / scale for scale in sorted(scales, key=lambda scale: scale != 1)]
    if any(step != int(step) for step in steps):
        raise UserError(f'test_cfg.scales={scales!r} must be whole parts of the largest one')
    return list(map(int, steps))
