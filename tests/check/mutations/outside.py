"""Mistakes that were collected without knowledge of the checks: data."""

from __future__ import annotations

import shutil
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from tests.check.mutations.mutation import Rng, a_split, file_of, of, one
from tests.check.mutations.pose import body, person_keypoints, write_boxes
from tests.check.sets import ANIMALS, REGIONS, DataSet


@of('pose', 'det')
def boxes_as_centers(data: DataSet, rng: Rng) -> tuple[object, ...]:
    split = a_split(rng)
    with data.document(split) as document:
        for entry in document['annotations']:
            x, y, w, h = entry['bbox']
            entry['bbox'] = [x + w / 2, y + h / 2, w, h]
    return file_of(split), 'bbox'


@of('pose')
def keypoints_relative_to_the_box(data: DataSet, rng: Rng) -> tuple[object, ...]:
    split = a_split(rng)
    with data.document(split) as document:
        for entry in document['annotations']:
            points = person_keypoints(entry)
            points[:, :2] -= entry['bbox'][:2]
            entry['keypoints'] = points.ravel().tolist()
    return file_of(split), 'keypoints', 'bbox'


@of('pose')
def all_x_before_all_y(data: DataSet, rng: Rng) -> tuple[object, ...]:
    split = a_split(rng)
    with data.document(split) as document:
        for entry in document['annotations']:
            entry['keypoints'] = person_keypoints(entry).T.ravel().tolist()
    return file_of(split), 'keypoints'


@of('pose')
def unknown_points_are_visible_at_0_0(data: DataSet, rng: Rng) -> tuple[object, ...]:
    split = a_split(rng)
    with data.document(split) as document:
        entry = one(rng, document['annotations'])
        points = person_keypoints(entry)
        points[rng.choice(17, 3, replace=False)] = [0, 0, 2]
        entry['keypoints'] = points.ravel().tolist()
    return file_of(split), entry['id'], 'keypoints'


@of('pose', 'det')
def iscrowd_as_text(data: DataSet, rng: Rng) -> tuple[object, ...]:
    split = a_split(rng)
    with data.document(split) as document:
        entry = one(rng, document['annotations'])
        entry['iscrowd'] = str(entry['iscrowd'])
    return file_of(split), entry['id'], 'iscrowd'


@of('pose', 'det')
def pictures_that_are_turned_when_read(data: DataSet, rng: Rng) -> tuple[object, ...]:
    """A camera's orientation, which the hosts obey and the annotating tool did not."""
    split = a_split(rng)
    for path in (data.root / split).iterdir():
        image = Image.open(path)
        exif = image.getexif()
        exif[0x0112] = int(rng.choice([6, 8]))
        image.save(path, exif=exif)
    return file_of(split), 'EXIF'


@of('pascal')
def list_with_suffixes(data: DataSet, rng: Rng) -> tuple[object, ...]:
    split = a_split(rng)
    path = data.root / f'ImageSets/Segmentation/{split}.txt'
    suffix = str(rng.choice(['.jpg', '.jpg labels.png']))
    path.write_text(''.join(f'{name}{suffix}\n' for name in path.read_text().split()))
    return f'{split}.txt', '.jpg'


@of('pascal')
def blank_line_in_a_list(data: DataSet, rng: Rng) -> tuple[object, ...]:
    split = a_split(rng)
    path = data.root / f'ImageSets/Segmentation/{split}.txt'
    lines = path.read_text().splitlines()
    lines.insert(place := int(rng.integers(1, len(lines))), '')
    path.write_text('\n'.join(lines) + '\n')
    return f'{split}.txt', f'line {place + 1}'


def list_of_images(data: DataSet, split: str, between: str) -> list[str]:
    folders = sorted(ANIMALS)
    return [
        f'{path.parent.name}/{path.name}{between}{folders.index(path.parent.name)}'
        for path in sorted((data.root / split).rglob('*.jpg'))
    ]


@of('cls')
def list_with_commas(data: DataSet, rng: Rng) -> tuple[object, ...]:
    split = a_split(rng)
    (data.root / 'list.csv').write_text('\n'.join(list_of_images(data, split, ',')))
    data.dataset(split).ann_file = 'list.csv'
    return 'list.csv', 'line 1'


@of('cls')
def list_with_a_heading(data: DataSet, rng: Rng) -> tuple[object, ...]:
    split = a_split(rng)
    lines = ['filename label', *list_of_images(data, split, ' ')]
    (data.root / 'list.txt').write_text('\n'.join(lines))
    data.dataset(split).ann_file = 'list.txt'
    return 'list.txt', 'line 1', 'filename'


@of('seg')
def some_images_of_another_suffix(data: DataSet, rng: Rng) -> tuple[object, ...]:
    split = a_split(rng)
    suffix = str(rng.choice(['.JPG', '.jpeg', '.bmp']))
    for path in sorted((data.root / split).iterdir())[: int(rng.integers(1, 3))]:
        path.rename(path.with_suffix(suffix))
    return split, suffix


@of('cls')
def some_images_of_an_unread_suffix(data: DataSet, rng: Rng) -> tuple[object, ...]:
    split = a_split(rng)
    suffix = str(rng.choice(['.gif', '.jfif', '.avif']))
    for path in sorted((data.root / split / 'cat').iterdir())[: int(rng.integers(1, 3))]:
        path.rename(path.with_suffix(suffix))
    return f'{split}/cat', suffix


@of('cls')
def one_image_in_two_classes(data: DataSet, rng: Rng) -> tuple[object, ...]:
    split = a_split(rng)
    source = sorted((data.root / split / 'cat').iterdir())[0]
    shutil.copy(source, data.root / split / 'dog' / source.name)
    return f'{split}/cat', f'{split}/dog', source.name


@of('cls')
def folder_of_an_archive(data: DataSet, rng: Rng) -> tuple[object, ...]:
    """Unpacked on another system; the classes are not named in the config."""
    name = str(rng.choice(['__MACOSX', '@eaDir']))
    for split in ('train', 'val'):
        (data.root / split / name).mkdir()
        shutil.copy(next((data.root / split / 'cat').iterdir()), data.root / split / name)
        del data.dataset(split)['metainfo']
    for holder in (data.cfg.model.head, data.cfg.data_preprocessor):
        holder.num_classes = len(ANIMALS) + 1
    return name, 'train'


@of('pose')
def sigmas_in_percent(data: DataSet, rng: Rng) -> tuple[object, ...]:
    for split in ('train', 'val'):
        data.dataset(split).metainfo = body(sigmas=[5.0] * 17)
    return 'metainfo', 'sigmas', '5.0'


@of('pose')
def keypoint_ids_from_one(data: DataSet, rng: Rng) -> tuple[object, ...]:
    info = body()
    for keypoint in info['keypoint_info'].values():
        keypoint['id'] += 1
    for split in ('train', 'val'):
        data.dataset(split).metainfo = info
    return 'metainfo', 'keypoint_info', 'id'


@of('pose')
def metainfo_file_that_is_not_there(data: DataSet, rng: Rng) -> tuple[object, ...]:
    data.dataset('train').metainfo = dict(from_file='configs/_base_/datasets/my_horses.py')
    return 'metainfo', 'my_horses.py'


@of('det')
def polygon_without_its_list(data: DataSet, rng: Rng) -> tuple[object, ...]:
    with data.document('train') as document:
        entry = one(rng, document['annotations'])
        [entry['segmentation']] = entry['segmentation']
    return file_of('train'), entry['id'], 'segmentation'


@of('det')
def polygon_of_pairs(data: DataSet, rng: Rng) -> tuple[object, ...]:
    with data.document('train') as document:
        entry = one(rng, document['annotations'])
        [polygon] = entry['segmentation']
        entry['segmentation'] = [np.reshape(polygon, (-1, 2)).tolist()]
    return file_of('train'), entry['id'], 'segmentation'


@of('pose', 'det')
def images_resized_without_their_annotations(data: DataSet, rng: Rng) -> tuple[object, ...]:
    split = a_split(rng)
    with data.document(split) as document:
        for image in document['images']:
            path = data.root / split / image['file_name']
            image['width'], image['height'] = image['width'] // 2, image['height'] // 2
            Image.open(path).resize((image['width'], image['height'])).save(path)
    return file_of(split), 'bbox'


@of('pose', 'det', 'seg', 'cls')
def half_of_an_image(data: DataSet, rng: Rng) -> tuple[object, ...]:
    """A download that was cut off: the size can still be read."""
    paths = sorted((data.root / a_split(rng)).rglob('*.jpg'))
    path = paths[int(rng.integers(len(paths)))]
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    return (path.name,)


@of('det', 'seg')
def class_named_twice(data: DataSet, rng: Rng) -> tuple[object, ...]:
    classes = list(data.dataset('train').metainfo.classes)
    classes[-1] = classes[-2]
    for split in ('train', 'val'):
        data.dataset(split).metainfo = dict(classes=tuple(classes))
    return 'metainfo', 'classes', str(classes[-1])


@of('pose')
def detections_as_corners(data: DataSet, rng: Rng) -> tuple[object, ...]:
    def change(boxes: list[dict]) -> None:
        for box in boxes:
            x, y, w, h = box['bbox']
            box['bbox'] = [x, y, x + w, y + h]

    return write_boxes(data, change), 'bbox'


@of('pose')
def detections_without_scores(data: DataSet, rng: Rng) -> tuple[object, ...]:
    name = write_boxes(data, lambda boxes: [box.pop('score') for box in boxes] and None)
    return name, 'score'


@of('pose', 'det')
def folder_twice_in_paths(data: DataSet, rng: Rng) -> tuple[object, ...]:
    split = a_split(rng)
    with data.document(split) as document:
        for image in document['images']:
            image['file_name'] = f'{split}/{image["file_name"]}'
    return file_of(split), f'{split}/{split}'


@of('seg')
def label_maps_with_transparency(data: DataSet, rng: Rng) -> tuple[object, ...]:
    split = a_split(rng)
    path = sorted((data.root / 'labels' / split).iterdir())[0]
    labels = Image.open(path)
    labels.putalpha(255)
    labels.save(path)
    return path.name, 'channel'


@of('seg')
def palette_of_another_length(data: DataSet, rng: Rng) -> tuple[object, ...]:
    for split in ('train', 'val'):
        data.dataset(split).metainfo = dict(classes=REGIONS, palette=[[0, 0, 0], [255, 0, 0]])
    return 'train_dataloader', 'palette', 'classes'


@of('seg')
def label_maps_turned_by_a_quarter(data: DataSet, rng: Rng) -> tuple[object, ...]:
    split = a_split(rng)
    paths = sorted((data.root / 'labels' / split).iterdir())
    for path in paths:
        cv2.imwrite(str(path), cv2.rotate(cv2.imread(str(path), 0), cv2.ROTATE_90_CLOCKWISE))
    return f'labels/{split}', Path(paths[0]).suffix, 'width'
