"""The grouping of people: the rules once more, step by step, and mmpose's own codec."""

import numpy as np
import pytest
import torch
from mmpose.codecs import AssociativeEmbedding

from benchmark.plain_grouping import plain_group
from benchmark.scenes import random_scene
from hrnet_mm.base.errors import UserError
from hrnet_mm.bottomup import grouping
from hrnet_mm.bottomup.grouping import COCO_ORDER, VARIANTS, GroupingRules, People, group

SIZES = ((48, 48), (33, 57), (64, 40))  # no multiple of 32, one of 8


def assert_same(found: People, expected: tuple[np.ndarray, ...]) -> None:
    for ours, theirs in zip(found, expected, strict=True):
        assert ours.dtype == np.float32
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize('variant', VARIANTS)
@pytest.mark.parametrize('noise', [0.01, 0.04])  # the second makes up to 30 false candidates
def test_equals_the_rules_written_out(variant: str, noise: float) -> None:
    for seed in range(10):
        shape = dict(people=seed % 7, size=SIZES[seed % 3], num_tags=1 + seed % 2)
        maps = random_scene(seed, **shape, noise=noise)
        assert_same(group(*maps, GroupingRules(variant)), plain_group(*maps, variant))


@pytest.mark.parametrize('num_tags', [1, 2])
def test_equals_mmposes_codec(num_tags: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """In scenes where those assignments that cost the same give the same people."""
    size, compared = (64, 96), 0
    codec = AssociativeEmbedding(
        size[::-1],
        size[::-1],
        decode_topk=30,
        decode_center_shift=0.5,
        decode_keypoint_order=list(COCO_ORDER),
        decode_max_instances=3,
    )
    rules = GroupingRules('mmpose', max_people=3)
    for seed in range(12):
        heat, tags = random_scene(seed, 1 + seed % 4, size, num_tags=num_tags, spread=40)
        nearest = group(heat, tags, rules)
        with monkeypatch.context() as patch:
            patch.setattr(grouping, 'NEARER', -grouping.NEARER)
            farthest = group(heat, tags, rules)
        if np.array_equal(nearest.scores, farthest.scores):
            batch = torch.from_numpy(tags).transpose(0, 1).reshape(1, -1, *size)
            expected = codec.batch_decode(torch.from_numpy(heat)[None], batch)
            assert_same(nearest, [numbers[0] for numbers in expected])
            compared += 1
    assert compared >= 6


@pytest.mark.parametrize('num_keypoints', [1, 14])
def test_any_number_of_keypoints(num_keypoints: int) -> None:
    heat, tags = random_scene(0, 3, (40, 40), num_keypoints, spread=9)
    rules = GroupingRules(order=range(num_keypoints))
    assert_same(group(heat, tags, rules), plain_group(heat, tags, 'official'))
    assert (group(heat, tags, GroupingRules()).scores > 0).any()
    with pytest.raises(UserError, match=r'order is \[0, 0\]; it must have each of'):
        group(heat, tags, GroupingRules(order=(0, 0)))


@pytest.mark.parametrize('variant', VARIANTS)
@pytest.mark.parametrize('size', [(1, 1), (1, 9), (12, 7)])
def test_one_heat_everywhere_is_one_person(variant: str, size: tuple[int, int]) -> None:
    maps = np.full((17, *size), 0.5, np.float32), np.zeros((17, 1, *size), np.float32)
    found = group(*maps, GroupingRules(variant))
    assert_same(found, plain_group(*maps, variant))
    assert len(found.scores) == 1


def test_nobody() -> None:
    for heat in (np.zeros((17, 8, 8)), np.full((17, 8, 8), np.nan), np.zeros((17, 0, 8))):
        found = group(heat, np.zeros((17, 2, *heat.shape[1:])), GroupingRules())
        assert [x.shape for x in found] == [(0, 17, 2), (0, 17), (0,)]


def test_pixels_that_are_not_finite_have_no_heat() -> None:
    heat, tags = random_scene(1, 3, (48, 48))
    clean = heat.copy(), tags.copy()
    heat[3, :9], tags[5, 0, 20:30], heat[0, 40, 40] = np.nan, np.inf, np.inf
    for maps in clean:
        maps[3, ..., :9, :] = maps[5, ..., 20:30, :] = maps[0, ..., 40, 40] = 0
    assert_same(group(heat, tags, GroupingRules()), group(*clean, GroupingRules()))


def test_matches_no_more_people_than_the_most() -> None:
    """The official parser goes on with others; mmpose leaves those beyond the number out."""
    heat, tags = random_scene(2, 5, (64, 64), spread=40)
    number = {v: len(group(heat, tags, GroupingRules(v, max_people=3)).scores) for v in VARIANTS}
    assert number['mmpose'] == 3 < number['official']


def test_adjust_and_refine_can_be_left_out() -> None:
    heat, tags = random_scene(3, 3, (64, 64), spread=9)
    found = group(heat, tags, GroupingRules(adjust=False, refine=False))
    refined = group(heat, tags, GroupingRules(adjust=False))
    assert (found.scores == 0).any() and (refined.scores > 0).sum() > (found.scores > 0).sum()
    np.testing.assert_array_equal(found.keypoints, np.floor(found.keypoints))


@pytest.mark.parametrize(
    'rules',
    [dict(variant='mmdet'), dict(window=4), dict(max_candidates=0), dict(threshold=-1.0)],
    ids=str,
)
def test_wrong_rules_get_a_sentence(rules: dict) -> None:
    with pytest.raises(UserError, match=f'grouping: {next(iter(rules))} is .*; it must be'):
        GroupingRules(**rules)


def test_maps_that_do_not_fit_get_a_sentence() -> None:
    with pytest.raises(UserError, match=r'tags \(17, 8, 8\); they must be'):
        group(np.zeros((17, 8, 8)), np.zeros((17, 8, 8)), GroupingRules())
