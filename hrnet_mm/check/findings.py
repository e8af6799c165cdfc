"""What a check says: what stops a training, what is doubtful, and what is only counted."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal


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


def stop(text: str) -> Finding:
    return Finding('stop', text)


def warn(text: str) -> Finding:
    return Finding('warning', text)


def note(text: str) -> Finding:
    return Finding('note', text)


def first_of(
    level: Callable[[str], Finding], numbers: Sequence[int], text: Callable[[int], str]
) -> Iterator[Finding]:
    """One finding for all of a kind: the text of the first, and how many there are beside it."""
    if len(numbers):
        others = f' (and {len(numbers) - 1} more)' if len(numbers) > 1 else ''
        yield level(text(int(numbers[0])) + others)
