"""What people get wrong in configs and data: each kind spoils a clean set and says what is to be
named.

A mutation returns the words that one message has to hold: the file, and the annotation, key or
value, so that who reads it knows where to look.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from tests.check.sets import DataSet

Rng = np.random.Generator
Spoil = Callable[[DataSet, Rng], tuple[object, ...]]


@dataclass(frozen=True)
class Mutation:
    """A kind of mistake: ``spoil`` makes it in a copy of the clean set of that name."""

    name: str
    clean: str
    spoil: Spoil


MUTATIONS: list[Mutation] = []


def of(*cleans: str) -> Callable[[Spoil], Spoil]:
    """Add a mutation for one or several clean sets."""

    def add(spoil: Spoil) -> Spoil:
        for clean in cleans:
            MUTATIONS.append(Mutation(spoil.__name__, clean, spoil))
        return spoil

    return add


def a_split(rng: Rng) -> str:
    return str(rng.choice(['train', 'val']))


def file_of(split: str) -> str:
    return f'person_keypoints_{split}.json'


def one(rng: Rng, entries: list[dict[str, Any]]) -> dict[str, Any]:
    """Any annotation but a crowd."""
    alone = [entry for entry in entries if not entry.get('iscrowd')]
    return alone[int(rng.integers(len(alone)))]
