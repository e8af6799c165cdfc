"""What the command line says of the loaders of data: their batches and their workers."""

from __future__ import annotations

import os
from typing import Any

from mmengine.config import Config
from mmengine.registry import DATASETS, DefaultScope

from hrnet_mm.base.config import LOADERS, SIZES, check_paths, class_of, keeps_shapes, name_of
from hrnet_mm.base.errors import UserError
from hrnet_mm.training.faults import dataset_fault

OF_WORKERS = ('persistent_workers', 'prefetch_factor', 'timeout', 'multiprocessing_context')


def set_batch_size(cfg: Config, phase: str, number: int) -> None:
    """Set the images, or people, in a batch of each process.

    Args:
        cfg: the config.
        phase: whose loader is meant: ``'train'`` or ``'test'``.
        number: the batch.

    Raises:
        UserError: there is no such loader, or its sampler divides a batch in its own way.
    """
    loader = loader_of(cfg, phase)
    sampler = loader.get('sampler') or {}
    if 'batch_size' in sampler:
        raise UserError(
            f'--batch-size {number}: {phase}_dataloader.sampler is a {name_of(sampler)} with a '
            f'batch_size of its own ({sampler["batch_size"]}): change both by --cfg-options'
        )
    if phase == 'test' and number > 1 and keeps_shapes(loader):
        raise UserError(
            f'--batch-size {number}: the images of a bottom-up test are of several shapes, which '
            'mmpose would pad, and find the people elsewhere: they are tested one by one'
        )
    loader['batch_size'] = number
    if 'batch_size' in (loader.get('batch_sampler') or {}):
        loader['batch_sampler']['batch_size'] = number


def set_workers(cfg: Config, number: int) -> None:
    """Set the processes that load data, of all loaders; with 0 the training loads them itself."""
    for loader in (cfg[key] for key in LOADERS if cfg.get(key)):
        loader['num_workers'] = number
        for name in OF_WORKERS if number == 0 else ():
            loader.pop(name, None)


def loader_of(cfg: Config, phase: str) -> dict[str, Any]:
    if not cfg.get(f'{phase}_dataloader'):
        raise UserError(f'the config has no {phase}_dataloader')
    return cfg[f'{phase}_dataloader']


def number_of_processes(cfg: Config) -> int:
    """How many processes the launcher has started."""
    return int(os.environ.get(SIZES.get(cfg.get('launcher', 'none'), ''), '1'))


def images_of_a_step(cfg: Config) -> int:
    """The batch of all processes together."""
    loader = loader_of(cfg, 'train')
    batch = (loader.get('batch_sampler') or {}).get('batch_size') or loader.get('batch_size', 1)
    return batch * number_of_processes(cfg)


def number_of_samples(cfg: Config) -> int:
    """How many samples the training data have; they are read for it.

    Raises:
        UserError: they cannot be read, or have no end.
    """
    check_paths(cfg, ('train',))
    dataset, scope = loader_of(cfg, 'train').get('dataset') or {}, cfg.get('default_scope')
    class_of(DATASETS, dataset.get('type'), dataset.get('_scope_') or scope)  # imports the host
    try:
        with DefaultScope.overwrite_default_scope(scope):
            built = DATASETS.build(dataset)
            if hasattr(built, 'full_init'):
                built.full_init()
    except Exception as error:
        if sentence := dataset_fault(cfg, ('train',), str(error)):
            raise UserError(sentence) from error
        raise
    if not hasattr(built, '__len__'):
        raise UserError(
            f'train_dataloader.dataset is a {name_of(dataset)}, which does not say how many '
            'samples it has: write train_cfg.max_iters into the config'
        )
    return len(built)


def sentence_on_rate(cfg: Config, is_resumed: bool) -> str:
    """What the batch means for the learning rate.

    Args:
        cfg: the config, with the batch in it.
        is_resumed: whether the training goes on from a checkpoint, whose rate it keeps.
    """
    wrapper = cfg.get('optim_wrapper') or {}
    rate = (wrapper.get('optimizer') or {}).get('lr')
    steps = wrapper.get('accumulative_counts', 1)
    scaling = cfg.get('auto_scale_lr') or {}
    base, batch = scaling.get('base_batch_size'), images_of_a_step(cfg)
    is_given = 'is' if rate is None else f'is {rate:.4g}'
    text = f'a step is of {batch} samples'
    if steps > 1:
        text += f' (the optimizer takes one after every {steps})'
    if is_resumed:
        return f'{text}; a resumed training keeps the learning rate of its checkpoint'
    if base is None:
        return f'{text}; the learning rate {is_given} as in the config, which names no batch for it'
    if batch == base:
        return f'{text}, for which the learning rate of the config {is_given}'
    scaled = '' if rate is None else f' to {rate * batch / base:.4g}'
    if scaling.get('enable'):
        return f'{text}; the learning rate {is_given} for {base}, and is scaled{scaled}'
    text += f'; the learning rate {is_given} and was chosen for {base}'
    return f'{text}: --auto-scale-lr scales it{scaled}'
