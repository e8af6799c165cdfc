"""Several processes of one training, with GPUs or without."""

from __future__ import annotations

import os
from typing import Any

import torch
from mmengine.config import Config
from mmengine.logging import print_log
from mmengine.model import MMDistributedDataParallel, revert_sync_batchnorm
from mmengine.registry import MODEL_WRAPPERS
from torch import nn

from hrnet_mm.base.config import RANKS
from hrnet_mm.base.errors import UserError


@MODEL_WRAPPERS.register_module()
class DistributedWithoutGPUs(MMDistributedDataParallel):
    """MMEngine's wrapper of a model, in which SyncBN, which is for GPUs, becomes BN."""

    def __init__(self, module: nn.Module, **options: Any) -> None:
        if any(isinstance(part, nn.SyncBatchNorm) for part in module.modules()):
            print_log('SyncBN is for GPUs only: it is made BN', logger='current')
        super().__init__(revert_sync_batchnorm(module), **options)


def prepare_processes(cfg: Config) -> bool:
    """Let several processes train without a GPU, which MMEngine's launcher does not foresee.

    Returns:
        Whether this is the first process of the run.
    """
    launcher = cfg.get('launcher', 'none')
    is_first = launcher not in RANKS or int(os.environ.get(RANKS[launcher], '0')) == 0
    if launcher == 'none' or torch.cuda.is_available():
        return is_first
    if launcher != 'pytorch':
        raise UserError(f'--launcher {launcher} needs GPUs; without them use pytorch')
    if 'RANK' not in os.environ:
        raise UserError('--launcher pytorch is for torchrun: use tools/dist_train.sh')
    torch.distributed.init_process_group('gloo')
    cfg.model_wrapper_cfg = dict(
        type=DistributedWithoutGPUs.__name__,
        device_ids=None,
        broadcast_buffers=False,
        find_unused_parameters=cfg.get('find_unused_parameters', False),
    )
    return is_first


def leave_process_group() -> None:
    """Part from the other processes; one that does not may abort while it exits."""
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()
