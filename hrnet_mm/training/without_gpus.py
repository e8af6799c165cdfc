"""Several processes that train without GPUs."""

from __future__ import annotations

from typing import Any

from mmengine.logging import print_log
from mmengine.model import MMDistributedDataParallel, revert_sync_batchnorm
from mmengine.registry import MODEL_WRAPPERS
from torch import nn


@MODEL_WRAPPERS.register_module()
class DistributedWithoutGPUs(MMDistributedDataParallel):
    """MMEngine's wrapper, of a model whose SyncBN is made BN: PyTorch has it for GPUs only."""

    def __init__(self, module: nn.Module, **options: Any) -> None:
        if any(isinstance(part, nn.SyncBatchNorm) for part in module.modules()):
            print_log('SyncBN is for GPUs only: it is made BN', logger='current')
        super().__init__(revert_sync_batchnorm(module), **options)
