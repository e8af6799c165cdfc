"""Clean synthetic sets of every task, each with a config that trains on it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from mmengine.config import Config
from PIL import Image

from demo.people.synthetic_people import make_synthetic_people
from hrnet_mm.base.config import read_config, set_data_root
from tests.helpers import ROOT, small_extra

SPLITS = dict(train=8, val=4)  # images
WIDTH, HEIGHT = 160, 128
ANIMALS = ('cat', 'dog', 'bird')
REGIONS = ('background', 'road', 'roof', 'tree')


@dataclass
class DataSet:
    """A folder of data and the config that reads it, both to be changed at will."""

    root: Path
    cfg: Config

    def annotations(self, split: str) -> Path:
        return self.root / f'annotations/person_keypoints_{split}.json'

    @contextmanager
    def document(self, split: str) -> Iterator[dict[str, Any]]:
        """The annotation file of a split, written back at the end."""
        path = self.annotations(split)
        document = json.loads(path.read_text())
        yield document
        path.write_text(json.dumps(document))

    def dataset(self, split: str) -> dict[str, Any]:
        """The config of a split's dataset; the test data are the validation data."""
        return self.cfg[f'{split}_dataloader'].dataset


def copy_of(clean: DataSet, folder: Path) -> DataSet:
    """A copy of a set for one mutation; its config reads the copy."""
    shutil.copytree(clean.root, folder)
    cfg = Config(clean.cfg.to_dict())
    set_data_root(cfg, str(folder))
    return DataSet(folder, cfg)


def finished(cfg: Config, root: Path) -> DataSet:
    set_data_root(cfg, str(root))
    cfg.test_dataloader, cfg.test_evaluator = cfg.val_dataloader, cfg.val_evaluator
    return DataSet(root, Config(cfg.to_dict()))


def people(root: Path) -> DataSet:
    make_synthetic_people(root, *SPLITS.values(), image_size=(WIDTH, HEIGHT), progress=None)
    cfg = read_config(ROOT / 'tests/robustness/configs/pose.py')
    cfg.val_evaluator = dict(
        type='CocoMetric', ann_file='people/annotations/person_keypoints_val.json'
    )
    cfg.default_hooks.checkpoint.update(save_best='coco/AP', rule='greater')
    return finished(cfg, root)


def animals(root: Path) -> DataSet:
    """Boxes, polygons and a crowd in each split, as COCO's instances."""
    rng = np.random.default_rng(0)
    (root / 'annotations').mkdir(parents=True)
    for split, number in SPLITS.items():
        (root / split).mkdir()
        images, entries = [], []
        for image_id in range(1, number + 1):
            name = f'{split}_{image_id:03d}.jpg'
            cv2.imwrite(str(root / split / name), picture(rng))
            images.append(dict(id=image_id, file_name=name, width=WIDTH, height=HEIGHT))
            entries += [animal(rng, image_id, kind) for kind in rng.permutation(3)]
        entries.append(crowd())
        for number_of, entry in enumerate(entries, 101):
            entry['id'] = number_of
        categories = [dict(id=3 * i + 2, name=name) for i, name in enumerate(ANIMALS)]
        document = dict(images=images, annotations=entries, categories=categories)
        path = root / f'annotations/person_keypoints_{split}.json'
        path.write_text(json.dumps(document))
    cfg = read_config(ROOT / 'configs/demo/mask_rcnn_hrnetv2p_w18_small_synthetic_320x256.py')
    cfg.param_scheduler[0].end = 4  # iterations of warm-up, of 8
    cfg.model.roi_head.bbox_head.num_classes = len(ANIMALS)
    cfg.model.roi_head.mask_head.num_classes = len(ANIMALS)
    for split in SPLITS:
        cfg[f'{split}_dataloader'].dataset.metainfo = dict(classes=ANIMALS)
    return finished(cfg, root)


def animal(rng: np.random.Generator, image_id: int, kind: int) -> dict[str, Any]:
    x, y = int(rng.integers(2, WIDTH // 2)), int(rng.integers(2, HEIGHT // 2))
    w, h = int(rng.integers(20, WIDTH // 2)), int(rng.integers(20, HEIGHT // 2))
    corners = [x, y, x + w, y, x + w, y + h, x, y + h]
    return dict(
        image_id=image_id,
        category_id=3 * int(kind) + 2,
        bbox=[x, y, w, h],
        area=w * h,
        iscrowd=0,
        segmentation=[[float(number) for number in corners]],
    )


def crowd() -> dict[str, Any]:
    """The upper 10 rows of the first columns of the first image, as run lengths by columns."""
    runs = [0, *[10, HEIGHT - 10] * 30]
    runs[-1] += HEIGHT * (WIDTH - 30)
    return dict(
        image_id=1,
        category_id=2,
        bbox=[0, 0, 30, 10],
        area=300,
        iscrowd=1,
        segmentation=dict(size=[HEIGHT, WIDTH], counts=runs),
    )


def picture(rng: np.random.Generator) -> np.ndarray:
    coarse = rng.integers(0, 255, (8, 10, 3), dtype=np.uint8)
    return cv2.resize(coarse, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)


def label_map(rng: np.random.Generator, classes: int) -> np.ndarray:
    """Every class somewhere, and a border that is ignored."""
    labels = np.sort(rng.integers(0, classes, HEIGHT))[:, None].repeat(WIDTH, axis=1)
    labels[:, : 3 * classes] = np.arange(classes).repeat(3)
    labels[:2] = 255
    return labels.astype(np.uint8)


def regions_config(of: Callable[[str], dict[str, Any]]) -> Config:
    """The tiny segmentation with what ``of`` gives for each split as its dataset."""
    cfg = read_config(ROOT / 'tests/robustness/configs/seg.py')
    for split in SPLITS:
        dataset = cfg[f'{split}_dataloader'].dataset
        del dataset['metainfo'], dataset['data_prefix']
        dataset.update(of(split))
    return cfg


def regions(root: Path) -> DataSet:
    """Any folders of images and label maps, with classes of its own."""
    rng = np.random.default_rng(1)
    for split, number in SPLITS.items():
        (root / split).mkdir(parents=True)
        (root / 'labels' / split).mkdir(parents=True)
        for index in range(number):
            name = f'{split}_{index:03d}'
            cv2.imwrite(str(root / split / f'{name}.jpg'), picture(rng))
            labels = label_map(rng, len(REGIONS))
            cv2.imwrite(str(root / 'labels' / split / f'{name}.png'), labels)
    cfg = regions_config(
        lambda split: dict(
            metainfo=dict(classes=REGIONS),
            data_prefix=dict(img_path=split, seg_map_path=f'labels/{split}'),
        )
    )
    cfg.model.decode_head.num_classes = len(REGIONS)
    return finished(cfg, root)


def cityscapes(root: Path) -> DataSet:
    rng = np.random.default_rng(2)
    for split, number in SPLITS.items():
        images, labels = root / 'leftImg8bit' / split / 'ulm', root / 'gtFine' / split / 'ulm'
        images.mkdir(parents=True)
        labels.mkdir(parents=True)
        for index in range(number):
            stem = f'ulm_{index:06d}_000019'
            cv2.imwrite(str(images / f'{stem}_leftImg8bit.png'), picture(rng))
            cv2.imwrite(str(labels / f'{stem}_gtFine_labelTrainIds.png'), label_map(rng, 19))
    cfg = regions_config(
        lambda split: dict(
            type='CityscapesDataset',
            data_prefix=dict(img_path=f'leftImg8bit/{split}', seg_map_path=f'gtFine/{split}'),
        )
    )
    cfg.model.decode_head.num_classes = 19
    return finished(cfg, root)


def pascal(root: Path) -> DataSet:
    """Palette images, as PASCAL VOC has them, and lists of names."""
    rng = np.random.default_rng(3)
    for folder in ('JPEGImages', 'SegmentationClass', 'ImageSets/Segmentation'):
        (root / folder).mkdir(parents=True)
    for split, number in SPLITS.items():
        names = [f'2007_{split}_{index:06d}' for index in range(number)]
        (root / f'ImageSets/Segmentation/{split}.txt').write_text('\n'.join(names) + '\n')
        for name in names:
            cv2.imwrite(str(root / f'JPEGImages/{name}.jpg'), picture(rng))
            save_palette(label_map(rng, 21), root / f'SegmentationClass/{name}.png')
    cfg = regions_config(
        lambda split: dict(
            type='PascalVOCDataset',
            data_prefix=dict(img_path='JPEGImages', seg_map_path='SegmentationClass'),
            ann_file=f'ImageSets/Segmentation/{split}.txt',
        )
    )
    cfg.model.decode_head.num_classes = 21
    return finished(cfg, root)


def save_palette(labels: np.ndarray, path: Path) -> None:
    image = Image.fromarray(labels).convert('P')
    image.putdata(labels.ravel().tolist())
    image.putpalette(np.random.default_rng(0).integers(0, 255, 768).tolist())
    image.save(path)


def class_folders(root: Path) -> DataSet:
    rng = np.random.default_rng(4)
    for split, number in SPLITS.items():
        for name in sorted(ANIMALS):
            (root / split / name).mkdir(parents=True)
            for index in range(number):
                path = root / split / name / f'{split}_{name}_{index}.jpg'
                cv2.imwrite(str(path), picture(rng))
    cfg = read_config(ROOT / 'configs/cls/hrnet_w18_imagenet_224.py')
    cfg.model.backbone.update(arch=None, extra=small_extra(18))  # of the same widths, and fast
    cfg.model.head.update(num_classes=len(ANIMALS), topk=(1,))
    cfg.data_preprocessor.num_classes = len(ANIMALS)
    cfg.val_evaluator.topk = (1,)
    cfg.train_dataloader.batch_size = 8
    for split in SPLITS:
        dataset = cfg[f'{split}_dataloader'].dataset
        dataset.update(
            type='CustomDataset',
            data_root='animals',
            data_prefix=split,
            metainfo=dict(classes=tuple(sorted(ANIMALS))),
        )
        dataset.pop('split')
    return finished(cfg, root)


MAKERS: dict[str, Callable[[Path], DataSet]] = dict(
    pose=people,
    det=animals,
    seg=regions,
    cityscapes=cityscapes,
    pascal=pascal,
    cls=class_folders,
)
