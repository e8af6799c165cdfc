"""What a command makes of its arguments: the config, the device, and what fills the model."""

from __future__ import annotations

import os
from argparse import Namespace
from functools import partial
from pathlib import Path

import torch
from mmengine.config import Config

from hrnet_mm.base.config import read_config
from hrnet_mm.base.errors import UsageError, UserError
from hrnet_mm.deploy.exported import open_export
from hrnet_mm.deploy.optimize import optimize_on_first_image
from hrnet_mm.deploy.table import SUFFIXES
from hrnet_mm.training.options import draw_predictions
from hrnet_mm.weights.checkpoint import Checkpoint, FillsModel


def weights_from(source: str | Path, fast: str | None = None) -> FillsModel:
    """What fills a model: a checkpoint, an engine made of one, or an exported file.

    Args:
        source: a checkpoint, or a file that tools/export.py wrote, ``'w32.onnx'``.
        fast: the precision of an engine that is to be made of a checkpoint, ``'bf16'``.

    Raises:
        UserError: the exported file cannot be used, see ``exported.open_export``.
        UsageError: an engine is to be made of an exported file.
    """
    path = Path(source)
    if path.suffix in SUFFIXES:
        if fast:
            raise UsageError(f'--fast makes an engine of a checkpoint; {path} is one already')
        return open_export(path)
    engine = partial(optimize_on_first_image, precision=fast) if fast else None
    return Checkpoint(str(source), engine)


def config_from(args: Namespace) -> Config:
    """Read the config of train.py, test.py or check.py, and apply the options they share."""
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


def take_over(cfg: Config) -> None:
    """Put our HRNet in the place of the hosts', see ``takeover.in_config.take_over``."""
    # Not at the top of the file: a config that imports hrnet_mm.takeover itself must be the first.
    from hrnet_mm.takeover.in_config import take_over

    take_over(cfg)


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
