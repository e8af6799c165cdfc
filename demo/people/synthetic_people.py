"""Writes the synthetic people dataset to disk, in COCO format.

<out_dir>/train/*.jpg  val/*.jpg                        images
<out_dir>/labels/train/*.png  labels/val/*.png          uint8 label maps, SEGMENTATION_CLASSES
<out_dir>/annotations/person_keypoints_{train,val}.json boxes, masks, keypoints
<out_dir>/dataset.json                                  what it was made with
"""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import cv2
import numpy as np

from demo.people.coco import PERSON, annotation
from demo.people.scene import make_scene

VERSION = 1  # of the pictures; goes up when the same seed gives other ones
SPLITS = ('train', 'val')  # the position is part of an image's seed
MANIFEST = 'dataset.json'
MIN_SIDE = 64
JPEG_QUALITY = 90
REPORTS = 8  # progress lines per split

Progress = Callable[[str], object]


def make_synthetic_people(
    out_dir: str | os.PathLike[str],
    num_train: int = 480,
    num_val: int = 80,
    image_size: tuple[int, int] = (320, 256),
    seed: int = 0,
    force: bool = False,
    crowds: bool = False,
    progress: Progress | None = print,
) -> Path:
    """Write the dataset, or keep the one that is already there with the same parameters.

    Image i of a split depends on ``seed``, the split and i alone, so that a larger dataset
    extends a smaller one. The folder appears only when it is complete.

    Args:
        out_dir: folder to create.
        num_train, num_val: number of images.
        image_size: (width, height) in pixels, each at least 64.
        seed: whole number, 0 or more.
        force: replace a dataset with other parameters that is in ``out_dir``.
        crowds: two to five people in an image, many in front of each other.
        progress: called with a line of text now and then; None for silence.

    Returns:
        The folder.

    Raises:
        ValueError: an argument is out of range, or ``out_dir`` holds something else.
        OSError: a file cannot be written.

    Example:
        >>> make_synthetic_people('data/synthetic_people', num_train=48, num_val=8)
        PosixPath('data/synthetic_people')
    """
    report = progress or (lambda line: None)
    parameters = check_parameters(num_train, num_val, image_size, seed) | {'crowds': crowds}
    folder = Path(out_dir).resolve()
    if already_there(folder, parameters, force):
        report(f'{out_dir} is complete already; keeping it')
        return Path(out_dir)

    partial = folder.with_name(f'.{folder.name}.partial-{uuid4().hex}')
    try:
        people = {split: write_split(partial, split, parameters, report) for split in SPLITS}
        manifest = {**parameters, 'people': people}
        (partial / MANIFEST).write_text(json.dumps(manifest, indent=2) + '\n')
        # Another process of the same training may have written it meanwhile.
        if not already_there(folder, parameters, force):
            publish(partial, folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return Path(out_dir)


def publish(partial: Path, folder: Path) -> None:
    """Give the complete dataset its name; what it replaces is deleted last."""
    if not folder.exists():
        partial.rename(folder)
        return
    replaced = partial.with_name(f'{partial.name}-replaced')
    folder.rename(replaced)
    partial.rename(folder)
    shutil.rmtree(replaced)


def check_parameters(
    num_train: int, num_val: int, image_size: tuple[int, int], seed: int
) -> dict[str, object]:
    """The parameters as they stand in the manifest; raises ValueError naming the wrong one."""
    for name, value in (('num_train', num_train), ('num_val', num_val), ('seed', seed)):
        if not is_whole(value) or value < 0:
            raise ValueError(f'{name} is {value!r}; it must be a whole number, 0 or more')
    sides = tuple(image_size) if isinstance(image_size, (tuple, list)) else ()
    if len(sides) != 2 or not all(is_whole(side) and side >= MIN_SIDE for side in sides):
        raise ValueError(
            f'image_size is {image_size!r}; it must be (width, height), two whole numbers of '
            f'{MIN_SIDE} or more'
        )
    return {
        'name': 'synthetic people',
        'version': VERSION,
        'seed': int(seed),
        'image_size': [int(side) for side in sides],
        'images': {'train': int(num_train), 'val': int(num_val)},
    }


def is_whole(value: object) -> bool:
    """Whether a value is a whole number (and not a truth value)."""
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)


def read_manifest(folder: Path) -> dict[str, object]:
    """What a dataset was made with; raises ValueError when the folder is not such a dataset."""
    try:
        manifest = json.loads((folder / MANIFEST).read_text())
        if manifest['name'] == 'synthetic people':
            return manifest
    except (OSError, ValueError, KeyError, TypeError):
        pass
    raise ValueError(f'{folder} is not a synthetic people dataset: it has no valid {MANIFEST}')


def already_there(folder: Path, parameters: dict[str, object], force: bool) -> bool:
    """Whether the folder already holds the dataset; False where it may be (re)written.

    Raises ValueError where writing would destroy something: a foreign folder or file (always),
    or a dataset with other parameters (unless ``force``).
    """
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return False
    try:
        found = read_manifest(folder)
    except ValueError as error:
        raise ValueError(f'{error}; choose another folder or remove it yourself') from None
    found.setdefault('crowds', False)  # of before there were any
    different = [key for key, value in parameters.items() if found.get(key) != value]
    if not different:
        return True
    if force:
        return False
    changes = ', '.join(f'{key} {found.get(key)} instead of {parameters[key]}' for key in different)
    raise ValueError(
        f'{folder} holds a dataset made with {changes}; --force (force=True) would replace it'
    )


def write_split(folder: Path, split: str, parameters: dict[str, object], report: Progress) -> int:
    """Write one split's images, label maps and annotations; returns the number of people."""
    images, labels = folder / split, folder / 'labels' / split
    annotations = folder / 'annotations'
    for directory in (images, labels, annotations):
        directory.mkdir(parents=True, exist_ok=True)
    size, count = parameters['image_size'], parameters['images'][split]
    image_records, people_records = [], []
    for index in range(count):
        rng = np.random.default_rng([parameters['seed'], SPLITS.index(split), index])
        scene = make_scene(rng, tuple(size), parameters['crowds'])
        stem = f'{index:06d}'
        quality = (cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY)
        write_image(images / f'{stem}.jpg', scene.image[..., ::-1], quality)
        write_image(labels / f'{stem}.png', scene.labels, ())
        image_records.append(
            {'id': index + 1, 'file_name': f'{stem}.jpg', 'width': size[0], 'height': size[1]}
        )
        for person in scene.people:
            people_records.append(
                annotation(len(people_records) + 1, index + 1, person.mask, person.keypoints)
            )
        if (index + 1) * REPORTS // count > index * REPORTS // count:
            report(f'{split}: {index + 1}/{count} images, {len(people_records)} people')
    document = coco_document(image_records, people_records)
    (annotations / f'person_keypoints_{split}.json').write_text(json.dumps(document))
    return len(people_records)


def write_image(path: Path, image: np.ndarray, options: tuple[int, ...]) -> None:
    """Encode and write an image; unlike cv2.imwrite it raises OSError when that fails."""
    encoded, data = cv2.imencode(path.suffix, image, options)
    if not encoded:
        raise OSError(f'cannot encode {path}')
    path.write_bytes(data.tobytes())


def coco_document(images: list[dict], annotations: list[dict]) -> dict[str, object]:
    """The whole COCO file."""
    return {
        'info': {
            'description': 'synthetic people, drawn by hrnet_mm',
            'version': str(VERSION),
            'year': 2026,
            'contributor': 'hrnet_mm',
            'url': '',
            'date_created': '',
        },
        'licenses': [
            {
                'id': 1,
                'name': 'CC0 1.0',
                'url': 'https://creativecommons.org/publicdomain/zero/1.0/',
            }
        ],
        'images': images,
        'annotations': annotations,
        'categories': [PERSON],
    }
