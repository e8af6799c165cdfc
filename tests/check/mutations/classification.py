"""Mistakes of folders of classes."""

from __future__ import annotations

import shutil

from tests.check.mutations.mutation import (
    Mutations,
    OneOf,
    Rng,
    Row,
    Words,
    a_file,
    a_split,
    cut_off,
)
from tests.check.sets import ANIMALS, DataSet

mistakes = Mutations(__name__)

mistakes.config(
    'cls',
    class_names_not_sorted=Row(
        {'both.metainfo': dict(classes=('dog', 'cat', 'bird'))}, 'classes & dog & bird'
    ),
    number_of_classes_of_the_classifier=Row(
        {'model.head.num_classes': OneOf((2, 4, 1000))}, 'num_classes & {value} & 3'
    ),
    number_of_classes_of_the_preprocessor=Row(
        {'data_preprocessor.num_classes': OneOf((2, 1000))},
        'data_preprocessor & num_classes & {value} & 3',
    ),
    top_5_of_3=Row({'val_evaluator.topk': (1, 5)}, 'topk & 5 & 3'),
)


@mistakes.made_by('cls')
def checkpoints_of_a_notebook(data: DataSet, rng: Rng) -> Words:
    split = a_split(rng)
    (data.root / split / '.ipynb_checkpoints').mkdir()
    return split, '.ipynb_checkpoints'


@mistakes.made_by('cls')
def class_folder_of_another_name(data: DataSet, rng: Rng) -> Words:
    (data.root / 'val/cat').rename(data.root / 'val/katze')
    for split in ('train', 'val'):
        del data.dataset(split)['metainfo']
    return 'katze', 'cat', 'val'


@mistakes.made_by('cls')
def class_folder_is_missing(data: DataSet, rng: Rng) -> Words:
    shutil.rmtree(data.root / 'val/bird')
    return 'bird', 'val'


@mistakes.made_by('cls')
def class_without_images(data: DataSet, rng: Rng) -> Words:
    split = a_split(rng)
    name = str(rng.choice(ANIMALS))
    for path in (data.root / split / name).iterdir():
        path.unlink()
    return f'{split}/{name}', 'image'


def write_list(data: DataSet, split: str, lines: list[str], name: str = 'list.txt') -> None:
    """Read the images of a split from a list."""
    (data.root / name).write_text('\n'.join(lines))
    data.dataset(split).ann_file = name


def listed(data: DataSet, split: str, line: str = '{image} {label}') -> list[str]:
    """A line for each image of a split: its path, its class and the number of it."""
    folders = sorted(ANIMALS)
    return [
        line.format(
            image=f'{path.parent.name}/{path.name}',
            name=path.parent.name,
            label=folders.index(path.parent.name),
            next=folders.index(path.parent.name) + 1,
        )
        for path in sorted((data.root / split).rglob('*.jpg'))
    ]


@mistakes.made_by('cls')
def label_in_a_list_too_large(data: DataSet, rng: Rng) -> Words:
    split = a_split(rng)
    write_list(data, split, listed(data, split, '{image} {next}'))
    return 'list.txt', len(ANIMALS)


@mistakes.made_by('cls')
def damaged_image_of_a_class(data: DataSet, rng: Rng) -> Words:
    path = a_file(rng, data.root / a_split(rng), '*.jpg')
    cut_off(path, 20)
    return (path.name,)
