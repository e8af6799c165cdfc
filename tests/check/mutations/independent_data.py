"""Mistakes that were collected without knowledge of the checks: data."""

from __future__ import annotations

import shutil

import cv2
import numpy as np
from PIL import Image

from tests.check.mutations.classification import listed, write_list
from tests.check.mutations.coco import as_corners
from tests.check.mutations.mutation import (
    ABSENT,
    Document,
    Mutations,
    Rng,
    Row,
    Words,
    a_file,
    a_split,
    change_config,
    cut_off,
    file_of,
    label_maps,
    one,
)
from tests.check.mutations.pose import body, moved, points_of, write_detections
from tests.check.sets import REGIONS, DataSet

mistakes = Mutations(__name__)


def as_center(box: list[float]) -> list[float]:
    x, y, w, h = box
    return [x + w / 2, y + h / 2, w, h]


def as_pairs(polygons: list[list[float]]) -> list[list[list[float]]]:
    [polygon] = polygons
    return [np.reshape(polygon, (-1, 2)).tolist()]


# Annotations.
mistakes.every(
    'annotations',
    'pose det',
    boxes_as_centers=Row(dict(bbox=as_center), 'bbox'),
)
mistakes.every(
    'annotations',
    'pose',
    all_x_before_all_y=Row(dict(keypoints=moved(lambda points: points.T)), 'keypoints'),
)
mistakes.one_annotation(
    'pose det',
    iscrowd_as_text=Row(dict(iscrowd=str), 'iscrowd'),
)
mistakes.one_annotation(
    'det',
    'train',
    polygon_without_its_list=Row(dict(segmentation=lambda polygons: polygons[0]), 'segmentation'),
    polygon_of_pairs=Row(dict(segmentation=as_pairs), 'segmentation'),
)


@mistakes.in_file('pose')
def keypoints_relative_to_the_box(document: Document, rng: Rng) -> Words:
    for entry in document['annotations']:
        points = points_of(entry['keypoints']) - [*entry['bbox'][:2], 0]
        entry['keypoints'] = points.ravel().tolist()
    return 'keypoints', 'bbox'


@mistakes.in_file('pose')
def unknown_points_are_visible_at_0_0(document: Document, rng: Rng) -> Words:
    entry = one(rng, document['annotations'])
    points = points_of(entry['keypoints'])
    points[rng.choice(17, 3, replace=False)] = [0, 0, 2]
    entry['keypoints'] = points.ravel().tolist()
    return entry['id'], 'keypoints'


@mistakes.made_by('pose')
def detections_as_corners(data: DataSet, rng: Rng) -> Words:
    return write_detections(
        data, lambda boxes: [box.update(bbox=as_corners(box['bbox'])) for box in boxes]
    ), 'bbox'


@mistakes.made_by('pose')
def detections_without_scores(data: DataSet, rng: Rng) -> Words:
    return write_detections(data, lambda boxes: [box.pop('score') for box in boxes]), 'score'


@mistakes.made_by('pose det')
def folder_twice_in_paths(data: DataSet, rng: Rng) -> Words:
    split = a_split(rng)
    with data.document(split) as document:
        for image in document['images']:
            image['file_name'] = f'{split}/{image["file_name"]}'
    return file_of(split), f'{split}/{split}'


# Images and label maps.
@mistakes.made_by('pose det')
def pictures_that_are_turned_when_read(data: DataSet, rng: Rng) -> Words:
    """A camera's orientation, which the hosts obey and the annotating tool did not."""
    split = a_split(rng)
    for path in (data.root / split).iterdir():
        image = Image.open(path)
        exif = image.getexif()
        exif[0x0112] = int(rng.choice([6, 8]))
        image.save(path, exif=exif)
    return file_of(split), 'EXIF'


@mistakes.made_by('pose det')
def images_resized_without_their_annotations(data: DataSet, rng: Rng) -> Words:
    split = a_split(rng)
    with data.document(split) as document:
        for image in document['images']:
            path = data.root / split / image['file_name']
            image['width'], image['height'] = image['width'] // 2, image['height'] // 2
            Image.open(path).resize((image['width'], image['height'])).save(path)
    return file_of(split), 'bbox'


@mistakes.made_by('pose det seg cls')
def half_of_an_image(data: DataSet, rng: Rng) -> Words:
    """A download that was cut off: the size can still be read."""
    path = a_file(rng, data.root / a_split(rng), '*.jpg')
    cut_off(path, path.stat().st_size // 2)
    return (path.name,)


@mistakes.made_by('seg')
def some_images_of_another_suffix(data: DataSet, rng: Rng) -> Words:
    split = a_split(rng)
    suffix = str(rng.choice(['.JPG', '.jpeg', '.bmp']))
    for path in sorted((data.root / split).iterdir())[: int(rng.integers(1, 3))]:
        path.rename(path.with_suffix(suffix))
    return split, suffix


@mistakes.made_by('cls')
def some_images_of_an_unread_suffix(data: DataSet, rng: Rng) -> Words:
    split = a_split(rng)
    suffix = str(rng.choice(['.gif', '.jfif', '.avif']))
    for path in sorted((data.root / split / 'cat').iterdir())[: int(rng.integers(1, 3))]:
        path.rename(path.with_suffix(suffix))
    return f'{split}/cat', suffix


@mistakes.made_by('cls')
def one_image_in_two_classes(data: DataSet, rng: Rng) -> Words:
    split = a_split(rng)
    path = sorted((data.root / split / 'cat').iterdir())[0]
    shutil.copy(path, data.root / split / 'dog' / path.name)
    return f'{split}/cat', f'{split}/dog', path.name


@mistakes.made_by('seg')
def label_maps_with_transparency(data: DataSet, rng: Rng) -> Words:
    path = label_maps(data, a_split(rng))[0]
    labels = Image.open(path)
    labels.putalpha(255)
    labels.save(path)
    return path.name, 'channel'


@mistakes.made_by('seg')
def label_maps_turned_by_a_quarter(data: DataSet, rng: Rng) -> Words:
    split = a_split(rng)
    for path in label_maps(data, split):
        cv2.imwrite(str(path), cv2.rotate(cv2.imread(str(path), 0), cv2.ROTATE_90_CLOCKWISE))
    return f'labels/{split}', '.png', 'width'


# Lists and folders.
@mistakes.made_by('pascal')
def list_with_suffixes(data: DataSet, rng: Rng) -> Words:
    split = a_split(rng)
    path = data.root / f'ImageSets/Segmentation/{split}.txt'
    suffix = str(rng.choice(['.jpg', '.jpg labels.png']))
    path.write_text(''.join(f'{name}{suffix}\n' for name in path.read_text().split()))
    return f'{split}.txt', '.jpg'


@mistakes.made_by('pascal')
def blank_line_in_a_list(data: DataSet, rng: Rng) -> Words:
    split = a_split(rng)
    path = data.root / f'ImageSets/Segmentation/{split}.txt'
    lines = path.read_text().splitlines()
    lines.insert(place := int(rng.integers(1, len(lines))), '')
    path.write_text('\n'.join(lines) + '\n')
    return f'{split}.txt', f'line {place + 1}'


@mistakes.made_by('cls')
def list_with_commas(data: DataSet, rng: Rng) -> Words:
    split = a_split(rng)
    write_list(data, split, listed(data, split, '{image},{label}'), 'list.csv')
    return 'list.csv', 'line 1'


@mistakes.made_by('cls')
def list_with_a_heading(data: DataSet, rng: Rng) -> Words:
    split = a_split(rng)
    write_list(data, split, ['filename label', *listed(data, split)])
    return 'list.txt', 'line 1', 'filename'


@mistakes.made_by('cls')
def folder_of_an_archive(data: DataSet, rng: Rng) -> Words:
    """Unpacked on another system; the classes are not named in the config."""
    name = str(rng.choice(['__MACOSX', '@eaDir']))
    for split in ('train', 'val'):
        (data.root / split / name).mkdir()
        shutil.copy(next((data.root / split / 'cat').iterdir()), data.root / split / name)
    four = dict.fromkeys(['model.head.num_classes', 'data_preprocessor.num_classes'], 4)
    change_config(data, rng, {'both.metainfo': ABSENT} | four)
    return name, 'train'


# Metainfo.
mistakes.config(
    'pose',
    sigmas_in_percent=Row({'both.metainfo': body(sigmas=[5.0] * 17)}, 'metainfo & sigmas & 5.0'),
    keypoint_ids_from_one=Row(
        {
            'both.metainfo': body(
                keypoint_info={
                    i: point | dict(id=i + 1) for i, point in body()['keypoint_info'].items()
                }
            )
        },
        'metainfo & keypoint_info & id',
    ),
    metainfo_file_that_is_not_there=Row(
        {'train.metainfo': dict(from_file='configs/_base_/datasets/my_horses.py')},
        'metainfo & my_horses.py',
    ),
)
mistakes.config(
    'seg',
    palette_of_another_length=Row(
        {'both.metainfo': dict(classes=REGIONS, palette=[[0, 0, 0], [255, 0, 0]])},
        'train_dataloader & palette & classes',
    ),
)


@mistakes.made_by('det seg')
def class_named_twice(data: DataSet, rng: Rng) -> Words:
    classes = list(data.dataset('train').metainfo.classes)
    classes[-1] = classes[-2]
    change_config(data, rng, {'both.metainfo': dict(classes=tuple(classes))})
    return 'metainfo', 'classes', str(classes[-1])
