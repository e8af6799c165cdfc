"""What is typed after ``--cfg-options``: ``KEY=VALUE``, and nothing that only looks like it.

A value is a number, ``True``, ``False``, ``None``, a text, or a list ``[a,b]`` (also ``a,b``) or
tuple ``(a,b)`` of values. In quotes, anything is a text: ``'"0.5"'``, ``'"a, b"'``.
"""

from __future__ import annotations

import re
import shlex
from argparse import Action, ArgumentParser, Namespace
from collections.abc import Sequence
from typing import Any

QUOTES = '\'"'
CLOSING = {'[': ']', '(': ')', '{': '}'}
KEY = re.compile(r'[^\s.]+(\.[^\s.]+)*')
INTEGER = re.compile(r'[+-]?(0|[1-9][0-9]*)')
FLOAT = re.compile(r'[+-]?([0-9]+\.[0-9]*|\.[0-9]+|[0-9]+(?=[eE]))([eE][+-]?[0-9]+)?|[+-]?inf')
CALL = re.compile(r'[\w.]+\(.*\)', re.DOTALL)  # dict(b=1), but not photos (1)/a.jpg
NOT_TYPED = 'a dict is not typed as one: write each of its keys as KEY.SUBKEY=VALUE'
TO_QUOTE = 'if it is meant as a text, put it into quotes: KEY=\'"..."\''


class ConfigOptions(Action):
    """``KEY=VALUE`` pairs, several after one flag, and the flag several times."""

    def __call__(
        self,
        parser: ArgumentParser,
        namespace: Namespace,
        values: str | Sequence[Any] | None,
        option_string: str | None = None,
    ) -> None:
        options = dict(getattr(namespace, self.dest) or {})
        for pair in values or ():
            try:
                key, value = parse_pair(pair)
                check_agrees(key, options)
            except ValueError as error:
                parser.error(f'argument --cfg-options: {pair}: {error}')
            options[key] = value
        setattr(namespace, self.dest, options)


def parse_pair(text: str) -> tuple[str, Any]:
    """``'model.backbone.arch=w48'`` -> ('model.backbone.arch', 'w48').

    Raises:
        ValueError: it is no KEY=VALUE; saying why.
    """
    key, equals, value = text.partition('=')
    if not equals:
        raise ValueError(
            'not KEY=VALUE, as model.backbone.arch=w48 is; other arguments go before --cfg-options'
        )
    if not KEY.fullmatch(key):
        raise ValueError(f'{key!r} is no key; keys are joined by dots, as in model.backbone.arch')
    return key, parse_value(value)


def as_typed(options: dict[str, Any] | None) -> str:
    """As a shell takes it: ``{'model.arch': 'w48'}`` -> ' --cfg-options model.arch=w48'."""
    pairs = []
    for key, value in (options or {}).items():
        # A text that would be read as something else, such as '0.5' or 'a,b', stands in quotes.
        is_plain = isinstance(value, str) and re.fullmatch(r'[A-Za-z_][\w/.-]*', value)
        plain = is_plain and parse_value(value) == value  # 'None' is not
        pairs.append(shlex.quote(f'{key}={value if plain else repr(value)}'))
    return ' '.join([' --cfg-options', *pairs]) if pairs else ''


def check_agrees(key: str, options: dict[str, Any]) -> None:
    """Make sure that a key does not replace what another changes, nor the other way round.

    Raises:
        ValueError: it does, as ``model.backbone=None`` beside ``model.backbone.arch=w48``.
    """
    for other in options:
        if key.startswith(f'{other}.') or other.startswith(f'{key}.'):
            raise ValueError(f'it contradicts {other}=..., as one of the two is inside the other')


def parse_value(text: str) -> Any:
    """A value as it is meant: ``'[1,(a,None)]'`` -> [1, ('a', None)]; ``'1,2'`` -> [1, 2].

    Raises:
        ValueError: it is no value that can be typed; saying what to type.
    """
    items = split(text)
    return _parse_item(items[0]) if len(items) == 1 else _parse_items(items)


def split(text: str) -> list[str]:
    """The parts of a text between the commas that are in no brackets and in no quotes.

    Raises:
        ValueError: a bracket or a quotation mark has no partner.
    """
    parts, open_brackets, quote, start = [], [], '', 0
    for index, char in enumerate(text):
        if quote:
            quote = '' if char == quote else quote
        elif char in QUOTES and not _last(text[start:index]).strip():
            quote = char  # only at the start of an item: an apostrophe stands inside a word
        elif char in CLOSING:
            open_brackets.append(CLOSING[char])
        elif char in CLOSING.values() and (not open_brackets or open_brackets.pop() != char):
            raise ValueError(f'{char} closes no bracket; {TO_QUOTE}')
        elif char == ',' and not open_brackets:
            parts.append(text[start:index])
            start = index + 1
    if quote or open_brackets:
        raise ValueError(f'{quote or open_brackets[-1]} is missing at its end; {TO_QUOTE}')
    return [*parts, text[start:]]


def _last(text: str) -> str:
    """What follows the last comma or opening bracket."""
    return re.split(r'[,\[({]', text)[-1]


def _parse_items(items: list[str]) -> list[Any]:
    if not items[-1].strip():  # behind a last comma, as in (1,), and in ()
        items = items[:-1]
    return [_parse_item(item) for item in items]


def _parse_item(text: str) -> Any:
    text = text.strip()
    if not text:
        raise ValueError('a value is missing; an empty text is typed as KEY=\'""\'')
    first, inside = text[0], text[1:-1]
    if first in QUOTES:
        if len(text) == 1 or text[-1] != first or first in inside:
            raise ValueError(f'something stands behind the text in quotes: {text}')
        return inside
    if first == '{' or CALL.fullmatch(text):
        raise ValueError(f'{NOT_TYPED}; {TO_QUOTE}')
    if first in '[(':
        if text[-1] != CLOSING[first]:
            raise ValueError(f'something stands behind the brackets: {text}')
        items = _parse_items(split(inside))
        return items if first == '[' else tuple(items)
    return _parse_word(text)


def _parse_word(text: str) -> Any:
    if INTEGER.fullmatch(text):
        return int(text)
    if FLOAT.fullmatch(text):
        return float(text)
    if text.lower() in ('true', 'false'):
        return text.lower() == 'true'
    return None if text == 'None' else text
