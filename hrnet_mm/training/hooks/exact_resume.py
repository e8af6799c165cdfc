"""Resumed runs that equal uninterrupted ones, bit for bit and from any iteration."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

import numpy as np
import torch
from mmengine.dataset import InfiniteSampler
from mmengine.dist import get_rank
from mmengine.hooks import Hook
from mmengine.runner import EpochBasedTrainLoop, IterBasedTrainLoop, Runner
from torch.utils.data import BatchSampler, DataLoader, Dataset, IterableDataset

from hrnet_mm.registry import HOOKS

DATA, STEP = 0, 1  # each batch has two streams of randomness: to load it, and to train on it


@HOOKS.register_module()
class ExactResumeHook(Hook):
    """Draws all randomness of a batch from the run's seed, the epoch and the batch's number in it.

    MMEngine's checkpoints hold no state of the random number generators. With this hook none is
    needed: augmentation and dropout of batch n are the same whether the run came to it at once, was
    resumed just before it, or loads data with another number of workers. A run resumed amid an
    epoch goes on with the epoch's next batch (the log counts that epoch's batches from there), and
    an iteration-based loop goes on at once, where MMEngine loads all earlier batches again.

    Holds for map-style datasets and MMEngine's two training loops.

    Example:
        >>> custom_hooks = [dict(type='hrnet_mm.ExactResumeHook')]
    """

    priority = 'VERY_HIGH'

    def __init__(self) -> None:
        self.batches: NumberedBatches | None = None
        self.trained = 0  # batches of this epoch
        self.position: dict[str, int] = {}  # of the checkpoint: batches trained, and of an epoch

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        self.position = checkpoint.get('meta', {}).get('position', {})

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        batches = len(runner.train_dataloader)
        checkpoint['meta']['position'] = dict(trained=self.trained, batches=batches)

    def before_train(self, runner: Runner) -> None:
        loop, loader = runner.train_loop, runner.train_dataloader
        is_endless = isinstance(loop, IterBasedTrainLoop)
        if isinstance(loader.dataset, IterableDataset):
            return
        self.batches = number_batches(loader, (runner.seed, get_rank()), is_endless)
        if is_endless:
            self.batches.first = loop.iter
            # Workers belong to one iterator; MMEngine started one when it built the loop.
            vars(loader)['persistent_workers'] = False
            loop.dataloader_iterator = RemainingBatches(loader, done=loop.iter)
        elif isinstance(loop, EpochBasedTrainLoop) and loop.iter > 0:
            # With another batch size there is no place in the epoch to go on from: repeat it.
            same_batches = self.position.get('batches') == len(loader)
            self.batches.first = self.position['trained'] if same_batches else 0
            if self.position and not same_batches:
                runner.logger.warning(
                    f'an epoch has {len(loader)} batches, and had {self.position["batches"]} in '
                    'the checkpoint: schedules that count iterations keep their old numbers'
                )

    def before_train_epoch(self, runner: Runner) -> None:
        if self.batches is not None:
            self.batches.epoch = runner.epoch
            self.trained = self.batches.first
        seed_generators(runner.seed, get_rank(), runner.epoch)  # for samplers that draw from these

    def before_train_iter(self, runner: Runner, **kwargs: Any) -> None:
        seed_generators(runner.seed, get_rank(), runner.epoch, self.trained, STEP)

    def after_train_iter(self, runner: Runner, **kwargs: Any) -> None:
        self.trained += 1

    def after_train_epoch(self, runner: Runner) -> None:
        self.trained = 0
        if self.batches is not None:
            self.batches.first = 0


# The numbers that seed the randomness of a batch, and the indices of its samples.
Batch = tuple[tuple[int, ...], list[int]]


class NumberedBatches:
    """The batches of a batch sampler from number ``first`` of an epoch on, with their seeds.

    ``is_endless``: epoch follows epoch, and ``first`` counts from the start of the first.
    """

    def __init__(self, batches: BatchSampler, seed: tuple[int, ...], is_endless: bool) -> None:
        self.batches = batches
        self.seed = seed
        self.is_endless = is_endless
        self.epoch = 0
        self.first = 0
        # MMEngine's hooks look for these.
        self.sampler = batches.sampler
        self.batch_size = getattr(batches, 'batch_size', None)

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[Batch]:
        source = self._of_all_epochs() if self.is_endless else iter(self.batches)
        for number, indices in enumerate(source):
            if number >= self.first:
                yield (*self.seed, self.epoch, number, DATA), indices

    def _of_all_epochs(self) -> Iterator[list[int]]:
        for epoch in count():
            if hasattr(self.sampler, 'set_epoch'):
                self.sampler.set_epoch(epoch)
            yield from self.batches


class RemainingBatches:
    """The batches that an iteration-based loop has still to train, read from a numbered loader.

    The loop asks first for those that are done, or its fork asks to skip them; none is loaded.
    """

    def __init__(self, loader: DataLoader, done: int) -> None:
        self.loader = loader
        self.done = done
        self.iterator: Iterator[Any] | None = None

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        if self.done > 0:
            self.done -= 1
            return None
        if self.iterator is None:  # not before: all hooks have made their preparations now
            self.iterator = iter(self.loader)
        return next(self.iterator)

    def skip_iter(self, number: int) -> None:
        self.done -= number


class SeededLoading:
    """Loads a numbered batch of a dataset; the DataLoader calls it, in a worker if it has any."""

    def __init__(self, dataset: Dataset) -> None:
        self.dataset = dataset
        self.load: Callable[[list[int]], list[Any]] | None = getattr(dataset, '__getitems__', None)

    def __call__(self, batch: Batch) -> list[Any]:
        seed, indices = batch
        seed_generators(*seed)
        if self.load is not None:
            return self.load(indices)
        return [self.dataset[index] for index in indices]


def number_batches(loader: DataLoader, seed: tuple[int, ...], is_endless: bool) -> NumberedBatches:
    """Make a DataLoader give numbered batches with randomness of their own."""
    sampler, dataset = loader.batch_sampler.sampler, loader.dataset
    if isinstance(sampler, InfiniteSampler):
        # All its iterators draw from one stream, of which the first has taken batches ahead.
        sampler.indices = InfiniteSampler(sampler.dataset, sampler.shuffle, sampler.seed).indices
    batches = NumberedBatches(loader.batch_sampler, seed, is_endless)
    # The DataLoader has this attribute guarded, although it reads it anew for every iterator.
    vars(loader)['batch_sampler'] = batches
    dataset.__getitems__ = SeededLoading(dataset)
    return batches


def seed_generators(*numbers: int) -> None:
    """Seed Python's, NumPy's and torch's generators from several numbers."""
    seed = int(np.random.SeedSequence(numbers).generate_state(1)[0])
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002 (the hosts' transforms draw from it)
    torch.manual_seed(seed)
