"""What the arguments of the tools change in a config, and the device that they name."""

from __future__ import annotations

import os
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config, ConfigDict

from hrnet_mm.base.checks import as_list
from hrnet_mm.base.config import LATEST, name_of, read_config
from hrnet_mm.base.errors import UserError

TAKEN = ('HRNet', 'HRFPN', 'HRFuseScales')  # of the hosts, see hrnet_mm.takeover
FAST_HOOKS = ('ChannelsLastHook', 'FastTrainingHook')


def config_from(args: Namespace) -> Config:
    """Read the config and apply the common options."""
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    cfg = read_config(args.config, args.cfg_options, args.data_root, said_by(args))
    if args.takeover:
        take_over(cfg)
    cfg.launcher = args.launcher
    if args.work_dir is not None:
        cfg.work_dir = args.work_dir
    elif cfg.get('work_dir') is None:
        cfg.work_dir = str(Path('work_dirs') / Path(args.config).stem)
    if args.show_dir:
        draw_predictions(cfg, args.show_dir)
    return cfg


def said_by(args: Namespace) -> dict[str, str]:
    """The keys of a config that arguments of train.py or test.py set, with the argument."""
    said = dict(launcher='--launcher')
    if 'checkpoint' in args:
        said |= dict(load_from='CHECKPOINT', resume='CHECKPOINT')
    flags = {
        '--work-dir': ('work_dir',),
        '--seed': ('randomness.seed',),
        '--deterministic': ('randomness.deterministic',),
        '--resume': ('resume', 'load_from'),
        '--auto-scale-lr': ('auto_scale_lr.enable',),
    }
    for flag, keys in flags.items():
        if getattr(args, flag[2:].replace('-', '_'), None) not in (None, False):
            said |= dict.fromkeys(keys, flag)
    if getattr(args, 'resume', None) == 'auto':
        del said['load_from']
    return said


def find_device(name: str | None) -> torch.device:
    """The device of ``--device``; without a name, the first GPU if there is one.

    Raises:
        UserError: this machine has no such device.
    """
    if name is None:
        return torch.device('cuda:0' if torch.cuda.is_available() else 'cpu')
    try:
        device = torch.device(name)
        torch.zeros(1, device=device).item()
    except (RuntimeError, AssertionError) as error:
        known = ['cpu', *(f'cuda:{index}' for index in range(torch.cuda.device_count()))]
        raise UserError(
            f'--device {name}: this machine has no such device, or torch is built without it; '
            f'there is {", ".join(known)}'
        ) from error
    return device


def take_over(cfg: Config) -> None:
    """Put our HRNet in the hosts' place, now and whenever the saved config is run again.

    Raises:
        UserError: the model has nothing of a host that ours could replace.
    """
    # Not at the top of the file: a config that imports hrnet_mm.takeover itself must be the first.
    from hrnet_mm.takeover.switch import take

    take()
    if not any(is_taken(kind) for kind in types_in(cfg.get('model'))):
        raise UserError(
            f'--takeover: the model of the config has no {", ".join(TAKEN)} of a host; with '
            "hrnet_mm's own HRNet it is not needed"
        )
    imports = cfg.setdefault('custom_imports', ConfigDict(imports=[]))
    imports.imports = [*as_list(imports.imports), 'hrnet_mm.takeover']


def types_in(here: Any) -> Iterator[Any]:
    """The ``type`` of every dict in a part of a config."""
    if isinstance(here, dict):
        if 'type' in here:
            yield here['type']
        here = list(here.values())
    if isinstance(here, list | tuple):
        for item in here:
            yield from types_in(item)


def is_taken(kind: Any) -> bool:
    """Whether takeover changes what a ``type`` of a config, a name or a class, means."""
    if not isinstance(kind, str):
        return kind.__module__.startswith('hrnet_mm.takeover')  # as imported after the takeover
    return kind.rpartition('.')[2] in TAKEN and not kind.startswith('hrnet_mm.')


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
    cfg.load_from = args.checkpoint
    if args.out is not None:
        dump = dict(type='DumpResults', out_file_path=args.out)
        cfg.test_evaluator = [*as_list(cfg.test_evaluator), dump]
