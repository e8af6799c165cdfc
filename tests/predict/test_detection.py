from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from mmdet.apis import inference_detector
from pycocotools import mask as coco_mask

from hrnet_mm.base.errors import UserError
from hrnet_mm.base.images import read_image
from hrnet_mm.base.safe_load import safe_load
from hrnet_mm.predict.canvas import canvas_of
from tests.helpers import picture
from tests.models_of_hosts import TinyModel
from tests.predict.helpers import Document, Run

NOTHING = {'model.test_cfg.rcnn.score_thr': 1.1}


def assert_equals_mmdet(record: dict, image: np.ndarray, host: torch.nn.Module) -> None:
    expected = inference_detector(host, image).pred_instances.numpy()
    instances = record['instances']
    assert len(instances) == len(expected) > 0
    x1, y1, x2, y2 = expected.bboxes.T
    boxes = np.array([instance['bbox'] for instance in instances])
    assert np.abs(boxes - np.stack([x1, y1, x2 - x1, y2 - y1], axis=1)).max() < 0.006
    assert np.abs([i['score'] for i in instances] - expected.scores).max() < 1e-4
    assert [instance['label'] for instance in instances] == expected.labels.tolist()
    names = [host.dataset_meta['classes'][label] for label in expected.labels]
    assert [instance['category'] for instance in instances] == names
    masks = [coco_mask.decode(instance['mask']) for instance in instances]
    assert (np.stack(masks) == expected.masks).all()
    assert expected.masks.any()


@pytest.mark.parametrize('batch_size', [None, 3])
def test_images_of_all_sizes_equal_mmdet(
    run: Run,
    document: Document,
    with_gray: Path,
    tiny_detector: TinyModel,
    host_detector: torch.nn.Module,
    batch_size: int | None,
) -> None:
    summary = run(tiny_detector, with_gray, batch_size=batch_size)
    records = document()['images']
    for record in records:
        assert_equals_mmdet(record, read_image(with_gray / record['file']), host_detector)
    assert str(summary).startswith(f'4 images, {summary.instances} instances, ')
    assert summary.instances == sum(len(record['instances']) for record in records)


def test_images_of_one_size_share_a_forward_pass(
    run: Run,
    document: Document,
    tmp_path: Path,
    tiny_detector: TinyModel,
    host_detector: torch.nn.Module,
    forward_sizes: list[int],
) -> None:
    images = {f'{seed}.png': picture(64, 96, seed) for seed in range(3)}
    images['4.png'] = picture(96, 64, 4)
    (tmp_path / 'photos').mkdir()
    for name, image in images.items():
        cv2.imwrite(str(tmp_path / 'photos' / name), image)
    run(tiny_detector, tmp_path / 'photos', batch_size=4)
    assert forward_sizes == [3, 1]
    for record in document()['images']:
        assert_equals_mmdet(record, images[record['file']], host_detector)


@pytest.fixture
def forward_sizes(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """The number of images in each forward pass."""
    from mmdet.models import MaskRCNN

    sizes: list[int] = []
    predict = MaskRCNN.predict

    def counted(self: Any, inputs: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
        sizes.append(len(inputs))
        return predict(self, inputs, *args, **kwargs)

    monkeypatch.setattr(MaskRCNN, 'predict', counted)
    return sizes


def test_names_are_the_checkpoint_s_before_the_config_s(
    run: Run, document: Document, folder: Path, tiny_detector: TinyModel, tmp_path: Path
) -> None:
    run(tiny_detector, folder / 'a.jpg', draw=False)
    assert document()['class_names'][:2] == ['person', 'bicycle']
    contents = safe_load(tiny_detector.checkpoint)
    for key, meta in {
        'new.pth': {'dataset_meta': {'classes': tuple(map(str, range(100, 180)))}},
        'old.pth': {'CLASSES': list(map(str, range(100, 180)))},
    }.items():
        torch.save(contents | {'meta': meta}, tmp_path / key)
        named = TinyModel(tiny_detector.config, str(tmp_path / key))
        run(named, folder / 'a.jpg', draw=False)
        found = document()['images'][0]['instances']
        assert [i['category'] for i in found] == [str(100 + i['label']) for i in found]


def test_fewer_names_than_classes_are_told_so(
    run: Run, folder: Path, tiny_detector: TinyModel, tmp_path: Path
) -> None:
    contents = safe_load(tiny_detector.checkpoint)
    contents['meta'] = {'dataset_meta': {'classes': ('cat',)}}
    torch.save(contents, tmp_path / 'few.pth')
    with pytest.raises(UserError, match=r'gives class \d+, its dataset_meta names only 1'):
        run(TinyModel(tiny_detector.config, str(tmp_path / 'few.pth')), folder / 'a.jpg')


def test_where_nothing_is_found_there_are_no_instances(
    run: Run, document: Document, folder: Path, tiny_detector: TinyModel, tmp_path: Path
) -> None:
    summary = run(tiny_detector, folder / 'b.bmp', cfg_options=NOTHING)
    [record] = document()['images']
    assert record['instances'] == []
    assert str(summary).startswith('1 image, 0 instances, ')
    drawn = cv2.imread(str(tmp_path / 'out' / 'b.bmp.png'))
    assert (drawn == canvas_of(cv2.imread(str(folder / 'b.bmp')))).all()


def test_drawings_show_what_scores_enough(
    run: Run, folder: Path, tiny_detector: TinyModel, tmp_path: Path
) -> None:
    original = canvas_of(cv2.imread(str(folder / 'b.bmp')))
    for score_thr, differs in ((0.0, True), (1.1, False)):
        run(tiny_detector, folder / 'b.bmp', score_thr=score_thr)
        drawn = cv2.imread(str(tmp_path / 'out' / 'b.bmp.png'))
        assert (drawn != original).any() == differs


def test_boxes_are_not_for_detectors(run: Run, folder: Path, tiny_detector: TinyModel) -> None:
    with pytest.raises(UserError, match='are for top-down pose models; the model of this config'):
        run(tiny_detector, folder, boxes=[[1, 2, 30, 40]])
    assert not (folder.parent / 'out').exists()


def test_weights_that_are_nan_are_told_so(
    run: Run, folder: Path, tiny_detector: TinyModel, tmp_path: Path
) -> None:
    contents = safe_load(tiny_detector.checkpoint)
    contents['state_dict']['roi_head.bbox_head.fc_cls.bias'].fill_(float('nan'))
    torch.save(contents, tmp_path / 'nan.pth')
    with pytest.raises(UserError, match=r'nan\.pth holds broken weights: .*fc_cls\.bias is NaN'):
        run(TinyModel(tiny_detector.config, str(tmp_path / 'nan.pth')), folder)
