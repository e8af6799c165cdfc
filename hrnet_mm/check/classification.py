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
from hrnet_mm.check.classes import (
    check_names,
    check_numbers,
    check_same_names,
    names_of,
    numbers_of_classes,
)
from hrnet_mm.check.findings import Finding, first_of, stop, warn
from hrnet_mm.check.images import MOST_COMPARED, is_image, missing_files
from hrnet_mm.check.sources import Source

NO_CLASSES = ('.', '_', '@')  # first letters of folders that other programs leave


@dataclass
class Samples:
    """What a dataset reads.

    Attributes:
        names: paths of images.
        labels: the class of each, a number; as text where it is none.
        folders: names of the folders of classes, sorted; empty where a file lists the images.
        empty: folders without an image.
        faults: what is wrong with lines of the list.
        left_out: images in the folders whose suffix is not read.
    """

    names: list[str] = field(default_factory=list)
    labels: list[Any] = field(default_factory=list)
    folders: list[str] = field(default_factory=list)
    empty: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)

    @property
    def image_paths(self) -> list[str]:
        return self.names


def read(source: Source) -> Samples:
    """List the images as the host does."""
    samples, root = Samples(), source.dataset.img_prefix
    if source.dataset.ann_file:
        read_list(source, samples, root)
    elif source.dataset.with_label:
        folders = sorted(entry.name for entry in os.scandir(root) if entry.is_dir())
        # The host leaves out hidden folders of images, not of classes.
        samples.folders = folders
        for label, folder in enumerate(folders):
            paths = images_below(source, os.path.join(root, folder), samples.left_out)
            samples.names += paths
            samples.labels += [label] * len(paths)
            if not paths:
                samples.empty.append(folder)
    else:
        samples.names = images_below(source, root, samples.left_out)
    return samples


def images_below(source: Source, folder: str, left_out: list[str]) -> list[str]:
    """The images that are read; those of another suffix are added to ``left_out``."""
    read = []
    for place, _, names in os.walk(folder, followlinks=True):
        for name in sorted(names):
            path = os.path.join(place, name)
            if source.dataset.is_valid_file(name):
                read.append(path)
            elif is_image(name):
                left_out.append(path)
    return read


def read_list(source: Source, samples: Samples, root: str) -> None:
    path = source.dataset.ann_file
    with open(path, encoding='utf-8') as file:
        for number, line in enumerate(file, 1):
            name, label = line.strip(), None
            if source.dataset.with_label:
                name, _, label = name.rpartition(' ')
                try:
                    label = int(label)
                except ValueError:
                    samples.faults.append(
                        f'{path}: line {number} is {line.strip()!r}, not a path and the number of '
                        'a class'
                    )
                    continue
            samples.names.append(os.path.join(root, name))
            samples.labels.append(label)


def check_config(cfg: Config, sources: Sequence[Source]) -> Iterator[Finding]:
    yield from check_same_names(sources)
    for source in sources:
        yield from check_names(source)
    classes = next((len(names_of(s)) for s in sources if names_of(s)), None)
    numbers = places_of_numbers(cfg)
    if classes is not None:
        yield from check_numbers(numbers, classes, sources[0])
    elif len({number for _, number in numbers}) > 1:
        yield stop(f'{" and ".join(f"{key}={number}" for key, number in numbers)} disagree')
    yield from check_weights(cfg.model.get('head') or {})
    yield from check_topk(cfg, classes or next((number for _, number in numbers), None))


def check_weights(head: Mapping[str, Any]) -> Iterator[Finding]:
    """A loss has a weight for each class."""
    loss, classes = head.get('loss'), head.get('num_classes')
    weights = loss.get('class_weight') if isinstance(loss, Mapping) else None
    if isinstance(weights, list | tuple) and classes and len(weights) != classes:
        yield stop(
            f'model.head.loss.class_weight has {len(weights)} numbers, but model.head.num_classes '
            f'is {classes}: write one weight for each class'
        )


def places_of_numbers(cfg: Config) -> list[tuple[str, int]]:
    """Each ``num_classes`` and its key."""
    numbers = list(numbers_of_classes(cfg.model.get('head'), 'model.head', None))
    for place, part in (
        ('data_preprocessor', cfg.get('data_preprocessor')),
        ('model.data_preprocessor', cfg.model.get('data_preprocessor')),
    ):
        if isinstance(part, Mapping) and isinstance(part.get('num_classes'), int):
            numbers.append((f'{place}.num_classes', part['num_classes']))
    return numbers


def check_topk(cfg: Config, classes: int | None) -> Iterator[Finding]:
    """The best k of fewer classes than k are not defined."""
    parts = [('model.head', cfg.model.get('head'))]
    parts += [
        (f'{phase}_evaluator', evaluator)
        for phase in ('val', 'test')
        for evaluator in as_list(cfg.get(f'{phase}_evaluator'))
    ]
    for place, part in parts:
        topk = as_list(part.get('topk')) if isinstance(part, Mapping) else []
        if classes and topk and max(topk) > classes:
            yield stop(
                f'{place}.topk is {tuple(topk)}, but there are {classes} classes: write topk=(1,)'
            )


def check_data(cfg: Config, source: Source, samples: Samples) -> Iterator[Finding]:
    """What is wrong with folders and labels."""
    yield from first_of(stop, range(len(samples.faults)), lambda i: samples.faults[i])
    root = source.dataset.img_prefix
    if not samples.names:
        yield stop(f'{root} has no image with one of {source.dataset.extensions}')
    yield from first_of(
        warn,
        range(len(samples.left_out)),
        lambda i: (
            f'{samples.left_out[i]} is left out: {source.key} reads images with one of '
            f'{sorted(source.dataset.extensions)}'
        ),
    )
    yield from check_copies(samples)
    yield from check_folders(source, samples, root)
    yield from check_labels(source, samples)
    if samples.names and source.dataset.ann_file:
        missing = missing_files(samples.names)
        yield from first_of(
            stop,
            missing,
            lambda i: f'there is no {samples.names[i]}, which {source.dataset.ann_file} names',
        )


def check_copies(samples: Samples) -> Iterator[Finding]:
    """No image is of two classes, as far as images of one name or size go."""
    alike: dict[tuple[str, int], list[int]] = {}
    for i, path in enumerate(samples.names if len(samples.names) <= MOST_COMPARED else ()):
        if os.path.isfile(path):
            alike.setdefault((Path(path).name, os.path.getsize(path)), []).append(i)
    twice = [
        (first, other)
        for first, *others in alike.values()
        for other in others
        if samples.labels
        and samples.labels[first] != samples.labels[other]
        and Path(samples.names[first]).read_bytes() == Path(samples.names[other]).read_bytes()
    ]
    yield from first_of(
        warn,
        range(len(twice)),
        lambda i: (
            f'{samples.names[twice[i][0]]} and {samples.names[twice[i][1]]} are one image in two '
            'classes: remove one'
        ),
    )


def check_folders(source: Source, samples: Samples, root: str) -> Iterator[Finding]:
    """The folders, sorted, are the classes of the config, and no other folder is there."""
    stray = [name for name in samples.folders if name.startswith(NO_CLASSES)]
    for name in stray[:1]:
        yield stop(
            f'{root} has the folder {name!r}, which would be a class of its own and shift the '
            'numbers of the others: remove it'
        )
    yield from first_of(
        warn,
        [i for i, name in enumerate(samples.empty) if name not in stray],
        lambda i: (
            f'{os.path.join(root, samples.empty[i])} has no image with one of '
            f'{sorted(source.dataset.extensions)}: a class that is never seen'
        ),
    )
    classes, folders = names_of(source), [name for name in samples.folders if name not in stray]
    if not classes or not folders:
        return
    if len(classes) != len(folders):
        yield stop(
            f'{root} has {len(folders)} folders ({few(folders)}), but {source.key} has '
            f'{len(classes)} classes ({few(classes)}){difference(folders, classes)}'
        )
    elif set(classes) == set(folders) and list(classes) != folders:
        yield stop(
            f'{source.key}.metainfo.classes is {few(classes)}, but classes are numbered by the '
            f'sorted names of the folders in {root}: write {few(folders, 12)}'
        )
    elif source.is_custom and set(classes) & set(folders) and set(classes) != set(folders):
        yield stop(f'{root}{difference(folders, classes)}')


def difference(folders: Sequence[str], classes: Sequence[str]) -> str:
    more = [name for name in folders if name not in classes]
    fewer = [name for name in classes if name not in folders]
    texts = [f'no class is named as the folder {few(more)}'] if more else []
    texts += [f'no folder as the class {few(fewer)}'] if fewer else []
    return f': {" and ".join(texts)}' if set(folders) & set(classes) else ''


def check_labels(source: Source, samples: Samples) -> Iterator[Finding]:
    """Labels of a list are class numbers, from 0."""
    classes = len(names_of(source))
    path = source.dataset.ann_file
    if not path or not classes or not source.dataset.with_label:
        return
    wrong = [i for i, label in enumerate(samples.labels) if not 0 <= label < classes]
    hint = '; they count from 1, take 1 off' if samples.labels and min(samples.labels) == 1 else ''
    yield from first_of(
        stop,
        wrong,
        lambda i: (
            f'{path}: {Path(samples.names[i]).name} has the label '
            f'{samples.labels[i]}, but there are the classes 0 to {classes - 1}{hint}'
        ),
    )
    absent = sorted(set(range(classes)) - set(samples.labels))
    if absent and not wrong and source.is_custom and source.phase == 'train':
        yield warn(f'{path} has no image of the class {names_of(source)[absent[0]]!r}')


def check_same_folders(
    train: tuple[Source, Samples], other: tuple[Source, Samples]
) -> Iterator[Finding]:
    """Training and evaluation have folders of the same names."""
    (source, ours), (evaluated, theirs) = train, other
    if not ours.folders or not theirs.folders or ours.folders == theirs.folders:
        return
    yield stop(
        f'{evaluated.dataset.img_prefix} ({evaluated.key}) and {source.dataset.img_prefix} '
        f'({source.key}) have other folders of classes: {few(theirs.folders, 12)} and '
        f'{few(ours.folders, 12)}; classes are numbered by their sorted names, so both need the '
        'same'
    )
