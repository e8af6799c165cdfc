"""Checks of classes: folders, lists of labels, and the numbers of classes in a config."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mmengine.config import Config

from hrnet_mm.base.annotations import few
from hrnet_mm.base.config import as_list
from hrnet_mm.check.classes import check_class_weights, check_classes, numbers_of_classes
from hrnet_mm.check.datasets import Dataset
from hrnet_mm.check.evaluation import evaluators_of
from hrnet_mm.check.findings import Finding, first_of, stop, warn
from hrnet_mm.check.images import MOST_COMPARED, is_image, missing_files
from hrnet_mm.check.run import preprocessors_of

FOLDERS = ('img_path',)  # that the host's class cannot do without
NO_CLASSES = ('.', '_', '@')  # first letters of folders that other programs leave


@dataclass
class Samples:
    """What a dataset reads.

    Attributes:
        image_paths: of the images.
        labels: the class of each, a number; as text where it is none.
        folders: names of the folders of classes, sorted; empty where a file lists the images.
        empty: folders without an image.
        faults: what is wrong with lines of the list.
        left_out: images in the folders whose suffix is not read.
    """

    image_paths: list[str] = field(default_factory=list)
    labels: list[Any] = field(default_factory=list)
    folders: list[str] = field(default_factory=list)
    empty: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)


def read(dataset: Dataset) -> Samples:
    """List the images as the host does."""
    samples, root = Samples(), dataset.built.img_prefix
    if dataset.built.ann_file:
        read_list(dataset, samples, root)
    elif dataset.built.with_label:
        # The host leaves out hidden folders of images, not of classes.
        samples.folders = sorted(entry.name for entry in os.scandir(root) if entry.is_dir())
        for label, folder in enumerate(samples.folders):
            paths = images_below(dataset, os.path.join(root, folder), samples.left_out)
            samples.image_paths += paths
            samples.labels += [label] * len(paths)
            if not paths:
                samples.empty.append(folder)
    else:
        samples.image_paths = images_below(dataset, root, samples.left_out)
    return samples


def images_below(dataset: Dataset, folder: str, left_out: list[str]) -> list[str]:
    """The images that are read; those of another suffix are added to ``left_out``."""
    read = []
    for place, _, names in os.walk(folder, followlinks=True):
        for name in sorted(names):
            path = os.path.join(place, name)
            if dataset.built.is_valid_file(name):
                read.append(path)
            elif is_image(name):
                left_out.append(path)
    return read


def read_list(dataset: Dataset, samples: Samples, root: str) -> None:
    path = dataset.built.ann_file
    with open(path, encoding='utf-8') as file:
        for number, line in enumerate(file, 1):
            name, label = line.strip(), None
            if dataset.built.with_label:
                name, _, label = name.rpartition(' ')
                try:
                    label = int(label)
                except ValueError:
                    samples.faults.append(
                        f'{path}: line {number} is {line.strip()!r}, not a path and the number of '
                        'a class'
                    )
                    continue
            samples.image_paths.append(os.path.join(root, name))
            samples.labels.append(label)


def check_config(cfg: Config, datasets: Sequence[Dataset]) -> Iterator[Finding]:
    numbers = list(numbers_of_classes(cfg.model.get('head'), 'model.head', None))
    numbers += [
        (f'{place}.num_classes', part['num_classes'])
        for place, part in preprocessors_of(cfg)
        if isinstance(part.get('num_classes'), int)
    ]
    yield from check_classes(datasets, numbers)
    classes = next((len(dataset.classes) for dataset in datasets if dataset.classes), None)
    if classes is None and len({number for _, number in numbers}) > 1:
        yield stop(f'{" and ".join(f"{key}={number}" for key, number in numbers)} disagree')
    yield from check_class_weights(cfg.model.get('head') or {}, 'model.head', 'loss')
    yield from check_topk(cfg, classes or next((number for _, number in numbers), None))


def check_topk(cfg: Config, classes: int | None) -> Iterator[Finding]:
    """Accuracy of the best k classes is measured of at least k classes."""
    parts = [('model.head', cfg.model.get('head'))]
    parts += [part for phase in ('val', 'test') for part in evaluators_of(cfg, phase)]
    for place, part in parts:
        topk = as_list(part.get('topk')) if isinstance(part, Mapping) else []
        if classes and topk and max(topk) > classes:
            yield stop(
                f'{place}.topk is {tuple(topk)}, but there are {classes} classes: write topk=(1,)'
            )


def check_data(cfg: Config, dataset: Dataset, samples: Samples) -> Iterator[Finding]:
    """What is wrong with folders and labels."""
    yield from first_of(stop, samples.faults)
    root = dataset.built.img_prefix
    if not samples.image_paths:
        yield stop(f'{root} has no image with one of {dataset.built.extensions}')
    yield from first_of(
        warn,
        samples.left_out,
        lambda path: (
            f'{path} is left out: {dataset.key} reads images with one of '
            f'{sorted(dataset.built.extensions)}'
        ),
    )
    yield from check_copies(samples)
    yield from check_folders(dataset, samples, root)
    yield from check_labels(dataset, samples)
    if samples.image_paths and dataset.built.ann_file:
        missing = missing_files(samples.image_paths)
        yield from first_of(
            stop,
            missing,
            lambda i: f'there is no {samples.image_paths[i]}, which {dataset.built.ann_file} names',
        )


def check_copies(samples: Samples) -> Iterator[Finding]:
    """No image is of two classes, as far as images of one name or size go."""
    paths, labels = samples.image_paths, samples.labels
    alike: dict[tuple[str, int], list[int]] = {}
    for i, path in enumerate(paths if labels and len(paths) <= MOST_COMPARED else ()):
        if os.path.isfile(path):
            alike.setdefault((Path(path).name, os.path.getsize(path)), []).append(i)
    twice = [
        (first, other)
        for first, *others in alike.values()
        for other in others
        if labels[first] != labels[other]
        and Path(paths[first]).read_bytes() == Path(paths[other]).read_bytes()
    ]
    yield from first_of(
        warn,
        twice,
        lambda pair: (
            f'{paths[pair[0]]} and {paths[pair[1]]} are one image in two classes: remove one'
        ),
    )


def check_folders(dataset: Dataset, samples: Samples, root: str) -> Iterator[Finding]:
    """The folders, sorted, are the classes of the config, and no other folder is there."""
    stray = [name for name in samples.folders if name.startswith(NO_CLASSES)]
    for name in stray[:1]:
        yield stop(
            f'{root} has the folder {name!r}, which would be a class of its own and shift the '
            'numbers of the others: remove it'
        )
    yield from first_of(
        warn,
        [name for name in samples.empty if name not in stray],
        lambda name: (
            f'{os.path.join(root, name)} has no image with one of '
            f'{sorted(dataset.built.extensions)}: a class that is never seen'
        ),
    )
    classes, folders = dataset.classes, [name for name in samples.folders if name not in stray]
    if not classes or not folders:
        return
    if len(classes) != len(folders):
        yield stop(
            f'{root} has {len(folders)} folders ({few(folders)}), but {dataset.key} has '
            f'{len(classes)} classes ({few(classes)}){difference(folders, classes)}'
        )
    elif set(classes) == set(folders) and list(classes) != folders:
        yield stop(
            f'{dataset.key}.metainfo.classes is {few(classes)}, but classes are numbered by the '
            f'sorted names of the folders in {root}: write {few(folders, 12)}'
        )
    elif dataset.names_classes and set(classes) & set(folders) and set(classes) != set(folders):
        yield stop(f'{root}{difference(folders, classes)}')


def difference(folders: Sequence[str], classes: Sequence[str]) -> str:
    more = [name for name in folders if name not in classes]
    fewer = [name for name in classes if name not in folders]
    texts = [f'no class is named as the folder {few(more)}'] if more else []
    texts += [f'no folder as the class {few(fewer)}'] if fewer else []
    return f': {" and ".join(texts)}' if set(folders) & set(classes) else ''


def check_labels(dataset: Dataset, samples: Samples) -> Iterator[Finding]:
    """Labels of a list are class numbers, from 0."""
    classes = len(dataset.classes)
    path = dataset.built.ann_file
    if not path or not classes or not dataset.built.with_label:
        return
    wrong = [i for i, label in enumerate(samples.labels) if not 0 <= label < classes]
    hint = '; they count from 1, take 1 off' if samples.labels and min(samples.labels) == 1 else ''
    yield from first_of(
        stop,
        wrong,
        lambda i: (
            f'{path}: {Path(samples.image_paths[i]).name} has the label '
            f'{samples.labels[i]}, but there are the classes 0 to {classes - 1}{hint}'
        ),
    )
    absent = sorted(set(range(classes)) - set(samples.labels))
    if absent and not wrong and dataset.names_classes and dataset.phase == 'train':
        yield warn(f'{path} has no image of the class {dataset.classes[absent[0]]!r}')


def check_same_folders(
    train: tuple[Dataset, Samples], other: tuple[Dataset, Samples]
) -> Iterator[Finding]:
    """Training and evaluation have folders of the same names."""
    (dataset, ours), (evaluated, theirs) = train, other
    if not ours.folders or not theirs.folders or ours.folders == theirs.folders:
        return
    yield stop(
        f'{evaluated.built.img_prefix} ({evaluated.key}) and {dataset.built.img_prefix} '
        f'({dataset.key}) have other folders of classes: {few(theirs.folders, 12)} and '
        f'{few(ours.folders, 12)}; classes are numbered by their sorted names, so both need the '
        'same'
    )
