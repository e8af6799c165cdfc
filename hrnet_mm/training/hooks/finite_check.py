"""A run stops at NaN or infinity before these reach a checkpoint."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner

from hrnet_mm.base.errors import UserError
from hrnet_mm.registry import HOOKS


@HOOKS.register_module()
class FiniteCheckHook(Hook):
    """Stops at the first loss that is NaN or infinite, and lets no such weights be saved.

    The message has the iteration and the files of the batch. MMEngine's RuntimeInfoHook has read
    the loss in the same iteration already, so a GPU does not wait a second time.

    Raises:
        UserError: naming the iteration, the loss and the files; or the weights.

    Example:
        >>> custom_hooks = [dict(type='hrnet_mm.FiniteCheckHook')]
    """

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: Any = None,
        outputs: dict[str, Any] | None = None,
    ) -> None:
        loss = torch.as_tensor((outputs or {}).get('loss', 0)).item()
        if not math.isfinite(loss):
            files = '\n'.join(dict.fromkeys(files_of(data_batch))) or 'unknown'
            raise UserError(
                f'the loss of iteration {runner.iter + 1} is {loss}: nothing of it is saved. '
                'Look at the annotations of this batch, or lower the learning rate; '
                f'its files:\n{files}'
            )

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        # EMAHook saves the averaged weights and, beside them, those that the training goes on with.
        entries = (checkpoint.get(name) or {} for name in ('state_dict', 'ema_state_dict'))
        bad = [
            name
            for weights in entries
            for name, value in weights.items()
            if isinstance(value, torch.Tensor)
            and value.is_floating_point()
            and not value.isfinite().all()
        ]
        if bad:
            raise UserError(
                f'after iteration {checkpoint["meta"]["iter"]} {len(bad)} tensors of the model '
                f'hold NaN or infinity ({bad[0]}): they are not saved. Lower the learning rate, '
                'or clip gradients with optim_wrapper.clip_grad'
            )


def files_of(batch: Any) -> Iterator[str]:
    """The image files of a batch as any host lays it out."""
    if isinstance(batch, dict):
        batch = list(batch.values())
    if isinstance(batch, list | tuple):
        for part in batch:
            yield from files_of(part)
    elif hasattr(batch, 'metainfo') and batch.metainfo.get('img_path'):
        yield str(batch.metainfo['img_path'])
