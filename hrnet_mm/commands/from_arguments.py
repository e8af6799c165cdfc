"""What a command makes of its arguments: the config, the device, and what fills the model."""

from __future__ import annotations

import os
import re
from argparse import Namespace
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import torch
from mmengine.config import Config, ConfigDict
from torch import Tensor, nn

from hrnet_mm.base.config import as_list, name_of, read_config
from hrnet_mm.base.config_changes import apply_options
from hrnet_mm.base.errors import UserError
from hrnet_mm.base.formats import INT8, SUFFIXES
from hrnet_mm.base.given import check_fast
from hrnet_mm.commands.at_once import keys_set_by
from hrnet_mm.deploy.exported import open_export
from hrnet_mm.deploy.optimize import optimize_on_first_image
from hrnet_mm.predict.host_model import HostModel
from hrnet_mm.predict.network_inputs import Calibration, calibration_files
from hrnet_mm.training.length import set_epochs
from hrnet_mm.training.loaders import sentence_on_rate, set_batch_size, set_workers
from hrnet_mm.training.resume import LATEST
from hrnet_mm.weights.checkpoint import Checkpoint, FillsModel

FAST_HOOKS = ('ChannelsLastHook', 'FastTrainingHook')
SCHEDULE = ('train_cfg', 'param_scheduler', 'default_hooks', 'custom_hooks')


def weights_from(
    source: str | Path, fast: str | None = None, calibration: Sequence[Tensor] | None = None
) -> FillsModel:
    """What fills a model: a checkpoint, an engine made of one, or an exported file.

    Args:
        source: a checkpoint, or a file that tools/export.py wrote, ``'w32.onnx'``.
        fast: the precision of an engine that is to be made of a checkpoint, ``'bf16'``.
        calibration: of ``'int8'``, the images by which it chooses its steps.

    Raises:
        UserError: the exported file cannot be used, see ``exported.open_export``.
        UsageError: an engine is to be made of an exported file.
    """
    check_fast(source, fast)
    if Path(source).suffix in SUFFIXES:
        return open_export(Path(source))
    if (fast == INT8) != (calibration is not None):
        raise UserError(
            'int8 needs images to choose its steps by: hrnet test --fast int8 and hrnet export '
            'take a folder of them'
        )
    engine = None
    if fast:
        engine = partial(optimize_on_first_image, precision=fast, calibration=calibration)
    return Checkpoint(str(source), engine)


def calibration_inputs(
    cfg: Config, checkpoint: str, folder: Path, boxes: Path | None
) -> list[Tensor]:
    """What the network of a config gets for the images of ``--calibration``.

    Args:
        cfg, checkpoint: of the model.
        folder: the images, of which at most 100 are taken.
        boxes: where a top-down pose model looks in them.

    Raises:
        UserError: there are no images, or the file of boxes is wrong.
    """
    photos = calibration_files(folder)
    model = HostModel(cfg, Checkpoint(checkpoint), torch.device('cpu'), (nn.Module,))
    return list(Calibration(model, photos, boxes))


def config_from(args: Namespace) -> Config:
    """Read the config of train.py or test.py, and apply the options they share."""
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    cfg = changed_config(args)
    cfg.launcher = args.launcher
    if args.work_dir is not None:
        cfg.work_dir = args.work_dir
    elif cfg.get('work_dir') is None:
        cfg.work_dir = str(Path('work_dirs') / Path(args.config).stem)
    if args.show_dir:
        draw_predictions(cfg, args.show_dir)
    return cfg


def changed_config(args: Namespace) -> Config:
    """Read a config as --cfg-options, --data-root and --takeover change it."""
    cfg = read_config(args.config, args.cfg_options, args.data_root, keys_set_by(args))
    if args.takeover:
        take_over(cfg)
    return cfg


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


def apply_loader_options(cfg: Config, args: Namespace, phase: str) -> None:
    """Change the loaders of a config as the arguments of train.py or test.py say."""
    if args.batch_size is not None:
        set_batch_size(cfg, phase, args.batch_size)
    if args.workers is not None:
        set_workers(cfg, args.workers)


def apply_length(cfg: Config, args: Namespace) -> list[str]:
    """Scale the schedule of a config to ``--epochs``, and say what has changed.

    What ``--cfg-options`` set of the schedule is of the new length, and stays.
    """
    if args.epochs is None:
        return []
    notes = set_epochs(cfg, args.epochs)
    given = {k: v for k, v in (args.cfg_options or {}).items() if k.split('.')[0] in SCHEDULE}
    apply_options(cfg, given)
    told = re.sub(r'\[(\d+)\]\.', r'.\1.', ' '.join(notes))  # param_scheduler[0].end
    if kept := [key for key in given if key in told]:
        notes.append(f'--cfg-options: what is given stays as it is: {", ".join(kept)}')
    return notes


def apply_train_options(cfg: Config, args: Namespace) -> list[str]:
    """Change a config as the arguments of train.py alone say.

    Returns:
        Sentences for the user.
    """
    apply_loader_options(cfg, args, 'train')
    notes = apply_length(cfg, args)
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
    if args.batch_size is not None:
        rate = sentence_on_rate(cfg, args.resume is not None)
        notes.append(f'--batch-size {args.batch_size}: {rate}')
    set_randomness(cfg, args.seed, args.deterministic)
    if args.tensorboard:
        log_to_tensorboard(cfg)
    return notes


def set_randomness(cfg: Config, seed: int | None, deterministic: bool) -> None:
    """Change what the arguments name of the config's ``randomness``, and leave the rest of it."""
    given: dict[str, object] = {} if seed is None else dict(seed=seed)
    if deterministic:
        given['deterministic'] = True
    if given:
        cfg.randomness = dict(cfg.get('randomness') or {}, **given)


def train_fast(cfg: Config, precision: str) -> None:
    """Put FastTrainingHook in the place of the config's hooks that do a part of its work."""
    others = [hook for hook in cfg.get('custom_hooks') or [] if name_of(hook) not in FAST_HOOKS]
    cfg.custom_hooks = [*others, dict(type='hrnet_mm.FastTrainingHook', precision=precision)]


def use_mixed_precision(cfg: Config) -> None:
    """Train with MMEngine's own mixed precision, as ``--amp`` asks for."""
    wrapper = cfg.optim_wrapper.get('type', 'OptimWrapper')
    if wrapper not in ('OptimWrapper', 'AmpOptimWrapper'):
        raise UserError(f'--amp does not go with optim_wrapper.type={wrapper}')
    if not torch.cuda.is_available():
        raise UserError('--amp needs a GPU: MMEngine has mixed precision for GPUs only')
    cfg.optim_wrapper.type = 'AmpOptimWrapper'
    cfg.optim_wrapper.setdefault('loss_scale', 'dynamic')


def log_to_tensorboard(cfg: Config) -> None:
    """Add TensorBoard to what the config's visualizer writes."""
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
