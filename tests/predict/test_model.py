"""One line from an image to a result: equal to the hosts' own functions, bit for bit."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from mmdet.apis import inference_detector
from mmpose.apis import MMPoseInferencer, inference_bottomup, inference_topdown, init_model
from mmpretrain.apis import ImageClassificationInferencer
from mmseg.apis import inference_model as inference_segmentor
from mmseg.apis import init_model as init_segmentor

import hrnet_mm
from hrnet_mm.base.errors import UserError
from hrnet_mm.predict.result import Result
from tests.helpers import needs_uint16, picture
from tests.models_of_hosts import TinyModel
from tests.predict.helpers import Document, Loaded, Run, Tiny
from tests.predict.image_kinds import KINDS, make_segmentor

DEEP = pytest.param('deep', marks=needs_uint16)
BOXES = [[10, 5, 60, 80], [40, 20, 50.5, 60.25]]
ODD = (61, 87)  # height and width


@pytest.fixture(scope='module')
def image() -> np.ndarray:
    return picture(*ODD, seed=7)


def test_poses_in_boxes_equal_mmpose(
    loaded: Loaded, image: np.ndarray, mmpose_model: torch.nn.Module
) -> None:
    result = loaded('pose')(image, boxes=BOXES)
    expected = inference_topdown(mmpose_model, image, np.float32(BOXES), bbox_format='xywh')
    found = [sample.pred_instances for sample in expected]
    assert np.array_equal(result.keypoints, np.concatenate([f.keypoints for f in found]))
    assert np.array_equal(result.scores, np.concatenate([f.keypoint_scores for f in found]))
    assert np.array_equal(result.boxes, np.concatenate([f.bboxes for f in found]))
    assert result.keypoints.shape == (2, 17, 2) and result.scores.shape == (2, 17)
    assert result.box_scores.tolist() == [1, 1]
    assert result.keypoint_names[0] == 'nose'


def test_landmarks_equal_mmposes_inferencer(loaded: Loaded, tiny: Tiny, folder: Path) -> None:
    face = tiny('face')
    inferencer = MMPoseInferencer(
        face.config, face.checkpoint, device='cpu', det_model='whole_image', show_progress=False
    )
    for path in (folder / 'a.jpg', folder / 'b.bmp'):
        [answer] = inferencer(str(path))
        [[expected]] = answer['predictions']
        result = loaded('face')(path)
        assert result.keypoints[0].tolist() == expected['keypoints']
        assert result.scores[0].tolist() == expected['keypoint_scores']


def test_bottom_up_poses_equal_mmpose(loaded: Loaded, tiny: Tiny, image: np.ndarray) -> None:
    files = tiny('bottom_up')
    host = init_model(files.config, files.checkpoint, device='cpu')
    result = loaded('bottom_up')(image)
    [expected] = inference_bottomup(host, image)
    assert len(result) > 0
    assert np.array_equal(result.keypoints, expected.pred_instances.keypoints)
    assert np.array_equal(result.scores, expected.pred_instances.keypoint_scores)
    assert (result.keypoints.min(axis=1) == result.boxes[:, :2]).all()


def test_instances_equal_mmdet(
    loaded: Loaded, image: np.ndarray, host_detector: torch.nn.Module
) -> None:
    result = loaded('detection')(image)
    expected = inference_detector(host_detector, image).pred_instances.numpy()
    assert len(result) == len(expected) > 0
    for name, theirs in dict(
        boxes='bboxes', scores='scores', labels='labels', masks='masks'
    ).items():
        assert np.array_equal(getattr(result, name), expected[theirs]), name
    assert result.masks.dtype == bool and result.masks.shape == (len(result), *ODD)
    assert result.names == tuple(result.class_names[label] for label in result.labels)
    assert result.class_names[0] == 'person'


def test_label_maps_equal_mmseg(loaded: Loaded, tiny: Tiny, image: np.ndarray) -> None:
    files = tiny('segmentation')
    host = init_segmentor(files.config, files.checkpoint, device='cpu')
    result = loaded('segmentation')(image)
    expected = inference_segmentor(host, image).pred_sem_seg.data[0].numpy()
    assert result.label_map.shape == ODD
    assert np.array_equal(result.label_map, expected) and len(np.unique(expected)) > 1
    assert result.class_names[0] == 'road'


def test_classes_equal_mmpretrain(loaded: Loaded, tiny: Tiny, image: np.ndarray) -> None:
    files = tiny('classification')
    host = ImageClassificationInferencer(files.config, files.checkpoint, device='cpu')
    [expected] = host(image)
    result = loaded('classification')(image)
    assert np.array_equal(result.probabilities, expected['pred_scores'])
    assert (result.labels[0], result.names[0]) == (expected['pred_label'], expected['pred_class'])
    assert result.scores[0] == expected['pred_score'] == result.probabilities.max()


@pytest.mark.parametrize('name', ['color', 'gray', DEEP, 'rgba', 'float', 'derived loader'])
def test_arrays_of_every_kind_equal_their_files(name: str, tmp_path: Path) -> None:
    """What files give is compared with the Runner in test_loading.py."""
    files = make_segmentor(tmp_path, KINDS[name])
    model = hrnet_mm.load(files.config, files.checkpoint, device='cpu', batch_size=2)
    paths = sorted((tmp_path / 'images').iterdir())
    expected = model(paths)
    arrays = [cv2.imread(str(path), cv2.IMREAD_UNCHANGED) for path in paths]
    assert_same_labels(model(arrays), expected)
    # In the order of red, green, blue, of which alpha stays the last.
    backwards = [array[..., [2, 1, 0, 3][: array.shape[2]]] for array in arrays]
    assert_same_labels(model(backwards, channel_order='rgb'), expected)
    if name == 'color':
        others = [array.astype(np.uint16) * 257 for array in arrays]  # to 8 bits, as of a file
        assert_same_labels(model(others), expected)


def assert_same_labels(results: list[Result], expected: list[Result]) -> None:
    for result, other in zip(results, expected, strict=True):
        assert np.array_equal(result.label_map, other.label_map)
    assert max(len(np.unique(result.label_map)) for result in results) > 1


def test_a_list_of_several_sizes_equals_its_images_alone(loaded: Loaded) -> None:
    images = [picture(*size, seed) for seed, size in enumerate([(64, 96), ODD, (64, 96), (33, 40)])]
    model = loaded('pose')
    together = model(images, boxes=[BOXES, [], [[1, 2, 30, 30]], np.float64([[0, 0, 20, 20, 0.5]])])
    assert [len(result) for result in together] == [2, 0, 1, 1]
    assert [result.keypoints.shape for result in together][1] == (0, 17, 2)
    for result, image in zip(together, images, strict=True):
        boxes = np.concatenate([result.boxes[:, :2], result.boxes[:, 2:] - result.boxes[:, :2]], 1)
        assert np.abs(model(image, boxes=boxes).scores - result.scores).max(initial=0) < 1e-5
    assert together[3].box_scores.tolist() == [0.5]


def test_threads_get_what_one_thread_gets(loaded: Loaded, image: np.ndarray) -> None:
    names = ['pose', 'segmentation', 'detection'] * 2
    expected = [loaded(name)(image).to_json() for name in names]
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(lambda name: loaded(name)(image).to_json(), names))
    assert found == expected


@pytest.fixture
def category(host_detector: torch.nn.Module, image: np.ndarray) -> str:
    labels = inference_detector(host_detector, image).pred_instances.labels
    return host_detector.dataset_meta['classes'][labels[0]]


@pytest.mark.parametrize('kind', ['pair', 'loaded'])
def test_a_detector_finds_the_boxes(
    kind: str,
    loaded: Loaded,
    pose: TinyModel,
    tiny_detector: TinyModel,
    category: str,
    image: np.ndarray,
) -> None:
    pair = (tiny_detector.config, tiny_detector.checkpoint)
    detector = loaded('detection') if kind == 'loaded' else pair
    options = dict(device='cpu', det_class=category, det_score_thr=0.1)
    model = hrnet_mm.load(pose.config, pose.checkpoint, detector=detector, **options)
    found, result = loaded('detection')(image), model(image)
    taken = [name == category for name in found.names] & (found.scores >= 0.1)
    assert np.allclose(result.boxes, found.boxes[taken], atol=1e-4) and taken.any()
    assert np.array_equal(result.box_scores, found.scores[taken])
    assert len(model(image, boxes=BOXES)) == 2  # they take the detector's place


def test_results_are_what_infer_writes(
    run: Run, document: Document, loaded: Loaded, pose: TinyModel, folder: Path
) -> None:
    run(pose, folder, draw=False)
    assert [result.to_json() for result in loaded('pose')(folder)] == document()['images']


@pytest.mark.parametrize(
    ('boxes', 'message'),
    [
        ([[1, 2, 3]], r'boxes: one is \[1, 2, 3\], not \[x, y, w, h\] in pixels'),
        ([[1, 2, 0, 3]], 'with w and h above 0'),
        ('boxes.json', r"boxes are \[\[x, y, w, h\], ...\] in pixels, not 'boxes.json'"),
        ([[500, 2, 9, 9]], r'array: the box \[500.0, 2.0, 9.0, 9.0\] lies outside the image'),
        ([[BOXES[0]], []], 'boxes of 2 images are given, and there are 3'),
    ],
)
def test_boxes_that_are_none_are_told_so(
    loaded: Loaded, image: np.ndarray, boxes: Any, message: str
) -> None:
    with pytest.raises(UserError, match=message):
        loaded('pose')([image, image, image] if boxes == [[BOXES[0]], []] else image, boxes=boxes)


@pytest.mark.parametrize('name', ['detection', 'bottom_up'])
def test_other_models_take_no_boxes(loaded: Loaded, image: np.ndarray, name: str) -> None:
    with pytest.raises(UserError, match='are for top-down pose models'):
        loaded(name)(image, boxes=BOXES)


def test_a_model_says_what_it_is(loaded: Loaded) -> None:
    assert repr(loaded('face')) == '<Model tiny_face: top-down pose, on cpu>'
    assert loaded('detection').task == 'instance segmentation'


def test_what_a_model_fails_on_is_told_by_name(
    loaded: Loaded, image: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = loaded('segmentation')

    def fails(*_: Any, **__: Any) -> None:
        raise MemoryError('of the GPU')

    monkeypatch.setattr(model.predictor.model.module, 'test_step', fails)
    with pytest.raises(MemoryError, match='of the GPU'):
        model(image)
