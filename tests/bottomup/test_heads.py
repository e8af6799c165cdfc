"""Heads predict and learn as the official code, and as mmpose where it does the same."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from mmengine.structures import InstanceData, PixelData
from mmpose.models.heads import AssociativeEmbeddingHead as MMPoseHead
from mmpose.registry import MODELS
from mmpose.structures import MultilevelPixelData
from torch import Tensor

from hrnet_mm.base.errors import UserError
from hrnet_mm.bottomup.codec import HeatmapsAndTags
from hrnet_mm.bottomup.heads import HigherHRNetHead
from hrnet_mm.bottomup.losses import heatmap_loss, tag_losses

K = 17
WIDTH, HEIGHT = 192, 128  # of the network's image
FLIP = [0, *(i + 1 if i % 2 else i - 1 for i in range(1, K))]
CODEC = dict(type='hrnet_mm.bottomup.codec.HeatmapsAndTags', input_size=(WIDTH, HEIGHT))
SAMPLE = SimpleNamespace(
    metainfo=dict(img_shape=(HEIGHT, WIDTH), input_size=(WIDTH, HEIGHT), flip_indices=FLIP)
)


def scene(people: int, stride: int, seed: int) -> Tensor:
    """Heatmaps and tags (1, 2K, H / stride, W / stride) of people, each with tags of its own."""
    rng = np.random.default_rng(seed)
    middles = np.linspace(30, WIDTH - 30, people)[:, None, None] * [1, 0] + [0, HEIGHT / 2]
    keypoints = np.float32(middles + rng.uniform(-20, 20, (people, K, 2)))
    codec = HeatmapsAndTags((WIDTH, HEIGHT), (WIDTH // stride, HEIGHT // stride))
    visible = rng.random((people, K)) < 0.8
    visible[:, 0] = True  # else a later keypoint finds more people than there are so far
    target = codec.encode(keypoints, visible)
    heatmaps = target['heatmaps'] * rng.uniform(0.5, 1, (K, 1, 1))
    tags = rng.normal(0, 0.05, heatmaps.shape)
    for number, person in enumerate(target['keypoint_indices']):
        for k, (place, _) in enumerate(person):
            y, x = divmod(int(place), WIDTH // stride)
            tags[k, max(0, y - 3) : y + 4, max(0, x - 3) : x + 4] += 3 * number
    return torch.from_numpy(np.concatenate([heatmaps, tags])[None]).float()


def flipped(maps: Tensor) -> Tensor:
    """As a network that treats left and right alike predicts on the flipped image."""
    order = FLIP + [K + i for i in FLIP]
    return maps[:, order[: maps.shape[1]]].flip(-1)


def test_predicts_as_mmposes_associative_embedding_with_its_rules() -> None:
    decoder = dict(
        type='AssociativeEmbedding',
        input_size=(WIDTH, HEIGHT),
        heatmap_size=(WIDTH, HEIGHT),
        decode_topk=30,
        decode_center_shift=0.5,
        decode_keypoint_order=[0, 1, 2, 3, 4, 5, 6, 11, 12, 7, 8, 9, 10, 13, 14, 15, 16],
        decode_max_instances=30,
    )
    theirs = MMPoseHead(2 * K, K, deconv_out_channels=None, decoder=decoder)
    ours = MODELS.build(
        dict(
            type='hrnet_mm.AssociativeEmbeddingHead',
            in_channels=2 * K,
            num_keypoints=K,
            decoder=dict(CODEC, heatmap_size=(48, 32), grouping=dict(variant='mmpose')),
        )
    )
    ours.load_state_dict(theirs.state_dict())
    test_cfg = dict(flip_test=True, shift_heatmap=False, restore_heatmap_size=True)
    for head in (ours, theirs):  # what it predicts is what it is given
        torch.nn.init.eye_(head.final_layer.weight.data.view(2 * K, 2 * K))
        torch.nn.init.zeros_(head.final_layer.bias)
    with torch.no_grad():
        for seed in range(3):
            maps = scene(3, 4, seed)
            feats = [(maps,), (flipped(maps) + 0.01 * torch.randn_like(maps),)]
            (made,), (expected,) = (
                head.predict(feats, [SAMPLE], test_cfg) for head in (ours, theirs)
            )
            assert len(expected.keypoints) >= 3
            for key in ('keypoints', 'keypoint_scores', 'bbox_scores'):
                assert np.array_equal(made[key], expected[key]), key


class GivenMaps(HigherHRNetHead):
    """Predicts what it is given."""

    def forward(self, feats: Any) -> Any:
        return feats


def head_of(**options: Any) -> GivenMaps:
    return GivenMaps(8, K, decoder=dict(CODEC, heatmap_size=(96, 64)), num_blocks=0, **options)


def both_resolutions(seed: int, scale: float = 1) -> list[Tensor]:
    size = int(HEIGHT * scale), int(WIDTH * scale)
    low, high = scene(2, 4, seed), scene(2, 2, seed)[:, :K]
    return [F.interpolate(x, (size[0] // s, size[1] // s)) for x, s in ((low, 4), (high, 2))]


@pytest.mark.parametrize('scales', [(1,), (1, 0.5, 2)])
@pytest.mark.parametrize('flip', [False, True])
def test_resolutions_flips_and_scales_are_averaged_as_in_the_official_code(
    scales: tuple[float, ...], flip: bool
) -> None:
    views, heat, tags = [], [], []
    for scale in scales:
        maps = both_resolutions(5, scale)
        pair = [maps, [flipped(x) + 0.1 * torch.rand_like(x) for x in maps]]
        views.append(pair if flip else maps)
        for number, (low, high) in enumerate(pair if flip else [maps]):
            low = F.interpolate(low, high.shape[2:], mode='bilinear')
            both = torch.cat([(low[:, :K] + high) / 2, low[:, K:]], dim=1)
            both = flipped(both) if number else both
            both = F.interpolate(both, (HEIGHT, WIDTH), mode='bilinear')
            heat.append(both[:, :K])
            tags += [both[:, K:]] if scale == 1 else []
    test_cfg = dict(
        flip_test=flip,
        multiscale_test=len(scales) > 1,
        restore_heatmap_size=True,
        output_heatmaps=True,
    )
    found, fields = head_of().predict(views if len(scales) > 1 else views[0], [SAMPLE], test_cfg)
    torch.testing.assert_close(fields[0].heatmaps, torch.stack(heat).mean(0)[0])
    assert torch.equal(fields[0].tags, torch.cat(tags, dim=1)[0])
    assert found[0].keypoints.shape == (2, K, 2)


def test_points_are_in_pixels_of_the_image_at_any_size_of_the_maps() -> None:
    small, large = (
        head_of().predict(both_resolutions(1), [SAMPLE], dict(restore_heatmap_size=restore))[0]
        for restore in (False, True)
    )
    seen = (small.keypoint_scores > 0.3) & (large.keypoint_scores > 0.3)
    assert seen.sum() > K
    assert np.abs(small.keypoints - large.keypoints)[seen].max() < 4


def test_an_image_without_people_gives_none() -> None:
    (found,) = head_of().predict(
        [torch.zeros(1, 2 * K, 32, 48), torch.zeros(1, K, 64, 96)], [SAMPLE]
    )
    assert found.keypoints.shape == (0, K, 2) and found.bbox_scores.shape == (0,)


def sample_of(heatmaps: list[Tensor], masks: list[Tensor], indices: Tensor) -> Any:
    several = len(heatmaps) > 1
    fields = MultilevelPixelData() if several else PixelData()
    fields.set_data(dict(heatmaps=heatmaps if several else heatmaps[0]))
    fields.set_data(dict(heatmap_mask=masks if several else masks[0]))
    indices = torch.stack([indices] * len(heatmaps)) if several else indices
    return SimpleNamespace(
        gt_fields=fields, gt_instance_labels=InstanceData(keypoint_indices=indices)
    )


@pytest.mark.parametrize('levels', [1, 2])
def test_losses_of_a_batch(levels: int) -> None:
    torch.manual_seed(0)
    sizes = [(8, 12), (16, 24)][:levels]
    channels = [2 * K, K][:levels]
    predicted = [torch.randn(2, c, *size) for c, size in zip(channels, sizes, strict=True)]
    heatmaps = [torch.rand(2, K, *size) for size in sizes]
    masks = [torch.rand(2, *size) > 0.4 for size in sizes]
    indices = [
        torch.stack([torch.randint(96, (p, K)), torch.ones(p, K)], -1).long() for p in (2, 3)
    ]
    samples = [
        sample_of([x[i] for x in heatmaps], [x[i] for x in masks], indices[i]) for i in range(2)
    ]
    head = head_of(heatmap_weight=2.0, pull_weight=3.0, push_weight=5.0)
    losses = head.loss(predicted, samples)
    expected = {
        f'loss_heatmaps_{i}': 2 * heatmap_loss(p[:, :K], h, m[:, None])
        for i, (p, h, m) in enumerate(zip(predicted, heatmaps, masks, strict=True))
    }
    pull, push = tag_losses(predicted[0][:, K:], indices)
    assert losses == expected | dict(loss_pull=3 * pull, loss_push=5 * push)


def test_targets_of_other_sizes_and_a_missing_codec_are_named() -> None:
    sample = sample_of([torch.rand(K, 8, 12)], [torch.ones(8, 12)], torch.ones(1, K, 2).long())
    with pytest.raises(
        UserError, match=r'maps of \(12, 8\), \(24, 16\) .* targets are of \(12, 8\)'
    ):
        head_of().loss([torch.rand(1, 2 * K, 8, 12), torch.rand(1, K, 16, 24)], [sample])
    with pytest.raises(UserError, match='no decoder'):
        GivenMaps(8, K).predict(both_resolutions(1), [SAMPLE])


def test_losses_of_a_batch_are_the_mean_of_those_of_its_halves() -> None:
    # So two processes with half of the images each train as one.
    torch.manual_seed(0)
    predicted = [torch.randn(4, 2 * K, 8, 12)]
    indices = [
        torch.stack([torch.randint(96, (p, K)), torch.randint(2, (p, K))], -1) for p in (2, 0, 5, 1)
    ]
    samples = [sample_of([torch.rand(K, 8, 12)], [torch.ones(8, 12)], i) for i in indices]
    head = head_of()
    whole = head.loss(predicted, samples)
    halves = [head.loss([predicted[0][s]], samples[s]) for s in (slice(2), slice(2, 4))]
    for key, loss in whole.items():
        torch.testing.assert_close(loss, (halves[0][key] + halves[1][key]) / 2)


def test_without_masks_all_pixels_count() -> None:
    sample = sample_of([torch.rand(K, 8, 12)], [torch.ones(8, 12)], torch.ones(1, K, 2).long())
    maps = [torch.rand(1, 2 * K, 8, 12)]
    expected = head_of().loss(maps, [sample])
    del sample.gt_fields.heatmap_mask
    assert head_of().loss(maps, [sample]) == expected
