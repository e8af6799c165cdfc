"""Changing a config by dotted keys; an option that would not do what it says is refused.

MMEngine merges any key into a config: one that is misspelt, one of a variable whose value was used
when the file was read, or a text in the place of a number. The run then goes on as if nothing had
been asked for, or fails where nobody expects it.
"""

from __future__ import annotations

import difflib
import inspect
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mmengine.config import Config, ConfigDict
from mmengine.runner import Runner

from hrnet_mm.base.errors import UserError, did_you_mean

DELETE = '_delete_'  # as in MMEngine's configs: KEY._delete_=True empties KEY first
ABSENT = object()
# The keys of a config that the Runner and MMEngine read, whether they stand there or not.
RUNNER_KEYS = {
    *inspect.signature(Runner).parameters,
    'activation_checkpointing',
    'compile',
    'custom_imports',
    'efficient_conv_bn_eval',
    'find_unused_parameters',
    'model_wrapper_cfg',
    'sync_bn',
}
FREE_FORM = ('custom_keys', 'metainfo')  # dicts in which the user chooses the keys
# The ratio of difflib above which a key is misspelt: flip_tset and flip_test have 0.89, num_classes
# and in_channels 0.45.
CLOSE = 0.85
LIKE_A_NUMBER = re.compile(r'[+-]?(\.?[0-9]|nan$)', re.IGNORECASE)
LIKE_A_BOOL = ('yes', 'no', 'on', 'off', 'y', 'n', 't', 'f')
LIKE_NONE = ('none', 'null')


def apply_options(cfg: Config, options: Mapping[str, Any]) -> None:
    """Set the values of dotted keys, as ``model.backbone.arch`` or ``custom_hooks.0.priority``.

    Args:
        cfg: the config, which is changed. Where two of its keys hold the same object, only the one
            that is named changes.
        options: values by key. A value that is a dict is merged, as MMEngine does it.

    Raises:
        UserError: a key changes nothing, or its value is not of the kind that stands there.
    """
    for key in sorted(options, key=lambda key: not key.endswith(f'.{DELETE}')):
        first, *path = key.split('.')
        check_first_key(first, path, cfg, key)
        try:
            cfg[first] = with_value(cfg.get(first, ABSENT), path, options[key], first)
        except UserError as error:
            raise UserError(f'--cfg-options {key}: {error}') from error


def with_value(part: Any, path: Sequence[str], value: Any, key: str) -> Any:
    """A copy of a part of a config in which a path leads to another value.

    Args:
        part: what stands there, or ABSENT; it stays as it is.
        path: the names and indices that lead on from it, for example ``['backbone', 'arch']``.
        value: the value at the end of the path.
        key: the key of the part, for messages: ``'model'``.
    """
    if not path:
        return merged(part, value, key)
    name, *rest = path
    if isinstance(part, list | tuple):
        items = list(part)
        index = index_in(items, name, key)
        items[index] = with_value(items[index], rest, value, f'{key}.{name}')
        return type(part)(items)
    if part is None or part is ABSENT:
        part = ConfigDict()
    if not isinstance(part, dict):
        raise UserError(f'{key} is {part!r} in the config and has no keys')
    if name == DELETE and not rest:
        return ConfigDict() if value else part
    if name not in part:
        check_new_key(name, part, key)
    copy = part.copy()
    copy[name] = with_value(part.get(name, ABSENT), rest, value, f'{key}.{name}')
    return copy


def merged(part: Any, value: Any, key: str) -> Any:
    """A value merged into what stands in a config: a dict key by key, all else in its place."""
    if isinstance(value, dict):
        if not isinstance(part, dict):
            return ConfigDict(value)
        for name in sorted(value, key=lambda name: name != DELETE):
            part = with_value(part, [name], value[name], key)
        return part
    if reason := misfit(part, value, key):
        raise UserError(reason)
    return value


def misfit(part: Any, value: Any, key: str) -> str:
    """Why a value cannot be meant where a part of a config stands; empty if it can."""
    if isinstance(part, dict) and 'type' in part and value is not None:
        kind = getattr(part['type'], '__name__', part['type'])
        return f'the type {kind} stands there, whose keys are changed one by one: {key}.type=...'
    holds_dicts = isinstance(part, list | tuple) and any(isinstance(x, dict) for x in part)
    is_list = isinstance(value, list | tuple) and all(isinstance(x, dict) for x in value)
    if holds_dicts and not (value is None or is_list):
        return f'a list of dicts stands there, whose keys are changed one by one: {key}.0.KEY=...'
    if not isinstance(value, str) or isinstance(part, str) or part is ABSENT:
        return ''
    if value.lower() in LIKE_NONE:
        return f'write None, not {value}'
    if isinstance(part, bool) and value.lower() in LIKE_A_BOOL:
        return f'it is {part} in the config; write True or False, not {value}'
    if isinstance(part, int | float) and LIKE_A_NUMBER.match(value):
        return f'it is {part} in the config, and {value} is no number'
    return ''


def index_in(items: Sequence[Any], name: str, key: str) -> int:
    """The index that a name of a path means in a list of a config.

    Raises:
        UserError: the list has no such item.
    """
    if not name.isdecimal() or int(name) >= len(items):
        numbers = f'0 to {len(items) - 1}' if items else 'none, as it is empty'
        raise UserError(f'{key} is a list in the config; its numbers are {numbers}, not {name}')
    return int(name)


def check_new_key(name: str, here: Mapping[str, Any], key: str) -> None:
    """Refuse a key that is not in a dict and looks like one that is, but misspelt.

    Dicts with a ``type`` are left to the class that is built of them: it knows all its arguments.
    """
    if name.isdecimal():
        raise UserError(f'{key} is a dict in the config, no list; it has {", ".join(here)}')
    if 'type' in here or key.rpartition('.')[2] in FREE_FORM:
        return
    others = [other for other in here if _without_digits(other) != _without_digits(name)]
    if close := difflib.get_close_matches(name, others, n=1, cutoff=CLOSE):
        raise UserError(f'{key} has no {name} in the config; did you mean {close[0]}?')


def _without_digits(name: str) -> str:
    return re.sub(r'[0-9]', '', name)


def check_first_key(first: str, path: Sequence[str], cfg: Config, key: str) -> None:
    """Refuse ``modle.backbone.arch``, and variables, which were used when the file was read.

    Args:
        first: the first name of the key.
        path: the names after it.
        cfg: the config.
        key: the whole key.

    Raises:
        UserError: nothing would change.
    """
    known = {*cfg.keys(), *RUNNER_KEYS}
    if first not in known:
        hint = did_you_mean(first, known)
        raise UserError(f'--cfg-options {key}: {cfg.filename} has no key {first}{hint}')
    if first not in _read_keys(cfg) and is_used_in(cfg.text, first):
        places = list(dict.fromkeys(places_of(cfg, cfg[first])))[:3]
        where = ' and '.join('.'.join([place, *path]) for place in places) or 'what it was used for'
        if first == 'data_root':
            where = 'it by --data-root'
        raise UserError(
            f'--cfg-options {key}: {first} is a variable of the config, which was used when the '
            f'file was read: change {where}'
        )


def _read_keys(cfg: Config) -> set[str]:
    """The first keys that the Runner reads."""
    model = cfg.get('model') or {}
    # Of the two the Runner takes the model's.
    return RUNNER_KEYS - ({'data_preprocessor'} if 'data_preprocessor' in model else set())


def is_used_in(text: str, name: str) -> bool:
    """Whether the text of a config, or of its bases, uses the value of a name."""
    code = re.sub(r'#.*', '', text)
    return re.search(rf'(?<![\w.\'"])(?:_base_\.)?{name}(?![\w\'"]|\s*=[^=])', code) is not None


def places_of(cfg: Config, value: Any) -> Iterator[str]:
    """The keys that the Runner reads and under which a value stands; none for plain values."""
    if value in (None, True, False) or isinstance(value, int | float):
        return
    for first in cfg:
        if first in _read_keys(cfg):
            yield from _places_in(cfg[first], value, first)


def _without_scope(value: Any) -> Any:
    """A dict without the key that MMEngine adds to the outermost dicts of an inherited config."""
    if not isinstance(value, dict):
        return value
    return {name: item for name, item in value.items() if name != '_scope_'}


def _places_in(here: Any, value: Any, key: str) -> Iterator[str]:
    if type(here) is type(value) and _without_scope(here) == _without_scope(value):
        yield key
    elif isinstance(here, dict):
        for name in here:
            yield from _places_in(here[name], value, f'{key}.{name}')
    elif isinstance(here, list | tuple):
        for index, item in enumerate(here):
            yield from _places_in(item, value, f'{key}.{index}')
