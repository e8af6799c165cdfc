"""Checks of image files: that they are there, can be read, and have the size that is written."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from hrnet_mm.base.image_size import UnreadableImage
from hrnet_mm.base.images import IMAGE_SUFFIXES, read_image
from hrnet_mm.check.findings import Finding, first_of, stop, warn

HEADERS = 1000  # images whose size is looked up
PIXELS = 50_000_000  # that are decoded of one dataset
MOST_COMPARED = 20_000  # images of which copies are looked for
TURNED = (5, 6, 7, 8)  # EXIF orientations that exchange width and height
ORIENTATION = 274
SUFFIXES = (*IMAGE_SUFFIXES, '.jfif', '.gif', '.avif', '.heic')


def is_image(name: str) -> bool:
    """Whether a file has the suffix of an image."""
    return not name.startswith('.') and os.path.splitext(name)[1].lower() in SUFFIXES


def spread(number: int, most: int) -> list[int]:
    """At most so many of the numbers below ``number``, evenly spread."""
    return [int(i) for i in np.linspace(0, number - 1, min(number, most)).round()] if number else []


def missing_files(paths: Sequence[str]) -> list[int]:
    """Which of many paths are no files; every folder is listed once."""
    listed: dict[str, set[str]] = {}
    missing = []
    for number, path in enumerate(paths):
        folder, name = os.path.split(path)
        if folder not in listed:
            try:
                listed[folder] = set(os.listdir(folder or '.'))
            except OSError:
                listed[folder] = set()
        if name not in listed[folder]:
            missing.append(number)
    return missing


def check_presence(paths: Sequence[str], missing: Sequence[int], file: Path) -> Iterator[Finding]:
    """Every image that a file names is there; ``missing`` are the numbers of those that are not."""
    if not missing:
        return
    path = paths[missing[0]]
    yield stop(
        f'there is no {path}, which {file} names: {len(missing)} of its {len(paths)} images are '
        f'missing{elsewhere(Path(path))}'
    )


def elsewhere(path: Path) -> str:
    """Where a file of that name is, or of nearly that name."""
    folder = path.parent
    if folder.is_dir():
        alike = [p.name for p in folder.iterdir() if p.stem.lower() == path.stem.lower()]
        if alike:
            return f'; there is {folder / alike[0]}'
    for parent in (folder, *list(folder.parents)[:2]):
        for other in sorted(parent.iterdir()) if parent.is_dir() else ():
            if other.is_dir() and (other / path.name).is_file():
                return f'; there is {other / path.name}'
    return ''


def header_size(path: str) -> tuple[int, int] | None:
    """Width and height of an image as it is read; None where its header does not say."""
    try:
        with Image.open(path) as image:
            width, height = image.size
            turned = is_turned(image)
    except Exception:  # whatever a damaged file makes of a reader
        return None
    return (height, width) if turned else (width, height)


def is_turned(image: Image.Image) -> bool:
    """Whether a camera's orientation turns an image by a quarter when it is read."""
    return image.getexif().get(ORIENTATION) in TURNED


def check_readable(paths: Sequence[str]) -> Iterator[Finding]:
    """A sample of the images can be decoded, and no other has a broken header."""
    unreadable, pixels = [], 0
    for number in spread(len(paths), HEADERS):
        size = header_size(paths[number])
        pixels += size[0] * size[1] if size else 0
        if size is None or pixels < PIXELS:
            try:
                read_image(Path(paths[number]))
            except UnreadableImage as error:
                unreadable.append(str(error))
    yield from first_of(stop, unreadable)


def check_written_sizes(
    paths: Sequence[str], sizes: np.ndarray, ids: Sequence[object], file: Path
) -> Iterator[Finding]:
    """Images have the width and height that the annotation file says, in a sample of them."""
    other, looked_at = [], 0
    for number in spread(len(paths), HEADERS):
        found = header_size(paths[number])
        if found is None:
            continue
        looked_at += 1
        if found != tuple(sizes[number]):
            other.append((number, found))
    if not other:
        return
    (number, found), (width, height) = other[0], sizes[other[0][0]]
    swapped = ''
    if found == (height, width):
        swapped = '; width and height are exchanged'
        with Image.open(paths[number]) as image:
            if is_turned(image):
                swapped = ' as its EXIF orientation turns it when it is read'
    level = stop if len(other) > looked_at / 2 else warn
    yield level(
        f'{file}: image {ids[number]!r} has the width {width:g} and the height {height:g}, but '
        f'{paths[number]} is {found[0]}x{found[1]}{swapped} ({len(other)} of {looked_at} images '
        'that were looked at): boxes and points are in the pixels of the image as it is read'
    )


def check_overlap(
    train: Sequence[str], val: Sequence[str], train_key: str, val_key: str
) -> Iterator[Finding]:
    """No image is trained on and evaluated on, by its path or as a copy."""
    known = {os.path.normpath(path) for path in train}
    shared = [path for path in val if os.path.normpath(path) in known]
    if not shared:
        shared = copies(train, val)
    if shared:
        yield warn(
            f'{shared[0]} is read by {val_key} and by {train_key} ({len(shared)} of {len(val)} '
            'images): what is trained on is no measure; read the images of another split'
        )


def copies(train: Sequence[str], val: Sequence[str]) -> list[str]:
    """Images of a sample that are byte for byte one that is trained on, under any name."""
    by_size: dict[int, list[str]] = {}
    for path in train if len(train) <= MOST_COMPARED else ():
        if os.path.isfile(path):
            by_size.setdefault(os.path.getsize(path), []).append(path)
    found = []
    for number in spread(len(val), 50):
        path = Path(val[number])
        others = by_size.get(path.stat().st_size, []) if path.is_file() else []
        if any(Path(other).read_bytes() == path.read_bytes() for other in others[:10]):
            found.append(val[number])
    return found
