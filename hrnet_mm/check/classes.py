"""Checks of class names, and of the number of classes wherever it stands in a model."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mmengine.registry import MODELS

from hrnet_mm.base.annotations import few
from hrnet_mm.check.findings import Finding, stop, warn
from hrnet_mm.check.sources import Source, class_of

# Parts of a model that have classes of their own, or none.
OF_ITS_OWN = ('STDCHead',)  # it tells borders from the rest
APART = ('backbone', 'neck', 'semantic_head', 'semantic_fusion', 'rpn_head', 'text_encoder')


def check_names(source: Source) -> Iterator[Finding]:
    """Class names are a list of texts, each once, under the key ``classes``."""
    metainfo = source.cfg.get('metainfo') or {}
    place = f'{source.key}.metainfo'
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


def names_of(source: Source) -> Sequence[str]:
    """The class names of a dataset; none where it has a text in their place."""
    names = source.dataset.metainfo.get('classes') or ()
    return () if isinstance(names, str) else tuple(names)


def check_same_names(sources: Sequence[Source]) -> Iterator[Finding]:
    """Training and evaluation have the same classes in the same order."""
    first, *others = sources or (None,)
    for other in others:
        ours, theirs = names_of(first), names_of(other)
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
    if isinstance(part, list | tuple):
        for number, item in enumerate(part):
            yield from numbers_of_classes(item, f'{place}[{number}]', scope)
    elif isinstance(part, Mapping):
        number = part.get('num_classes', default_number(part, scope))
        if part.get('type') in OF_ITS_OWN:
            return
        if isinstance(number, int):
            yield f'{place}.num_classes', number
        for key, item in part.items():
            if key not in APART and not key.startswith(('loss', 'train_cfg', 'test_cfg')):
                yield from numbers_of_classes(item, f'{place}.{key}', scope)


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


def check_numbers(
    numbers: Sequence[tuple[str, int]], classes: int, source: Source
) -> Iterator[Finding]:
    """Every ``num_classes`` is the number of class names."""
    for key, number in numbers:
        if number != classes:
            level = stop if number < classes else warn
            yield level(
                f'{key} is {number}, but {source.key} has {classes} classes '
                f'({few(names_of(source))}): write {key}={classes}, or the {number} names as '
                'metainfo.classes'
            )


def nearest(name: str, names: Sequence[str]) -> str:
    """'; did you mean ...?' where a name of the list is nearly this one."""
    lower = {other.lower(): other for other in map(str, names)}
    close = difflib.get_close_matches(name.lower(), lower, n=1)
    return f'; did you mean {lower[close[0]]!r}?' if close else ''
