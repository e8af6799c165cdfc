"""Whatever network is asked for, it is built right or refused by the name of what is wrong."""

import copy
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hrnet_mm.models.archs import EXPANSION
from hrnet_mm.models.hrnet import HRNet
from tests.helpers import small_extra

quick = settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)
counts = st.integers(1, 2)
widths = st.integers(1, 5)


@st.composite
def extras(draw: st.DrawFn) -> dict[str, Any]:
    """Any network that the hosts' ``extra`` can describe, at small sizes."""
    extra, branches = {}, 1
    for number in range(1, 5):
        branches = 1 if number == 1 else draw(st.integers(branches, 4))
        extra[f'stage{number}'] = dict(
            num_modules=1 if number == 1 else draw(counts),
            num_branches=branches,
            block=draw(st.sampled_from(list(EXPANSION))),
            num_blocks=[draw(counts) for _ in range(branches)],
            num_channels=[draw(widths) for _ in range(branches)],
        )
    return extra


def halved(size: int, times: int) -> int:
    for _ in range(times):
        size = (size + 1) // 2
    return size


@quick
@given(extra=extras(), height=st.integers(32, 75), width=st.integers(32, 75), grey=st.booleans())
def test_every_network_gives_a_quarter_of_any_size_and_halves_of_that(
    extra: dict[str, Any], height: int, width: int, grey: bool
) -> None:
    channels = 1 if grey else 3
    net = HRNet(extra=extra, in_channels=channels).eval()
    with torch.no_grad():
        maps = net(torch.randn(1, channels, height, width))
    last = extra['stage4']
    assert [tuple(level.shape) for level in maps] == [
        (1, number * EXPANSION[last['block']], halved(height, i + 2), halved(width, i + 2))
        for i, number in enumerate(last['num_channels'])
    ]
    assert all(level.isfinite().all() for level in maps)


WRONG = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 0),
    st.floats(),
    st.text(max_size=3),
    st.lists(st.integers(-2, 2), max_size=5).filter(lambda v: not v or min(v) < 1 or len(v) > 4),
)


@quick
@given(
    stage=st.sampled_from(['stage1', 'stage2', 'stage3', 'stage4']),
    key=st.sampled_from(['num_modules', 'num_branches', 'block', 'num_blocks', 'num_channels']),
    value=WRONG,
)
def test_wrong_value_in_extra_is_refused_by_its_stage_and_key(
    stage: str, key: str, value: Any
) -> None:
    extra = copy.deepcopy(small_extra())
    extra[stage][key] = value
    with pytest.raises((ValueError, TypeError)) as refused:
        HRNet(extra=extra)
    assert stage in str(refused.value) and key in str(refused.value)
    assert repr(value) in str(refused.value)


@quick
@given(arch=st.one_of(st.floats(), st.text(), st.integers(max_value=0), st.booleans()))
def test_unknown_arch_is_refused_by_its_value(arch: Any) -> None:
    with pytest.raises((ValueError, TypeError)) as refused:
        HRNet(arch=arch)
    assert repr(arch) in str(refused.value)


NET = HRNet(extra=small_extra(4))
KEYS = sorted(NET.state_dict())


@quick
@given(
    dropped=st.sets(st.sampled_from(KEYS), max_size=3),
    renamed=st.sets(st.sampled_from(KEYS), max_size=3),
    resized=st.sets(st.sampled_from(KEYS), max_size=3),
)
def test_changed_weights_are_refused_by_their_names(
    dropped: set[str], renamed: set[str], resized: set[str]
) -> None:
    state = NET.state_dict()
    for key in resized:
        state[key] = torch.zeros(7, 5)
    for key in renamed:
        state[f'other.{key}'] = state.pop(key)
    for key in dropped - renamed:
        del state[key]
    gone = dropped | renamed
    if not gone | resized:
        assert NET.load_state_dict(state).missing_keys == []
        return
    with pytest.raises(RuntimeError) as refused:
        NET.load_state_dict(state)
    for key in gone | resized | {f'other.{key}' for key in renamed}:
        assert key in str(refused.value)
