"""Checks of class names, and of the number of classes wherever it stands in a model."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mmengine.registry import MODELS

from hrnet_mm.base.annotations import few
from hrnet_mm.base.config import class_of
from hrnet_mm.check.datasets import Dataset
from hrnet_mm.check.findings import Finding, keyed, stop, warn

# Parts of a model that have classes of their own, or none.
OF_ITS_OWN = ('STDCHead',)  # it tells borders from the rest
APART = ('backbone', 'neck', 'semantic_head', 'semantic_fusion', 'rpn_head', 'text_encoder')


def check_classes(
    datasets: Sequence[Dataset], numbers: Sequence[tuple[str, int]]
) -> Iterator[Finding]:
    """Class names are right, and as many in every dataset and in the model.

    Args:
        datasets: of one task.
        numbers: each ``num_classes`` of the model and its key.
    """
    yield from check_same_names(datasets)
    for dataset in datasets:
        yield from check_names(dataset)
    named = next((dataset for dataset in datasets if dataset.classes), None)
    for key, number in numbers if named else ():
        classes = len(named.classes)
        if number != classes:
            yield (stop if number < classes else warn)(
                f'{key} is {number}, but {named.key} has {classes} classes '
                f'({few(named.classes)}): write {key}={classes}, or the {number} names as '
                'metainfo.classes'
            )


def check_names(dataset: Dataset) -> Iterator[Finding]:
    """Class names are a list of texts, each once, under the key ``classes``."""
    metainfo = dataset.cfg.get('metainfo') or {}
    place = f'{dataset.key}.metainfo'
    for key in metainfo:
        if key.lower() in ('classes', 'class', 'class_names') and key != 'classes':
            yield stop(f'{place} has the key {key!r}, which nothing reads; write classes=(...)')
    names = metainfo.get('classes')
    if isinstance(names, str):
        yield stop(
            f'{place}.classes is the text {names!r}, which is read letter by letter; write '
            f"classes=('{names}',) with a comma"
        )
    elif names is not None:
        twice = [name for name in names if list(names).count(name) > 1]
        if twice:
            yield stop(f'{place}.classes has {twice[0]!r} {names.count(twice[0])} times')


def check_same_names(datasets: Sequence[Dataset]) -> Iterator[Finding]:
    """Training and evaluation have the same classes in the same order."""
    first, *others = datasets or (None,)
    for other in others:
        ours, theirs = first.classes, other.classes
        if ours and theirs and ours != theirs and other.phase != first.phase:
            only = [name for name in (*ours, *theirs) if (name in ours) != (name in theirs)]
            difference = f'only one has {few(only)}' if only else 'in another order'
            yield stop(
                f'{other.key} has the classes {few(theirs)}, but {first.key} {few(ours)} '
                f'({difference}): class numbers are places in this list, so give both the same '
                'metainfo.classes'
            )


def numbers_of_classes(part: Any, place: str, scope: str | None) -> Iterator[tuple[str, int]]:
    """Each ``num_classes`` of a model's heads and its key, those that a class brings along too."""
    if isinstance(part, Mapping):
        if part.get('type') in OF_ITS_OWN:
            return
        number = part.get('num_classes', default_number(part, scope))
        if isinstance(number, int):
            yield f'{place}.num_classes', number
        for key, item in part.items():
            if key not in APART and not key.startswith(('loss', 'train_cfg', 'test_cfg')):
                yield from numbers_of_classes(item, f'{place}.{key}', scope)
    elif isinstance(part, list | tuple):
        for key, item in keyed(place, part):
            yield from numbers_of_classes(item, key, scope)


def default_number(head: Mapping[str, Any], scope: str | None) -> int | None:
    """The ``num_classes`` that a head has where its config has none."""
    kind = head.get('type')
    if not isinstance(kind, str) or not kind.endswith('Head'):
        return None
    kind = class_of(MODELS, kind, head.get('_scope_') or scope)
    for base in getattr(kind, '__mro__', ()):
        argument = inspect.signature(base.__init__).parameters.get('num_classes')
        if argument is not None:
            return argument.default if isinstance(argument.default, int) else None
    return None


def check_class_weights(head: Mapping[str, Any], place: str, key: str) -> Iterator[Finding]:
    """The losses of a head, under ``key``, have a weight for each class."""
    classes = head.get('num_classes')
    for loss_place, loss in keyed(f'{place}.{key}', head.get(key)):
        weights = loss.get('class_weight') if isinstance(loss, Mapping) else None
        if not isinstance(weights, list | tuple) or not classes or len(weights) == classes:
            continue
        if 'cls' in loss.get('loss_name', ''):
            continue  # of masks that are classified, with one more class for none
        yield stop(
            f'{loss_place}.class_weight has {len(weights)} numbers, but {place}.num_classes is '
            f'{classes}: write one weight for each class'
        )
