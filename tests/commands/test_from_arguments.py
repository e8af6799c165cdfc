"""What the flags of train.py change in a config, and what they leave."""

from __future__ import annotations

from argparse import Namespace
from typing import Any

import pytest
from mmengine.config import Config

from hrnet_mm.commands.from_arguments import apply_train_options

NO_FLAGS = dict(
    no_validate=False,
    resume=None,
    fast=None,
    amp=False,
    auto_scale_lr=False,
    seed=None,
    deterministic=False,
    tensorboard=False,
)


@pytest.mark.parametrize(
    ('in_config', 'flags', 'expected'),
    [
        (None, {}, None),
        (dict(seed=7), {}, dict(seed=7)),
        (dict(seed=7), dict(deterministic=True), dict(seed=7, deterministic=True)),
        (dict(deterministic=True), dict(seed=0), dict(deterministic=True, seed=0)),
        (dict(seed=7, diff_rank_seed=True), dict(seed=3), dict(seed=3, diff_rank_seed=True)),
        (None, dict(deterministic=True), dict(deterministic=True)),
        (
            dict(seed=7, diff_rank_seed=True),
            dict(seed=3, deterministic=True),
            dict(seed=3, diff_rank_seed=True, deterministic=True),
        ),
    ],
)
def test_seed_and_deterministic_change_only_what_they_name(
    in_config: dict[str, Any] | None, flags: dict[str, Any], expected: dict[str, Any] | None
) -> None:
    cfg = Config({} if in_config is None else dict(randomness=in_config))
    apply_train_options(cfg, Namespace(**NO_FLAGS | flags))
    assert cfg.get('randomness') == expected
