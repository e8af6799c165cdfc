"""Reading a config and changing it as the command line says, with mistakes named before a run."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mmengine.config import Config, ConfigDict
from mmengine.runner import Runner

from hrnet_mm.cli import UserError

LOADERS = ('train_dataloader', 'val_dataloader', 'test_dataloader')
EVALUATORS = ('val_evaluator', 'test_evaluator')
# What the Runner and MMEngine read of a config and what it need not spell out.
RUNNER_KEYS = {
    *inspect.signature(Runner).parameters,
    'custom_imports',
    'find_unused_parameters',
    'model_wrapper_cfg',
    'sync_bn',
    'vis_backends',
}


def read_config(path: str | Path, options: dict[str, Any] | None = None) -> Config:
    """Read a config file and merge ``--cfg-options`` into it.

    Raises:
        UserError: the file is absent or no config, or an option's first key is not a known one.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f'there is no config {path}')
    try:
        cfg = Config.fromfile(path)
    except (SyntaxError, OSError) as error:
        if isinstance(error, FileNotFoundError):
            raise  # a base that is absent names itself
        raise UserError(f'{path} is no config: {error}') from error
    for key in options or {}:
        check_option(key, cfg, path)
    cfg.merge_from_dict(options or {})
    return cfg


def check_option(key: str, cfg: Config, path: Path) -> None:
    """Refuse ``bakbone.arch=w18`` or ``modle.backbone.arch=w18``, which would change nothing."""
    first = key.split('.')[0]
    known = {*cfg.keys(), *RUNNER_KEYS}
    if first not in known:
        close = difflib.get_close_matches(first, known, n=1)
        hint = f'; did you mean {close[0]}?' if close else ''
        raise UserError(f'--cfg-options {key}: {path} has no key {first}{hint}')


def set_data_root(cfg: Config, data_root: str) -> None:
    """Read all data from another folder: datasets, and paths that begin with the old one.

    Raises:
        UserError: the config's datasets have no ``data_root`` that could be replaced.
    """
    new = data_root.rstrip('/') + '/'
    old_roots = {
        dataset['data_root'].rstrip('/') + '/'
        for loader in LOADERS
        for dataset in datasets_of(cfg.get(loader))
        if dataset.get('data_root')
    }
    if not old_roots:
        raise UserError('--data-root: no dataset of this config has a data_root')
    for key in (*LOADERS, *EVALUATORS):
        if cfg.get(key) is not None:
            cfg[key] = replace_prefix(cfg[key], old_roots, new)


def replace_prefix(value: Any, old_roots: set[str], new: str) -> Any:
    if isinstance(value, dict):
        return ConfigDict({k: replace_prefix(v, old_roots, new) for k, v in value.items()})
    if isinstance(value, list | tuple):
        return type(value)(replace_prefix(v, old_roots, new) for v in value)
    if isinstance(value, str):
        for old in old_roots:
            if f'{value}/'.startswith(old):
                return (new + value[len(old) :]) if value.startswith(old) else new
    return value


def datasets_of(loader: dict[str, Any] | None) -> Iterator[dict[str, Any]]:
    """The datasets of a dataloader's config, those inside of wrappers included."""
    dataset = (loader or {}).get('dataset')
    if dataset is None:
        return
    inner = dataset.get('datasets') or ([dataset['dataset']] if 'dataset' in dataset else [])
    if not inner:
        yield dataset
    for part in inner:
        yield from datasets_of(dict(dataset=part))


def name_of(hook: dict[str, Any]) -> str:
    """The name of a hook's class: configs have it with or without a scope, or the class."""
    return str(getattr(hook['type'], '__name__', hook['type'])).rpartition('.')[2]
