from pathlib import Path
from typing import Any

import numpy as np
from mmdet.datasets import CocoDataset
from mmengine.config import Config
from mmseg.datasets import CityscapesDataset

from hrnet_mm.predict.classes import Classes, read_classes

COCO, CITYSCAPES = CocoDataset.METAINFO, CityscapesDataset.METAINFO


def config(scope: str, **dataset: Any) -> Config:
    return Config(dict(default_scope=scope, test_dataloader=dict(dataset=dataset)))


def test_the_dataset_s_class_tells_names_and_colors() -> None:
    classes = read_classes({}, config('mmdet', type='CocoDataset'))
    assert classes.names == COCO['classes']
    assert classes.name(0) == 'person'
    assert classes.colors_up_to(79)[0].tolist() == list(COCO['palette'][0])[::-1]


def test_the_config_s_metainfo_comes_before_the_dataset_s_class() -> None:
    metainfo = dict(classes=('cat', 'dog'), palette=[(1, 2, 3), (4, 5, 6)])
    classes = read_classes({}, config('mmdet', type='CocoDataset', metainfo=metainfo))
    assert classes.names == ('cat', 'dog')
    assert classes.colors_up_to(1).tolist() == [[3, 2, 1], [6, 5, 4]]


def test_the_checkpoint_comes_before_the_config() -> None:
    meta = dict(classes=['street'], palette=[[9, 8, 7]])
    classes = read_classes(meta, config('mmseg', type='CityscapesDataset'))
    assert classes.names == ('street',)
    assert classes.colors_up_to(0).tolist() == [[7, 8, 9]]


def test_a_checkpoint_without_colors_takes_those_of_as_many_classes() -> None:
    cfg = config('mmseg', type='CityscapesDataset')
    as_many = read_classes(dict(classes=CITYSCAPES['classes']), cfg)
    assert as_many.colors_up_to(18)[:, ::-1].tolist() == CITYSCAPES['palette']
    assert len(read_classes(dict(classes=('a', 'b')), cfg).palette) == 0
    assert len(read_classes(dict(palette='random'), cfg).palette) == 0


def test_datasets_in_wrappers_are_found() -> None:
    inner = dict(type='CocoDataset')
    assert read_classes({}, config('mmdet', type='RepeatDataset', dataset=inner)).name(1)
    joined = config('mmdet', type='ConcatDataset', datasets=[inner, dict(type='VOCDataset')])
    assert read_classes({}, joined).names == COCO['classes']


def test_names_are_read_from_a_file(tmp_path: Path) -> None:
    (tmp_path / 'classes.txt').write_text('cat\ndog\n')
    for key in (
        dict(classes=str(tmp_path / 'classes.txt')),
        dict(metainfo=dict(classes=str(tmp_path / 'classes.txt'))),
    ):
        cfg = config('mmpretrain', type='CustomDataset', **key)
        assert read_classes({}, cfg).names == ('cat', 'dog')


def test_without_names_a_label_stands_for_itself() -> None:
    assert read_classes({}, config('mmpretrain', type='CustomDataset')).name(7) == '7'
    assert read_classes({}, config('mmpretrain', type='NoSuchDataset')).name(7) == '7'


def test_colors_without_a_palette_are_apart() -> None:
    colors = Classes((), np.zeros((0, 3), np.uint8)).colors_up_to(11).astype(int)
    distances = np.abs(colors[:, None] - colors).sum(axis=2) + 999 * np.eye(12)
    assert distances.min() > 40
