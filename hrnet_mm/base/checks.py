"""Checks before a run, so that a mistake costs a sentence and not a half-made work folder."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mmengine.config import Config

from hrnet_mm.base.config import datasets_of
from hrnet_mm.base.errors import UserError


def check_data(cfg: Config, phases: tuple[str, ...]) -> None:
    """Make sure that the files and folders which the phases (train, val, test) name exist.

    Raises:
        UserError: naming the first absent path, the key that asks for it, and the remedy.
    """
    for phase in phases:
        for key, path in named_paths(cfg, phase):
            if '://' not in path and not Path(path).exists():
                remedy = f'put the dataset there, name its folder with --data-root, or change {key}'
                if key.endswith('.bbox_file'):
                    remedy = f'put it there, or use ground-truth boxes: --cfg-options {key}=None'
                raise UserError(f'there is no {path} ({key} in the config): {remedy}')


def named_paths(cfg: Config, phase: str) -> Iterator[tuple[str, str]]:
    """Pairs of config key and local path of a phase's datasets and evaluators."""
    for dataset in datasets_of(cfg.get(f'{phase}_dataloader')):
        if not is_local(dataset):
            continue
        key = f'{phase}_dataloader.dataset'
        root = dataset.get('data_root') or ''
        if root:
            yield f'{key}.data_root', root
        if dataset.get('ann_file'):
            yield f'{key}.ann_file', joined(root, dataset['ann_file'])
        prefixes = dataset.get('data_prefix') or {}
        if isinstance(prefixes, str):  # one folder, as mmpretrain takes it
            yield f'{key}.data_prefix', joined(root, prefixes)
            prefixes = {}
        for name, folder in prefixes.items():
            if isinstance(folder, str) and folder:
                yield f'{key}.data_prefix.{name}', joined(root, folder)
        for name in ('bbox_file', 'headbox_file'):  # mmpose takes them as they are
            if dataset.get(name):
                yield f'{key}.{name}', dataset[name]
    for evaluator in as_list(cfg.get(f'{phase}_evaluator')):
        if isinstance(evaluator, dict) and evaluator.get('ann_file') and is_local(evaluator):
            yield f'{phase}_evaluator.ann_file', evaluator['ann_file']


def is_local(part: Mapping[str, Any]) -> bool:
    """Whether a dataset or an evaluator reads files of this machine."""
    return (part.get('backend_args') or {}).get('backend', 'local') == 'local'


def joined(root: str, path: str) -> str:
    if '://' in path:
        return path
    return f'{root.rstrip("/")}/{path}' if '://' in root else str(Path(root) / path)


def as_list(value: Any) -> list[Any]:
    if value is None:
        return []
    return list(value) if isinstance(value, list | tuple) else [value]
