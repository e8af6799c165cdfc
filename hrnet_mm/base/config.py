"""Reading a config and changing it as the command line says, with mistakes named before a run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from mmengine.config import Config, ConfigDict

from hrnet_mm.base.config_changes import change
from hrnet_mm.base.errors import UsageError, UserError

LOADERS = ('train_dataloader', 'val_dataloader', 'test_dataloader')
LATEST = 'latest'  # of a config's ``resume``: the latest checkpoint, once there is one
EVALUATORS = ('val_evaluator', 'test_evaluator')


def read_config(
    path: str | Path,
    options: Mapping[str, Any] | None = None,
    data_root: str | None = None,
    said: Mapping[str, str] | None = None,
) -> Config:
    """Read a config file and change it as the command line says.

    Args:
        path: of the file.
        options: what ``--cfg-options`` name; they have the last word.
        data_root: see :func:`set_data_root`.
        said: by key, the argument of the tool that says what stands there.

    Raises:
        UserError: the file is absent or no config, or an option would not do what it says, see
            :func:`hrnet_mm.base.config_changes.change`.
        UsageError: an option is said by another argument.
    """
    check_not_said(options or {}, said or {})
    path = Path(path)
    if not path.is_file():
        raise UserError(f'there is no config {path}')
    try:
        cfg = Config.fromfile(path)
    except (SyntaxError, OSError) as error:
        if isinstance(error, FileNotFoundError):
            raise  # a base that is absent names itself
        raise UserError(f'{path} is no config: {error}') from error
    if data_root:
        set_data_root(cfg, data_root)
    change(cfg, options or {})
    return cfg


def check_not_said(options: Iterable[str], said: Mapping[str, str]) -> None:
    """Refuse ``--cfg-options load_from=x.pth`` where CHECKPOINT takes its place.

    Raises:
        UsageError: naming the argument.
    """
    for key in options:
        for name, argument in said.items():
            if key == name or key.startswith(f'{name}.') or name.startswith(f'{key}.'):
                raise UsageError(f'--cfg-options {key}: this is what {argument} says')


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
    return (dataset for _, dataset in keyed_datasets_of(loader))


def keyed_datasets_of(
    loader: dict[str, Any] | None, key: str = 'dataset'
) -> Iterator[tuple[str, dict[str, Any]]]:
    """The same, each with its key in the loader, e.g. ``dataset.datasets[1]``."""
    dataset = (loader or {}).get('dataset')
    if dataset is None:
        return
    inner = [(f'.datasets[{i}]', part) for i, part in enumerate(dataset.get('datasets') or [])]
    if not inner and 'dataset' in dataset:
        inner = [('.dataset', dataset['dataset'])]
    if not inner:
        yield key, dataset
    for suffix, part in inner:
        yield from keyed_datasets_of(dict(dataset=part), key + suffix)


def name_of(part: Any) -> str:
    """The name of the class of a part of a config, without a scope; '' where it has none."""
    kind = part.get('type', '') if isinstance(part, Mapping) else ''
    return str(getattr(kind, '__name__', kind)).rpartition('.')[2]
