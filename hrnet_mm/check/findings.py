"""What a check says: what stops a training, what is doubtful, and what is only counted."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal


@dataclass(frozen=True)
class Finding:
    """One sentence about a config or its data.

    Attributes:
        level: ``stop``: surely wrong; ``warning``: doubtful; ``note``: good to know, no fault.
        text: names the file, the place in it, the value and what would be right.
    """

    level: Literal['stop', 'warning', 'note']
    text: str

    def at(self, place: str) -> Finding:
        """The finding with the place in the config that leads to it."""
        return replace(self, text=f'{self.text} ({place} in the config)')


stop = partial(Finding, 'stop')
warn = partial(Finding, 'warning')
note = partial(Finding, 'note')


def first_of(
    level: Callable[[str], Finding], items: Sequence[Any], text: Callable[[Any], str] = str
) -> Iterator[Finding]:
    """One finding for all items of a kind: the text of the first, and how many more there are.

    Args:
        level: makes the finding: :func:`stop`, :func:`warn` or :func:`note`.
        items: e.g. the numbers of the annotations that have the fault; none: no finding.
        text: what is said of an item.
    """
    if len(items):
        others = f' (and {len(items) - 1} more)' if len(items) > 1 else ''
        yield level(text(items[0]) + others)


def keyed(key: str, parts: Any) -> Iterator[tuple[str, Any]]:
    """Each part of a config with its key: 'model.neck[1]' in a list, else 'model.neck'."""
    if isinstance(parts, list | tuple):
        yield from ((f'{key}[{number}]', part) for number, part in enumerate(parts))
    elif parts is not None:
        yield key, parts


def nearest(name: str, names: Sequence[str]) -> str:
    """'; did you mean ...?' where a name of the list is nearly this one, else ''."""
    lower = {other.lower(): other for other in map(str, names)}
    close = difflib.get_close_matches(name.lower(), lower, n=1)
    return f'; did you mean {lower[close[0]]!r}?' if close else ''


def few_sorted(values: Iterable[Any], most: int = 12) -> str:
    """'1, 2, 30, ...': whole numbers first, by their size."""
    ordered = sorted(values, key=lambda value: (not isinstance(value, int), str(value).zfill(9)))
    return ', '.join(map(repr, ordered[:most])) + (', ...' if len(ordered) > most else '')


def row_text(values: Iterable[float]) -> str:
    """'[1, 2.5]' for a row of numbers."""
    return f'[{", ".join(map(number_text, values))}]'


def size_text(size: Iterable[float]) -> str:
    """'640x480' for a width and a height."""
    return 'x'.join(map(number_text, size))


def number_text(value: float) -> str:
    return f'{round(float(value), 3):.10g}'
