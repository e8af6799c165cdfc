"""What a command says of wrong arguments at once, before torch and a host take their seconds."""

from __future__ import annotations

from argparse import Namespace

from hrnet_mm.base.given import LOADERS, check_checkpoint, check_config, check_not_set_twice


def check_at_once(args: Namespace) -> None:
    """Make sure that the config and the checkpoint are there, and that nothing is set twice.

    Raises:
        UserError: a file is not there.
        UsageError: an option of the config sets what another argument sets.
    """
    check_not_set_twice(args.cfg_options or {}, keys_set_by(args))
    check_config(args.config)
    if 'checkpoint' in args:
        check_checkpoint(args.checkpoint)


def keys_set_by(args: Namespace) -> dict[str, str]:
    """The keys of a config that the arguments set, ``{'work_dir': '--work-dir', ...}``."""
    keys_set = dict(launcher='--launcher') if 'launcher' in args else {}
    phase = 'test' if 'checkpoint' in args else 'train'
    if 'checkpoint' in args:
        keys_set |= dict(load_from='CHECKPOINT', resume='CHECKPOINT')
    flags = {
        '--work-dir': ('work_dir',),
        '--seed': ('randomness.seed',),
        '--deterministic': ('randomness.deterministic',),
        '--resume': ('resume', 'load_from'),
        '--auto-scale-lr': ('auto_scale_lr.enable',),
        '--epochs': ('train_cfg.max_epochs', 'train_cfg.max_iters'),
        '--batch-size': (f'{phase}_dataloader.batch_size',),
        '--workers': tuple(f'{key}.num_workers' for key in LOADERS),
    }
    for flag, keys in flags.items():
        value = getattr(args, flag[2:].replace('-', '_'), None)
        if value is not None and value is not False:
            keys_set |= dict.fromkeys(keys, flag)
    if getattr(args, 'resume', None) == 'auto':
        del keys_set['load_from']
    return keys_set
