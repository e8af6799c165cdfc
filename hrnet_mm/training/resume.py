"""Which checkpoint a resumed run goes on from: the newest that is whole."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mmengine.config import Config

from hrnet_mm.base.errors import UserError
from hrnet_mm.base.given import is_local
from hrnet_mm.training.hooks.safe_checkpoint import (
    INTERRUPTED,
    POINTER,
    folder_of_checkpoints,
    point_to,
)
from hrnet_mm.training.hooks.training_id import last_training_in, training_id_in
from hrnet_mm.training.length import sentence_on_length
from hrnet_mm.weights.read import read_checkpoint

LATEST = 'latest'  # of a config's ``resume``: the latest checkpoint, once there is one


def prepare_resume(cfg: Config, keep_length: bool = False) -> list[str]:
    """Make MMEngine resume from a checkpoint that is whole.

    That is ``cfg.load_from`` where it names one. Otherwise it is the newest whole checkpoint of the
    last training in the work folder: MMEngine takes the one that ``last_checkpoint`` names, which
    is changed if that one is broken. The run goes on with the seed that it began with.

    Where ``cfg.resume`` is ``LATEST``, ``load_from`` is what a training begins with while there is
    no checkpoint yet, as at the first start of a job that is put back into its queue.

    Args:
        cfg: the config, which is changed.
        keep_length: whether the training must have begun with the length that the config has.

    Returns:
        Sentences for the user.

    Raises:
        UserError: the named checkpoint is broken; or there are some, and none is whole; or the
            training began with another length.
    """
    if cfg.get('load_from') and cfg.get('resume') != LATEST:
        if is_local(cfg.load_from):
            path = Path(cfg.load_from)
            return keep_settings(cfg, read_training_checkpoint(path), keep_length)
        return []
    work_dir, broken, earlier = Path(cfg.work_dir), [], []
    last_training = last_training_in(work_dir)
    for path in candidates(cfg):
        try:
            checkpoint = read_training_checkpoint(path)
        except UserError as error:
            broken.append(str(error))
            continue
        if last_training and training_id_in(checkpoint) != last_training:
            earlier.append(path.name)
            continue
        notes = keep_settings(cfg, checkpoint, keep_length)
        cfg.resume, cfg.load_from = True, None
        if str(path.absolute()) == path_in_pointer(work_dir):
            return notes
        point_to(path.absolute(), work_dir)
        skipped = [*broken, *(f'{name} is of an earlier training' for name in earlier)]
        return [*(f'skipped: {reason}' for reason in skipped), f'resuming {path}', *notes]
    if broken:
        raise UserError(
            f'--resume: no checkpoint of {work_dir} can be resumed ({"; ".join(broken)}); '
            'name another with --resume CHECKPOINT, or start anew in another --work-dir'
        )
    cfg.resume = False  # else MMEngine takes what last_checkpoint names
    beginning = 'at the beginning'
    if cfg.get('load_from'):
        beginning += f', with the weights of {cfg.load_from}'
    if not earlier:
        return [f'there is no checkpoint in {work_dir} yet: training starts {beginning}']
    return [
        f'the last training in {work_dir} has saved no checkpoint: it starts {beginning}; '
        f'{", ".join(earlier)} there: of an earlier one, which --resume CHECKPOINT goes on with'
    ]


def candidates(cfg: Config) -> Iterator[Path]:
    """Checkpoints to resume: the one that ``last_checkpoint`` names, then from the newest on."""
    work_dir = Path(cfg.work_dir)
    hook = (cfg.get('default_hooks') or {}).get('checkpoint') or {}
    folder = folder_of_checkpoints(work_dir, hook.get('out_dir'))
    kind = 'epoch' if hook.get('by_epoch', True) else 'iter'
    template = hook.get('filename_tmpl') or f'{kind}_{{}}.pth'
    pattern = re.compile(re.escape(template).replace(r'\{\}', r'(\d+)'))
    numbered = {}
    for path in folder.iterdir() if folder.is_dir() else ():
        if match := pattern.fullmatch(path.name):
            numbered[path] = int(match[1])
    found = sorted(numbered, key=numbered.get, reverse=True)
    if (work_dir / INTERRUPTED).exists():  # the next regular checkpoint would have removed it
        found.insert(0, work_dir / INTERRUPTED)
    if named := path_in_pointer(work_dir):
        # A run that was moved since has its checkpoints under other paths.
        found.insert(0, Path(named) if Path(named).exists() else folder / Path(named).name)
    yield from dict.fromkeys(found)


def path_in_pointer(work_dir: Path) -> str:
    """The path in ``last_checkpoint``; '' if the file is absent, or was left empty by a kill."""
    pointer = work_dir / POINTER
    return os.fsdecode(pointer.read_bytes()).strip() if pointer.is_file() else ''


def read_training_checkpoint(path: Path) -> dict[str, Any]:
    """Load a checkpoint that a run can go on from.

    Raises:
        UserError: it is absent, damaged, or holds no state of a training.
    """
    checkpoint = read_checkpoint(path)
    meta = checkpoint.get('meta')
    if not isinstance(meta, dict) or 'iter' not in meta or 'message_hub' not in checkpoint:
        raise UserError(f'the checkpoint {path} holds weights only, no training to go on with')
    return checkpoint


def keep_settings(cfg: Config, checkpoint: Mapping[str, Any], keep_length: bool) -> list[str]:
    """Let a resumed run go on as it began: with its seed and its length.

    Returns:
        Sentences for the user where the config asks for something else.

    Raises:
        UserError: the length must be kept and is not.
    """
    notes = keep_seed(cfg, checkpoint)
    if sentence := sentence_on_length(cfg, checkpoint):
        if keep_length:
            raise UserError(f'--epochs with --resume: {sentence}: give the --epochs of its begin')
        notes.append(sentence)
    return notes


def keep_seed(cfg: Config, checkpoint: Mapping[str, Any]) -> list[str]:
    """Let a resumed run shuffle as before: MMEngine reads its seed after it has built the sampler.

    Returns:
        A sentence for the user where the config or ``--seed`` asks for another seed.
    """
    seed = checkpoint['meta'].get('seed')
    randomness = cfg.get('randomness') or {}
    asked = randomness.get('seed')
    if seed is None or seed == asked:
        return []
    cfg.randomness = dict(randomness, seed=seed)
    if asked is None:
        return []
    return [f'the run began with the seed {seed} and goes on with it, not with {asked}']
