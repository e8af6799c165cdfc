"""Every config: as its paper says, buildable, and trained and tested through its host."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.registry import TRANSFORMS, DefaultScope
from mmengine.runner import Runner
from torch import nn

from demo.people.synthetic_people import make_synthetic_people
from tests.configs.recipes import expected_recipe, recipe_of
from tests.configs.tiny import load_config, num_keypoints, tiny_config
from tests.helpers import CONFIGS
from tests.models_of_hosts import build

HOSTS = ('mmpose', 'mmdet', 'mmseg', 'mmpretrain')
EVERY_CONFIG = sorted(
    path.relative_to(CONFIGS).as_posix()
    for path in CONFIGS.rglob('*.py')
    if path.parent.name != '_base_'
)
TRAINED: set[str] = set()  # models with their data and optimizer
PUBLISHED = [config for config in EVERY_CONFIG if not config.startswith('demo/')]


def name_of(config: str) -> str:
    return Path(config).stem


def is_heavy(config: str) -> bool:
    width = re.search(r'_w(\d+)', config)
    return width is not None and int(width[1]) >= 40


def marked(config: str) -> Any:
    marks = [pytest.mark.slow] if is_heavy(config) else []
    return pytest.param(config, marks=marks, id=name_of(config))


@pytest.fixture(scope='session')
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp('configs') / 'people'
    return make_synthetic_people(folder, 4, 1, image_size=(128, 96), progress=None)


def test_names_are_unique() -> None:
    assert len(set(map(name_of, EVERY_CONFIG))) == len(EVERY_CONFIG)


@pytest.mark.parametrize('config', PUBLISHED, ids=name_of)
def test_trains_by_the_recipe_of_the_paper(config: str) -> None:
    assert recipe_of(load_config(config)) == expected_recipe(config)


def outermost_typed_dicts(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict) and 'type' in node:
        yield node
    elif isinstance(node, dict | list | tuple):
        for child in node.values() if isinstance(node, dict) else node:
            yield from outermost_typed_dicts(child)


@pytest.mark.parametrize('config', PUBLISHED, ids=name_of)
def test_everything_is_built_in_the_scope_of_its_host(config: str) -> None:
    # An outermost dict that lacks a scope would be given ours where the config is inherited, and
    # our registries do not know the host's classes.
    typed = list(outermost_typed_dicts(load_config(config).to_dict()))
    assert typed
    assert {part.get('_scope_') for part in typed} <= set(HOSTS)


def test_a_flipped_lip_image_has_left_and_right_exchanged() -> None:
    flip = load_config('seg/fcn_hrnetv2_w48_lip_473x473.py').train_pipeline[4]
    labels = np.array([[0, 13, 14, 15, 16, 17, 18, 19]])
    sample = dict(img=labels, gt_seg_map=labels, seg_fields=['gt_seg_map'])
    flipped = TRANSFORMS.build(flip | dict(prob=1.0))(sample)
    assert flipped['gt_seg_map'].tolist() == [[18, 19, 16, 17, 14, 15, 13, 0]]


@pytest.mark.parametrize('config', [*map(marked, EVERY_CONFIG)])
def test_predicts_and_trains_a_step(config: str, people: Path) -> None:
    cfg = tiny_config(config, people)
    datasets = [cfg[f'{split}_dataloader'].dataset for split in ('train', 'val')]
    rest = {key: value for key, value in cfg.model.backbone.items() if key != 'init_cfg'}
    same = json.dumps([cfg.model | dict(backbone=rest), *datasets, cfg.optim_wrapper], default=str)
    if same in TRAINED:  # that of a shorter schedule
        return
    with DefaultScope.overwrite_default_scope(cfg.default_scope):
        model = build(cfg)
        predict(cfg, model)
        train(cfg, model)
    TRAINED.add(same)


def predict(cfg: Config, model: nn.Module) -> None:
    model.eval()
    with torch.no_grad():
        (sample,) = model.val_step(next(iter(Runner.build_dataloader(cfg.val_dataloader))))
    if cfg.default_scope == 'mmpose':
        keypoints = sample.pred_instances.keypoints
        assert keypoints.shape[1:] == (num_keypoints(cfg.val_dataloader.dataset), 2)
    elif cfg.default_scope == 'mmdet':
        instances = sample.pred_instances
        assert instances.bboxes.isfinite().all()
        assert ('masks' in instances) == ('mask_head' in cfg.model.get('roi_head', {}))
    elif cfg.default_scope == 'mmseg':
        assert sample.pred_sem_seg.shape == sample.ori_shape
    else:
        assert math.isclose(sample.pred_score.sum(), 1, rel_tol=1e-4)


def train(cfg: Config, model: nn.Module) -> None:
    model.train()
    optimizer = build_optim_wrapper(model, cfg.optim_wrapper)
    weights = model.backbone.conv1.weight
    before = weights.clone()
    losses = model.train_step(next(iter(Runner.build_dataloader(cfg.train_dataloader))), optimizer)
    assert losses['loss'].isfinite() and losses['loss'] > 0
    assert weights.isfinite().all() and not torch.equal(weights, before)
