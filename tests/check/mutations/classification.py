"""Mistakes of folders of classes."""

from __future__ import annotations

import shutil

from tests.check.mutations.mutation import Rng, a_split, of
from tests.check.sets import ANIMALS, DataSet


@of('cls')
def checkpoints_of_a_notebook(data: DataSet, rng: Rng) -> tuple[object, ...]:
    split = a_split(rng)
    (data.root / split / '.ipynb_checkpoints').mkdir()
    return split, '.ipynb_checkpoints'


@of('cls')
def class_folder_of_another_name(data: DataSet, rng: Rng) -> tuple[object, ...]:
    (data.root / 'val/cat').rename(data.root / 'val/katze')
    for split in ('train', 'val'):
        del data.dataset(split)['metainfo']
    return 'katze', 'cat', 'val'


@of('cls')
def class_folder_is_missing(data: DataSet, rng: Rng) -> tuple[object, ...]:
    shutil.rmtree(data.root / 'val/bird')
    return 'bird', 'val'


@of('cls')
def class_names_not_sorted(data: DataSet, rng: Rng) -> tuple[object, ...]:
    for split in ('train', 'val'):
        data.dataset(split).metainfo = dict(classes=('dog', 'cat', 'bird'))
    return 'classes', 'dog', 'bird'


@of('cls')
def class_without_images(data: DataSet, rng: Rng) -> tuple[object, ...]:
    split = a_split(rng)
    name = str(rng.choice(ANIMALS))
    for path in (data.root / split / name).iterdir():
        path.unlink()
    return f'{split}/{name}', 'image'


@of('cls')
def number_of_classes_of_the_classifier(data: DataSet, rng: Rng) -> tuple[object, ...]:
    data.cfg.model.head.num_classes = number = int(rng.choice([2, 4, 1000]))
    return 'num_classes', number, len(ANIMALS)


@of('cls')
def number_of_classes_of_the_preprocessor(data: DataSet, rng: Rng) -> tuple[object, ...]:
    data.cfg.data_preprocessor.num_classes = number = int(rng.choice([2, 1000]))
    return 'data_preprocessor', 'num_classes', number, len(ANIMALS)


@of('cls')
def top_5_of_3(data: DataSet, rng: Rng) -> tuple[object, ...]:
    data.cfg.val_evaluator.topk = (1, 5)
    return 'topk', 5, len(ANIMALS)


@of('cls')
def label_in_a_list_too_large(data: DataSet, rng: Rng) -> tuple[object, ...]:
    split = a_split(rng)
    folders = sorted(ANIMALS)
    lines = [
        f'{path.parent.name}/{path.name} {folders.index(path.parent.name) + 1}'
        for path in sorted((data.root / split).rglob('*.jpg'))
    ]
    (data.root / 'list.txt').write_text('\n'.join(lines))
    data.dataset(split).ann_file = 'list.txt'
    return 'list.txt', len(ANIMALS)


@of('cls')
def damaged_image_of_a_class(data: DataSet, rng: Rng) -> tuple[object, ...]:
    paths = sorted((data.root / a_split(rng)).rglob('*.jpg'))
    path = paths[int(rng.integers(len(paths)))]
    path.write_bytes(path.read_bytes()[:20])
    return (path.name,)
