"""Reading a config as the command line changes it, and finding what its parts name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any, NamedTuple

from mmengine.config import Config, ConfigDict
from mmengine.registry import Registry

from hrnet_mm.base.config_changes import apply_options
from hrnet_mm.base.config_names import find_config
from hrnet_mm.base.errors import UserError, did_you_mean
from hrnet_mm.base.given import LOADERS, check_not_set_twice

EVALUATORS = ('val_evaluator', 'test_evaluator')
# The variable in which each launcher gives a process its number.
RANKS = dict(pytorch='RANK', slurm='SLURM_PROCID', mpi='OMPI_COMM_WORLD_RANK')
# And how many processes there are.
SIZES = dict(pytorch='WORLD_SIZE', slurm='SLURM_NTASKS', mpi='OMPI_COMM_WORLD_SIZE')


class Length(NamedTuple):
    """How long a training is: a number of epochs, or of iterations."""

    by_epoch: bool
    number: int

    @property
    def key(self) -> str:
        return 'max_epochs' if self.by_epoch else 'max_iters'

    @property
    def unit(self) -> str:
        return 'epochs' if self.by_epoch else 'iterations'


def read_config(
    config: str | Path | Config,
    options: Mapping[str, Any] | None = None,
    data_root: str | None = None,
    arguments: Mapping[str, str] | None = None,
) -> Config:
    """Read a config and change it as the command line says.

    Args:
        config: its name or path, see :func:`hrnet_mm.base.config_names.find_config`; or a config
            that is read already, which stays as it is.
        options: values by dotted key, as ``--cfg-options`` name them; they have the last word.
        data_root: see :func:`set_data_root`.
        arguments: the keys that arguments of the tool set, with the argument, for example
            ``{'work_dir': '--work-dir'}``; no option may set them too.

    Raises:
        UserError: the file is absent or no config, or an option would not do what it says, see
            :func:`hrnet_mm.base.config_changes.apply_options`.
        UsageError: an option sets what another argument sets.
    """
    check_not_set_twice(options or {}, arguments or {})
    if isinstance(config, Config):
        cfg = deepcopy(config)
    else:
        path = find_config(config)
        try:
            cfg = Config.fromfile(path)
        except (SyntaxError, OSError) as error:
            if isinstance(error, FileNotFoundError) and error.filename:
                raise UserError(_absent_base(path, Path(error.filename))) from error
            raise UserError(f'{path} is no config: {error}') from error
    if data_root:
        set_data_root(cfg, data_root)
    apply_options(cfg, options or {})
    return cfg


def _absent_base(config: Path, base: Path) -> str:
    hint = did_you_mean(base.name, [path.name for path in base.parent.glob('*.py')])
    return f'there is no {base}, a base of {config}{hint}'


def set_data_root(cfg: Config, data_root: str) -> None:
    """Let datasets and evaluators read from another folder: change all paths in the old one.

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
    """A part of a config in which each path below one of the old roots is below the new one."""
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
    """The datasets of a dataloader's config, those inside of wrappers in place of the wrappers."""
    return (dataset for _, dataset in keyed_datasets_of(loader))


def keyed_datasets_of(
    loader: dict[str, Any] | None, key: str = 'dataset'
) -> Iterator[tuple[str, dict[str, Any]]]:
    """The datasets of a dataloader's config, each with its key, e.g. ``dataset.datasets[1]``."""
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


def check_paths(cfg: Config, phases: tuple[str, ...]) -> None:
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
        if not reads_local_files(dataset):
            continue
        key = f'{phase}_dataloader.dataset'
        root = dataset.get('data_root') or ''
        if root:
            yield f'{key}.data_root', root
        if dataset.get('ann_file'):
            yield f'{key}.ann_file', join_root(root, dataset['ann_file'])
        prefixes = dataset.get('data_prefix') or {}
        if isinstance(prefixes, str):  # one folder, as mmpretrain takes it
            yield f'{key}.data_prefix', join_root(root, prefixes)
            prefixes = {}
        for name, folder in prefixes.items():
            if isinstance(folder, str) and folder:
                yield f'{key}.data_prefix.{name}', join_root(root, folder)
        for name in ('bbox_file', 'headbox_file'):  # mmpose takes them as they are
            if dataset.get(name):
                yield f'{key}.{name}', dataset[name]
    for evaluator in as_list(cfg.get(f'{phase}_evaluator')):
        if (
            isinstance(evaluator, dict)
            and evaluator.get('ann_file')
            and reads_local_files(evaluator)
        ):
            yield f'{phase}_evaluator.ann_file', evaluator['ann_file']


def reads_local_files(part: Mapping[str, Any]) -> bool:
    """Whether a dataset or an evaluator of a config reads files of this machine."""
    return (part.get('backend_args') or {}).get('backend', 'local') == 'local'


def join_root(root: str, path: str) -> str:
    """A dataset's path as the host joins it to ``data_root``; each may be a URL."""
    if '://' in path:
        return path
    return f'{root.rstrip("/")}/{path}' if '://' in root else str(Path(root) / path)


def length_of(cfg: Config) -> Length | None:
    """The length of a training; None where the config does not say it."""
    train = cfg.get('train_cfg') or {}
    lengths = (Length(True, train.get('max_epochs')), Length(False, train.get('max_iters')))
    return next((length for length in lengths if isinstance(length.number, int)), None)


def as_list(value: Any) -> list[Any]:
    """A part of a config of which there may be none, one or several: [], [value], list(value)."""
    if value is None:
        return []
    return list(value) if isinstance(value, list | tuple) else [value]


def name_of(part: Any) -> str:
    """The name of the class of a part of a config, without a scope; '' where it has none."""
    kind = part.get('type', '') if isinstance(part, Mapping) else ''
    return str(getattr(kind, '__name__', kind)).rpartition('.')[2]


def keeps_shapes(loader: Mapping[str, Any]) -> bool:
    """Whether a loader's images keep the shapes that they have, as in a bottom-up test.

    mmpose pads the smaller ones of a batch, and its bottom-up heads take the padded image for the
    image: their keypoints are elsewhere.
    """
    steps = (loader.get('dataset') or {}).get('pipeline') or ()
    return any(
        name_of(step) == 'BottomupResize' and step.get('resize_mode') == 'expand' for step in steps
    )


def class_of(registry: Registry, kind: Any, scope: str | None) -> type | None:
    """The class of a type in a config; importing its host if need be."""
    if not isinstance(kind, str):
        return kind
    return registry.get(kind if '.' in kind or scope is None else f'{scope}.{kind}')
