"""Training hooks, registered in MMEngine as ``hrnet_mm.<name>``."""

from __future__ import annotations

from functools import partial

import numpy as np
import torch
from mmengine.dist import get_rank
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmengine.runner.utils import set_random_seed

from hrnet_mm.registry import HOOKS


@HOOKS.register_module()
class EpochSeedHook(Hook):
    """Draws each epoch's randomness from the run's seed and the epoch's number.

    MMEngine's checkpoints hold no state of the random number generators, so that a resumed run
    would see other augmentations than one that was never interrupted. With this hook both give
    the same weights. It also gives data-loading workers a new seed each epoch, where MMEngine
    repeats one. Workers must be started anew each epoch (``persistent_workers=False``).

    Example:
        >>> custom_hooks = [dict(type='hrnet_mm.EpochSeedHook')]
    """

    priority = 'VERY_HIGH'

    def before_train_epoch(self, runner: Runner) -> None:
        set_random_seed(epoch_seed(runner.seed, runner.epoch, get_rank()))
        loader = runner.train_loop.dataloader
        start_worker = getattr(loader, 'worker_init_fn', None)
        if isinstance(start_worker, partial) and 'seed' in start_worker.keywords:
            # MMEngine adds the rank and the worker's number to the seed.
            keywords = start_worker.keywords | dict(seed=epoch_seed(runner.seed, runner.epoch))
            loader.worker_init_fn = partial(start_worker.func, *start_worker.args, **keywords)


@HOOKS.register_module()
class ChannelsLastHook(Hook):
    """Trains with the channels of every map beside each other in memory: same numbers, faster.

    The weights decide: a convolution with channels-last weights gives a channels-last map, which
    norms, sums and upsampling keep.

    Example:
        >>> custom_hooks = [dict(type='hrnet_mm.ChannelsLastHook')]
    """

    def before_train(self, runner: Runner) -> None:
        runner.model.to(memory_format=torch.channels_last)


def epoch_seed(*numbers: int) -> int:
    """One seed from several numbers, below 2**31 so that workers may add to it."""
    return int(np.random.SeedSequence(numbers).generate_state(1)[0]) >> 1
