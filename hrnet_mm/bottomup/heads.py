"""Heads of bottom-up models: heatmaps of all people at once, and tags that tell them apart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from mmengine.structures import InstanceData, PixelData
from mmpose.models.heads.base_head import BaseHead
from mmpose.registry import KEYPOINT_CODECS
from torch import Tensor, nn

from hrnet_mm.base.errors import UserError
from hrnet_mm.bottomup.averaging import at_finest, averaged, flipped_back
from hrnet_mm.bottomup.losses import heatmap_loss, tag_losses
from hrnet_mm.models.higher import DEFAULT_INIT, HigherResolution
from hrnet_mm.registry import MODELS

Maps = Sequence[Tensor]  # of a backbone or a head


class TagHead(BaseHead):
    """What the heads share: losses and prediction. ``forward`` and ``num_keypoints`` are theirs.

    ``forward`` returns the maps of every resolution, (N, 2K, H / 4, W / 4) first, heatmaps before
    tags, and then (N, K, H / 2, W / 2), ...
    """

    num_keypoints: int

    def set_up(
        self, decoder: dict[str, Any] | None, heatmaps: float, pull: float, push: float
    ) -> None:
        """Take the codec that finds people, and the weights of the losses."""
        self.decoder = None if decoder is None else KEYPOINT_CODECS.build(decoder)
        self.loss_weights = dict(heatmaps=heatmaps, pull=pull, push=push)

    def loss(
        self, feats: Maps, batch_data_samples: Sequence[Any], train_cfg: Any = None
    ) -> dict[str, Tensor]:
        """The losses of a batch: of heatmaps at every resolution, of tags at the first.

        Raises:
            UserError: the targets have other sizes than the maps.
        """
        predicted = [maps.float() for maps in self.forward(feats)]
        targets, masks, indices = targets_of(batch_data_samples)
        check_sizes(predicted, targets)
        losses = {
            f'heatmaps_{i}': heatmap_loss(predicted[i][:, : self.num_keypoints], target, mask)
            for i, (target, mask) in enumerate(zip(targets, masks, strict=True))
        }
        losses['pull'], losses['push'] = tag_losses(predicted[0][:, self.num_keypoints :], indices)
        return {
            f'loss_{name}': self.loss_weights[name.split('_')[0]] * loss
            for name, loss in losses.items()
        }

    def predict(
        self, feats: Any, batch_data_samples: Sequence[Any], test_cfg: Any = None
    ) -> list[InstanceData] | tuple[list[InstanceData], list[PixelData]]:
        """The people of each image.

        Args:
            feats: the backbone's maps; with ``flip_test`` a pair, of the image and the flipped one;
                with ``multiscale_test`` a list of those, the scale of 1 first.
            batch_data_samples: one of each image.
            test_cfg: mmpose's ``flip_test``, ``multiscale_test``, ``shift_heatmap``,
                ``align_corners``, ``output_heatmaps`` and ``restore_heatmap_size``: average the
                maps at the size of the image, as the official code, and not at that of the finest.

        Returns:
            ``keypoints`` (P, K, 2) in pixels of the network's image, ``keypoint_scores`` (P, K) and
            ``bbox_scores`` (P,), the scores of the people; and the maps if they are asked for.
        """
        test_cfg = test_cfg or {}
        samples = [sample.metainfo for sample in batch_data_samples]
        scales = feats if test_cfg.get('multiscale_test') else [feats]
        corners = test_cfg.get('align_corners', False)
        pairs = [self._views(views, samples[0], test_cfg) for views in scales]
        size = pairs[0][0][0].shape[2:]
        if test_cfg.get('restore_heatmap_size'):
            size = samples[0]['img_shape']
        heatmaps, tags = averaged(pairs, size, corners)
        found = [
            self._people(*maps, sample['input_size'])
            for *maps, sample in zip(heatmaps, tags, samples, strict=True)
        ]
        if not test_cfg.get('output_heatmaps'):
            return found
        fields = zip(heatmaps.detach(), tags.detach(), strict=True)
        return found, [PixelData(heatmaps=maps, tags=of_image) for maps, of_image in fields]

    def _views(self, views: Any, sample: dict[str, Any], test_cfg: Any) -> list[Any]:
        """Heatmaps and tags at the finest resolution, of the image and of the flipped one."""
        flips, corners = test_cfg.get('flip_test'), test_cfg.get('align_corners', False)
        pairs = [
            at_finest(self.forward(maps), self.num_keypoints, corners)
            for maps in (views if flips else [views])
        ]
        if flips:
            shift = test_cfg.get('shift_heatmap', False)
            pairs[1] = tuple(flipped_back(x, sample['flip_indices'], shift) for x in pairs[1])
        return pairs

    def _people(self, heatmaps: Tensor, tags: Tensor, input_size: Sequence[int]) -> InstanceData:
        """The people in the maps (K, h, w) and (T * K, h, w) of one image."""
        if self.decoder is None:
            raise UserError('the head has no decoder: give it the codec that finds people')
        tags = tags.unflatten(0, (-1, self.num_keypoints)).transpose(0, 1)
        pair = (x.detach().float().cpu().numpy() for x in (heatmaps, tags))
        found = self.decoder.decode(tuple(pair))
        height, width = heatmaps.shape[1:]
        return InstanceData(
            bbox_scores=found.person_scores,
            keypoints=found.keypoints * (np.float32(input_size) / np.float32([width, height])),
            keypoint_scores=found.scores,
        )


@MODELS.register_module()
class AssociativeEmbeddingHead(TagHead):
    """Heatmaps and tags at 1/4 by one 1x1 convolution (arXiv 1908.07919, bottom-up pose).

    Equal to mmpose's AssociativeEmbeddingHead without deconvolutions, whose checkpoints it takes,
    and unlike it trains.

    Args:
        in_channels: of HRNet's finest map.
        num_keypoints: K.
        decoder: the codec, ``hrnet_mm.bottomup.codec.HeatmapsAndTags``.
        heatmap_weight, pull_weight, push_weight: of the losses.
        init_cfg: Default: as the official code.
    """

    def __init__(
        self,
        in_channels: int,
        num_keypoints: int,
        decoder: dict[str, Any] | None = None,
        heatmap_weight: float = 1.0,
        pull_weight: float = 0.001,
        push_weight: float = 0.001,
        init_cfg: Any = None,
    ) -> None:
        super().__init__(init_cfg or DEFAULT_INIT)
        self.num_keypoints = num_keypoints
        self.final_layer = nn.Conv2d(in_channels, 2 * num_keypoints, 1)
        self.set_up(decoder, heatmap_weight, pull_weight, push_weight)

    def forward(self, feats: Maps) -> list[Tensor]:
        """HRNet's finest map, the last of a tuple -> [(N, 2K, H / 4, W / 4)]."""
        return [self.final_layer(feats[-1])]


@MODELS.register_module()
class HigherHRNetHead(HigherResolution, TagHead):
    """HigherHRNet's head (arXiv 1908.10357): heatmaps and tags at 1/4, heatmaps at 1/2.

    Args:
        in_channels: of HRNet's finest map.
        num_keypoints: K.
        decoder: the codec, ``hrnet_mm.bottomup.codec.HeatmapsAndTags``, of any resolution.
        heatmap_weight, pull_weight, push_weight: of the losses; that of heatmaps at every
            resolution.
        layers: ``num_steps``, ``num_blocks``, ``conv_cfg``, ``norm_cfg`` and ``init_cfg`` of
            ``HigherResolution``.

    Example:
        >>> from mmpose.registry import MODELS
        >>> head = MODELS.build(dict(type='hrnet_mm.HigherHRNetHead', in_channels=32,
        ...                          num_keypoints=17))
        >>> [tuple(maps.shape) for maps in head([torch.rand(1, 32, 16, 24)])]
        [(1, 34, 16, 24), (1, 17, 32, 48)]
    """

    def __init__(
        self,
        in_channels: int,
        num_keypoints: int,
        decoder: dict[str, Any] | None = None,
        heatmap_weight: float = 1.0,
        pull_weight: float = 0.001,
        push_weight: float = 0.001,
        **layers: Any,
    ) -> None:
        super().__init__(in_channels, num_keypoints, **layers)
        self.set_up(decoder, heatmap_weight, pull_weight, push_weight)


def targets_of(samples: Sequence[Any]) -> tuple[list[Tensor], list[Tensor], list[Tensor]]:
    """Of a batch, at every resolution heatmaps (N, K, h, w) and masks (N, 1, h, w).

    And where the tags are at the first one, (P, K, 2) of every image.
    """
    fields = [sample.gt_fields for sample in samples]
    indices = [sample.gt_instance_labels.keypoint_indices for sample in samples]
    if isinstance(fields[0].heatmaps, Tensor):  # of one resolution
        levels = [fields]
    else:
        levels = list(zip(*(field.levels() for field in fields), strict=True))
        indices = [of_image[0] for of_image in indices]
    heatmaps = [torch.stack([field.heatmaps for field in level]) for level in levels]
    return heatmaps, [masks_of(level) for level in levels], indices


def masks_of(fields: Sequence[Any]) -> Tensor:
    """(N, 1, h, w), or of one pixel where the pipeline makes none."""
    if 'heatmap_mask' not in fields[0]:
        return fields[0].heatmaps.new_ones(1, 1, 1, 1)
    # Each is (1, h, w) where there is one resolution, else (h, w).
    masks = torch.stack([field.heatmap_mask for field in fields])
    return masks.reshape(len(masks), 1, *masks.shape[-2:])


def check_sizes(predicted: Maps, targets: Maps) -> None:
    made, wanted = ([x.shape[:-3:-1] for x in maps] for maps in (predicted, targets))
    if made != wanted:
        made, wanted = (', '.join(f'{tuple(size)}' for size in sizes) for sizes in (made, wanted))
        raise UserError(
            f'the head makes maps of {made} (width, height), but the targets are of {wanted}: '
            'GenerateTarget needs one codec for each, with this heatmap_size'
        )
