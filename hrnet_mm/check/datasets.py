"""The datasets of a config as the checks see them, and which dataset classes the checks know."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from mmengine.config import Config
from mmengine.registry import DATASETS, DefaultScope

from hrnet_mm.base.config import class_of, keyed_datasets_of, reads_local_files
from hrnet_mm.base.errors import did_you_mean, sentence_of
from hrnet_mm.check.findings import Finding, note, stop
from hrnet_mm.check.keypoints import check_metainfo


@dataclass(frozen=True)
class Reader:
    """How a host's dataset class reads its files.

    Attributes:
        task: whose checks are for it.
        host, name: the class.
        methods: what reads; a subclass that overrides one of them reads something else.
    """

    task: str
    host: str
    name: str
    methods: tuple[str, ...]

    def reads_for(self, kind: type) -> bool:
        """Whether a class is this one, or reads as it does."""
        for base in kind.__mro__:
            if base.__name__ == self.name and base.__module__.split('.')[0] == self.host:
                return all(getattr(kind, name) is getattr(base, name) for name in self.methods)
        return False


PERSON_METHODS = ('load_data_list', '_load_annotations', 'parse_data_info')
# A class that inherits from one of these what reads is known as well; all others are left alone.
KNOWN = (
    Reader('pose', 'mmpose', 'BaseCocoStyleDataset', PERSON_METHODS),
    Reader('pose', 'mmpose', 'CocoWholeBodyDataset', PERSON_METHODS),
    Reader('pose', 'mmpose', 'Face300WDataset', PERSON_METHODS),
    Reader('pose', 'mmpose', 'AFLWDataset', PERSON_METHODS),
    Reader('pose', 'mmpose', 'WFLWDataset', PERSON_METHODS),
    Reader('detection', 'mmdet', 'CocoDataset', ('load_data_list', 'parse_data_info')),
    Reader('segmentation', 'mmseg', 'BaseSegDataset', ('load_data_list',)),
    Reader('classification', 'mmpretrain', 'CustomDataset', ('load_data_list', '_find_samples')),
)


@dataclass
class Dataset:
    """One dataset of a config.

    Attributes:
        phase: ``train``, ``val`` or ``test``.
        key: where it is in the config, e.g. ``train_dataloader.dataset``.
        loader: the config of its dataloader.
        cfg: its own config.
        reader: what reads its files.
        built: the host's dataset: paths are joined and metainfo is parsed, nothing is read.
    """

    phase: str
    key: str
    loader: Mapping[str, Any]
    cfg: Mapping[str, Any]
    reader: Reader
    built: Any

    @property
    def pipeline(self) -> list[Mapping[str, Any]]:
        """The transforms, those of a wrapper around the dataset included."""
        outer = (self.loader.get('dataset') or {}).get('pipeline') or []
        own = self.cfg.get('pipeline') or []
        return [*own, *(() if outer is own else outer)]

    @property
    def is_labelled(self) -> bool:
        """Whether its annotations are read: not in a test without truth, nor in pretraining."""
        return not self.pipeline or "'LoadAnnotations'" in str(self.pipeline)

    @property
    def classes(self) -> tuple[str, ...]:
        """The class names; none where the config has a text in their place."""
        names = self.built.metainfo.get('classes') or ()
        return () if isinstance(names, str) else tuple(names)

    @property
    def names_classes(self) -> bool:
        """Whether the config itself names the classes, and not the host's class."""
        return bool((self.cfg.get('metainfo') or {}).get('classes'))


def datasets_of(cfg: Config, phase: str) -> Iterator[Dataset | Finding]:
    """The datasets of a phase that the checks know, and a finding for each other one."""
    loader = cfg.get(f'{phase}_dataloader')
    for key, dataset in keyed_datasets_of(loader, f'{phase}_dataloader.dataset'):
        scope = dataset.get('_scope_') or cfg.get('default_scope')
        kind = class_of(DATASETS, dataset.get('type'), scope)
        if kind is None:
            yield unknown_type(key, dataset, scope)
            continue
        reader = next((reader for reader in KNOWN if reader.reads_for(kind)), None)
        if reader is None:
            yield note(f'{key}: {kind.__name__} is not known here: its data are left alone')
            continue
        if reader.task == 'pose':
            faults = list(check_metainfo(dataset.get('metainfo'), key))
            yield from faults
            if faults:
                continue
        try:
            yield Dataset(phase, key, loader, dataset, reader, without_data(kind, dataset, scope))
        except Exception as error:
            if not has_local_files(dataset):  # some classes look for files when they are made
                yield data_are_elsewhere(key)
                continue
            yield stop(f'{key}: {kind.__name__} cannot be made of it: {sentence_of(error)}')


def has_local_files(dataset: Mapping[str, Any]) -> bool:
    """Whether the files that a dataset's config names are on this machine."""
    paths = (dataset.get(key) for key in ('data_root', 'ann_file', 'data_prefix'))
    return reads_local_files(dataset) and not any('://' in str(path) for path in paths)


def data_are_elsewhere(key: str) -> Finding:
    return note(f'{key}: its data are not on this machine, and are left alone')


def test_reads_validation(cfg: Config) -> bool:
    """Whether the test data are the validation data."""
    val, test = cfg.get('val_dataloader') or {}, cfg.get('test_dataloader') or {}
    return val.get('dataset') == test.get('dataset')


def unknown_type(key: str, dataset: Mapping[str, Any], scope: str | None) -> Finding:
    name = str(dataset.get('type'))
    registry = DATASETS.children.get(name.rpartition('.')[0] or scope, DATASETS)
    hint = did_you_mean(name.rpartition('.')[2], registry.module_dict)
    return stop(f'{key}.type is {name!r}, which is no dataset class of {scope}{hint}')


def without_data(kind: type, dataset: Mapping[str, Any], scope: str | None) -> Any:
    """The host's dataset, of which nothing is read yet."""
    arguments = {key: value for key, value in dataset.items() if key not in ('type', '_scope_')}
    arguments.update(pipeline=[], lazy_init=True)
    with warnings.catch_warnings(), DefaultScope.overwrite_default_scope(scope):
        warnings.simplefilter('ignore')  # the run itself will say so
        return kind(**arguments)
