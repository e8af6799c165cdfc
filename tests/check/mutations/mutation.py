"""What people get wrong in configs and data: each kind spoils a clean set and says what is to be
named.

A mutation gives the words that one message has to hold: the file, and the annotation, key or
value, so that who reads it knows where to look. Most are a row: which values are changed in a
config, in an entry of a COCO file or in a label map, and the words, e.g. 'topk & 5'. ``{value}`` in
them is the new value, and ``{split}`` the split. The others are functions.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np

from tests.check.sets import DataSet

Rng = np.random.Generator
Words = tuple[object, ...]
Document = dict[str, Any]  # of an annotation file
Spoil = Callable[[DataSet, Rng], Words]
SpoilFile = Callable[[Document, Rng], Words]
Changes = Mapping[str, Any]  # from a key to its new value, or a function of the old one
LabelChange = Callable[[np.ndarray], np.ndarray]

ABSENT = object()  # as a new value: the key is removed


class OneOf(tuple):
    """New values of which one is drawn."""


@dataclass(frozen=True)
class Mutation:
    """A kind of mistake: ``spoil`` makes it in a copy of the clean set of that name."""

    name: str
    clean: str
    file: str
    spoil: Spoil


class Row(NamedTuple):
    """A mutation as what it changes, and the words that a message must hold."""

    changes: Any
    words: str = ''


class Mutations(list[Mutation]):
    """The mutations of one file, added by functions and by rows, ``name=Row(changes, words)``.

    ``cleans`` are the clean sets that they are for, e.g. 'pose det'; ``split``, e.g. 'train', is
    drawn where none is given.
    """

    def __init__(self, module: str) -> None:
        self.file = module.rpartition('.')[2]

    def add(self, name: str, cleans: str, spoil: Spoil) -> None:
        self += [Mutation(name, clean, self.file, spoil) for clean in cleans.split()]

    def made_by(self, cleans: str) -> Callable[[Spoil], Spoil]:
        """Add a function that changes a set and returns the words."""

        def add(spoil: Spoil) -> Spoil:
            self.add(spoil.__name__, cleans, spoil)
            return spoil

        return add

    def in_file(self, cleans: str, split: str = '', /) -> Callable[[SpoilFile], SpoilFile]:
        """Add a function that changes an annotation file, and returns the words beside its name."""

        def add(spoil: SpoilFile) -> SpoilFile:
            def spoil_set(data: DataSet, rng: Rng) -> Words:
                where = split or a_split(rng)
                with data.document(where) as document:
                    words = spoil(document, rng)
                return file_of(where), *words

            self.add(spoil.__name__, cleans, spoil_set)
            return spoil

        return add

    def add_rows(self, cleans: str, spoil: Callable[..., Words], rows: Mapping[str, Row]) -> None:
        for name, (changes, words) in rows.items():
            self.add(name, cleans, partial(spoil, changes=changes, words=words))

    def config(self, cleans: str, /, **rows: Row) -> None:
        """Change keys of the config, see :func:`change_config`."""

        def spoil(data: DataSet, rng: Rng, changes: Changes, words: str) -> Words:
            split = a_split(rng)
            return words_of(words, change_config(data, rng, changes, split), split)

        self.add_rows(cleans, spoil, rows)

    def one_annotation(self, cleans: str, split: str = '', /, **rows: Row) -> None:
        """Change keys of an annotation; its id is to be named."""

        def spoil(data: DataSet, rng: Rng, changes: Changes, words: str) -> Words:
            where = split or a_split(rng)
            with data.document(where) as document:
                entry = one(rng, document['annotations'])
                value = change(entry, changes, rng)
            return file_of(where), entry['id'], *words_of(words, value)

        self.add_rows(cleans, spoil, rows)

    def every(self, part: str, cleans: str, split: str = '', /, **rows: Row) -> None:
        """Change keys of all 'annotations' or all 'images' of a file."""

        def spoil(data: DataSet, rng: Rng, changes: Changes, words: str) -> Words:
            where = split or a_split(rng)
            with data.document(where) as document:
                for entry in document[part]:
                    change(entry, changes, rng)
            return file_of(where), *words_of(words, split=where)

        self.add_rows(cleans, spoil, rows)

    def one_label_map(self, **rows: Row) -> None:
        """Change one label map of the set 'seg'; it is to be named."""

        def spoil(data: DataSet, rng: Rng, changes: LabelChange, words: str) -> Words:
            path = a_file(rng, data.root / 'labels' / a_split(rng))
            change_label_map(path, changes)
            return path.name, *words_of(words)

        self.add_rows('seg', spoil, rows)

    def every_label_map(self, **rows: Row) -> None:
        """Change all label maps of the set 'seg'."""

        def spoil(data: DataSet, rng: Rng, changes: LabelChange, words: str) -> Words:
            for path in label_maps(data):
                change_label_map(path, changes)
            return words_of(words)

        self.add_rows('seg', spoil, rows)


def change(part: Any, changes: Changes, rng: Rng) -> Any:
    """Set keys, e.g. ``{'pipeline.2.size': 9}``, to new values; a function is given the old one.

    Returns:
        The last new value.
    """
    for key, new in changes.items():
        *path, last = key.split('.')
        holder = part
        for name in path:
            holder = holder[int(name)] if name.isdigit() else holder[name]
        if isinstance(new, OneOf):
            new = new[int(rng.integers(len(new)))]
        if new is ABSENT:
            del holder[last]
            continue
        new = new(holder[last]) if callable(new) else copy.deepcopy(new)
        holder[last] = new
    return new


def change_config(data: DataSet, rng: Rng, changes: Changes, split: str = '') -> Any:
    """Change keys of a config.

    Keys that begin with ``train.`` or ``val.`` are those of its dataset; with ``split.`` those of
    the given one, and with ``both.`` those of both.

    Returns:
        The last new value.
    """
    splits = dict(train=['train'], val=['val'], split=[split], both=['train', 'val'])
    value = None
    for key, new in changes.items():
        first, _, rest = key.partition('.')
        if first in splits:
            for name in splits[first]:
                value = change(data.dataset(name), {rest: new}, rng)
        else:
            value = change(data.cfg, {key: new}, rng)
    return value


def words_of(text: str, value: object = '', split: str = '') -> Words:
    """The words of 'batch_size & 500'."""
    return tuple(word.format(value=value, split=split) for word in text.split(' & ') if word)


def a_split(rng: Rng) -> str:
    return str(rng.choice(['train', 'val']))


def file_of(split: str) -> str:
    return f'person_keypoints_{split}.json'


TRAIN_FILE = file_of('train')


def one(rng: Rng, entries: list[dict[str, Any]]) -> dict[str, Any]:
    """Any annotation but a crowd."""
    alone = [entry for entry in entries if not entry.get('iscrowd')]
    return alone[int(rng.integers(len(alone)))]


def a_file(rng: Rng, folder: Path, pattern: str = '*') -> Path:
    """One of the files below a folder."""
    paths = sorted(path for path in folder.rglob(pattern) if path.is_file())
    return paths[int(rng.integers(len(paths)))]


def an_annotated_image(data: DataSet, rng: Rng) -> Path:
    """The file of an image that has an annotation."""
    split = a_split(rng)
    document = json.loads(data.annotations(split).read_text())
    image_id = one(rng, document['annotations'])['image_id']
    [image] = [image for image in document['images'] if image['id'] == image_id]
    return data.root / split / image['file_name']


def cut_off(path: Path, size: int) -> None:
    """Leave the first bytes of a file."""
    path.write_bytes(path.read_bytes()[:size])


def label_maps(data: DataSet, split: str = '') -> list[Path]:
    """The label maps of the set 'seg', of one split or of all."""
    return sorted((data.root / 'labels' / split).rglob('*.png'))


def change_label_map(path: Path, change: LabelChange) -> None:
    cv2.imwrite(str(path), change(cv2.imread(str(path), cv2.IMREAD_UNCHANGED)))
