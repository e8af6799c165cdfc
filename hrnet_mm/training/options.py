"""What the arguments of train.py and test.py change in a config."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

import torch
from mmengine.config import Config, ConfigDict

from hrnet_mm.base.config import LATEST, as_list, name_of
from hrnet_mm.base.errors import UserError

FAST_HOOKS = ('ChannelsLastHook', 'FastTrainingHook')


def apply_train_options(cfg: Config, args: Namespace) -> None:
    if args.no_validate:
        cfg.val_cfg = cfg.val_dataloader = cfg.val_evaluator = None
    if args.resume == 'auto':
        cfg.resume = LATEST
    elif args.resume is not None:
        cfg.resume, cfg.load_from = True, args.resume
    if args.fast:
        train_fast(cfg, args.fast)
    if args.amp:
        use_mixed_precision(cfg)
    if args.auto_scale_lr:
        if 'base_batch_size' not in (cfg.get('auto_scale_lr') or {}):
            raise UserError('--auto-scale-lr: the config has no auto_scale_lr.base_batch_size')
        cfg.auto_scale_lr.enable = True
    set_randomness(cfg, args.seed, args.deterministic)
    if args.tensorboard:
        log_to_tensorboard(cfg)


def set_randomness(cfg: Config, seed: int | None, deterministic: bool) -> None:
    """Change what is named of the config's ``randomness``, and leave the rest of it."""
    given: dict[str, object] = {} if seed is None else dict(seed=seed)
    if deterministic:
        given['deterministic'] = True
    if given:
        cfg.randomness = dict(cfg.get('randomness') or {}, **given)


def train_fast(cfg: Config, precision: str) -> None:
    """Put our hook for it in the place of those that do a part of it."""
    others = [hook for hook in cfg.get('custom_hooks') or [] if name_of(hook) not in FAST_HOOKS]
    cfg.custom_hooks = [*others, dict(type='hrnet_mm.FastTrainingHook', precision=precision)]


def use_mixed_precision(cfg: Config) -> None:
    wrapper = cfg.optim_wrapper.get('type', 'OptimWrapper')
    if wrapper not in ('OptimWrapper', 'AmpOptimWrapper'):
        raise UserError(f'--amp does not go with optim_wrapper.type={wrapper}')
    if not torch.cuda.is_available():
        raise UserError('--amp needs a GPU: MMEngine has mixed precision for GPUs only')
    cfg.optim_wrapper.type = 'AmpOptimWrapper'
    cfg.optim_wrapper.setdefault('loss_scale', 'dynamic')


def log_to_tensorboard(cfg: Config) -> None:
    visualizer = cfg.setdefault('visualizer', ConfigDict(type='Visualizer'))
    backends = as_list(visualizer.get('vis_backends')) or [dict(type='LocalVisBackend')]
    if not any(backend['type'] == 'TensorboardVisBackend' for backend in backends):
        visualizer.vis_backends = [*backends, dict(type='TensorboardVisBackend')]


def draw_predictions(cfg: Config, folder: str) -> None:
    """Switch on the host's own visualisation hook, which each host spells differently."""
    hook = cfg.get('default_hooks', {}).get('visualization')
    if hook is None:
        raise UserError('--show-dir: the config has no default_hooks.visualization')
    folder = str(Path(folder).absolute())
    if hook.type == 'DetVisualizationHook':
        hook.update(draw=True, test_out_dir=folder)
    elif hook.type == 'SegVisualizationHook':
        hook.update(draw=True, interval=1)
        cfg.visualizer.save_dir = folder
    else:  # mmpose and mmpretrain
        hook.update(enable=True, out_dir=folder)


def apply_test_options(cfg: Config, args: Namespace) -> None:
    if args.out is not None:
        dump = dict(type='DumpResults', out_file_path=args.out)
        cfg.test_evaluator = [*as_list(cfg.test_evaluator), dump]
