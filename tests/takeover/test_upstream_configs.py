"""Every HRNet config that upstream ships runs on our HRNet as it is."""

import json
from collections import Counter
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tests.helpers import randomize
from tests.takeover.upstream import build, hrnet_configs, is_ours, model_config

CONFIGS = tuple(hrnet_configs())
LOADED: set[str] = set()  # models that did
BY_HOST = dict(mmpose=87, mmdet=29, mmseg=66, mmpretrain=7)


def test_no_upstream_config_is_left_out() -> None:
    found = Counter(host for host, _ in CONFIGS)
    assert all(found[host] >= number for host, number in BY_HOST.items()), found
    assert len(CONFIGS) >= 189


@pytest.mark.parametrize(('host', 'name'), CONFIGS)
def test_whole_model_strictly_loads_the_hosts_weights(host: str, name: str) -> None:
    cfg = model_config(host, name)
    model = json.dumps([host, cfg], sort_keys=True, default=str)
    if model in LOADED:  # many configs differ in data or schedule only
        return
    with torch.device('meta'):
        theirs, ours = build(host, cfg), build(host, cfg, take=True)
    assert is_ours(type(ours.backbone)) and not is_ours(type(theirs.backbone))
    assert ours.backbone.init_cfg == theirs.backbone.init_cfg
    expected, actual = theirs.state_dict(), ours.state_dict()
    assert list(actual) == list(expected)
    assert [w.shape for w in actual.values()] == [w.shape for w in expected.values()]
    ours.load_state_dict(expected, strict=True)
    LOADED.add(model)


def distinct_features() -> dict[str, tuple[str, str]]:
    """The configs' backbones and necks, each kind once, with the first config that has it."""
    kinds: dict[str, tuple[str, str]] = {}
    for host, name in CONFIGS:
        cfg = model_config(host, name)
        backbone = {key: value for key, value in cfg.backbone.items() if key != 'init_cfg'}
        kinds.setdefault(json.dumps([host, backbone, cfg.get('neck')]), (host, name))
    return kinds


def test_features_of_every_config_have_the_hosts_bits() -> None:
    kinds = distinct_features()
    assert len(kinds) >= 21
    differing = [name for host, name in kinds.values() if not gives_equal_bits(host, name)]
    assert not differing


def gives_equal_bits(host: str, name: str) -> bool:
    cfg = model_config(host, name)
    theirs, ours = (features(host, cfg, take) for take in (False, True))
    ours.load_state_dict(randomize(theirs).state_dict(), strict=True)
    image = torch.randn(1, 3, 64, 96)
    expected, actual = (flat(net.eval(), image) for net in (theirs, ours))
    assert all(e.abs().max() > 0 for e in expected)
    return len(actual) == len(expected) and all(map(torch.equal, actual, expected))


def features(host: str, cfg: dict[str, Any], take: bool) -> nn.ModuleList:
    """Backbone and necks of a model."""
    necks = cfg.get('neck') or []
    parts = [cfg.backbone, *(necks if isinstance(necks, list) else [necks])]
    return nn.ModuleList(build(host, part, take) for part in parts)


def flat(parts: nn.ModuleList, image: Tensor) -> list[Tensor]:
    """What each part returns, one after the other; a part's output is the next one's input."""
    maps: list[Tensor] = []
    x: Any = image
    with torch.no_grad():
        for part in parts:
            x = part(x)
            maps += x
    return maps
