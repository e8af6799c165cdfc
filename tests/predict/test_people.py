"""A detector finds people, a top-down model their poses."""

from pathlib import Path

import numpy as np
import pytest
import torch
from mmdet.apis import inference_detector
from mmpose.apis import inference_topdown

from hrnet_mm.base.errors import UserError
from hrnet_mm.base.images import read_image
from hrnet_mm.inference import Detector
from hrnet_mm.predict.detector import boxes_of_class
from tests.models_of_hosts import TinyModel
from tests.predict.helpers import Document, Run


@pytest.fixture
def detector(tiny_detector: TinyModel, host_detector: torch.nn.Module, folder: Path) -> Detector:
    """It is asked for what it finds in an image of the folder."""
    found = inference_detector(host_detector, read_image(folder / 'a.jpg')).pred_instances
    category = host_detector.dataset_meta['classes'][found.labels[0]]
    config, checkpoint = Path(tiny_detector.config), Path(tiny_detector.checkpoint)
    return Detector(config, checkpoint, category, score_thr=0.1)


@pytest.mark.parametrize('batch_size', [None, 2])
def test_poses_in_detected_boxes_equal_mmdet_then_mmpose(
    run: Run,
    document: Document,
    folder: Path,
    pose: TinyModel,
    detector: Detector,
    host_detector: torch.nn.Module,
    mmpose_model: torch.nn.Module,
    batch_size: int | None,
) -> None:
    summary = run(pose, folder, detector=detector, batch_size=batch_size)
    label = host_detector.dataset_meta['classes'].index(detector.category)
    total = 0
    for record in document()['images']:
        image = read_image(folder / record['file'])
        found = inference_detector(host_detector, image).pred_instances
        found = found[(found.labels == label) & (found.scores >= detector.score_thr)].numpy()
        total += len(found)
        assert len(record['instances']) == len(found)
        expected = inference_topdown(mmpose_model, image, found.bboxes) if len(found) else []
        for instance, box_score, sample in zip(
            record['instances'], found.scores, expected, strict=True
        ):
            points = np.array(instance['keypoints'])[:, :2]
            assert np.abs(points - sample.pred_instances.keypoints[0]).max() < 0.006
            assert instance['bbox_score'] == pytest.approx(box_score, abs=1e-4)
    assert summary.instances == total > 0


def test_predictions_name_the_detector(
    run: Run, document: Document, folder: Path, pose: TinyModel, detector: Detector
) -> None:
    run(pose, folder / 'a.jpg', detector=detector)
    assert document()['detector'] == {
        'config': str(detector.config),
        'checkpoint': str(detector.checkpoint),
        'category': detector.category,
        'score_thr': 0.1,
    }


def test_without_people_there_are_no_instances(
    run: Run, document: Document, folder: Path, pose: TinyModel, detector: Detector
) -> None:
    nobody = Detector(detector.config, detector.checkpoint, 'person', score_thr=1.1)
    summary = run(pose, folder, detector=nobody)
    assert str(summary).startswith('3 images, 0 instances, ')
    assert [record['instances'] for record in document()['images']] == [[], [], []]


def test_boxes_without_a_pixel_of_the_image_are_left_out() -> None:
    from mmengine.structures import InstanceData

    bboxes = [
        [10, 10, 50, 50],
        [-5, -5, 20, 20],
        [10, 10, 10.5, 50],  # half a pixel wide
        [100, 10, 120, 50],  # right of the image
        [-20, 10, 0, 50],  # left of it
    ]
    found = InstanceData(bboxes=np.float32(bboxes), scores=np.full(5, 0.9), labels=np.zeros(5, int))
    boxes = boxes_of_class(found, label=0, score_thr=0.3, size=(80, 100))
    assert boxes[:, :4].tolist() == [[10, 10, 40, 40], [-5, -5, 25, 25]]


def test_a_detector_is_a_config_of_mmdet(run: Run, folder: Path, pose: TinyModel) -> None:
    with pytest.raises(UserError, match=r"a config of mmdet; .* has default_scope='mmpose'"):
        run(pose, folder, detector=Detector(Path(pose.config), Path(pose.checkpoint)))


@pytest.mark.parametrize(
    ('category', 'hint'), [('pearson', r'did you mean person\?'), ('qqq', 'it knows person, bicyc')]
)
def test_a_class_that_the_detector_does_not_know_is_told_so(
    run: Run, folder: Path, pose: TinyModel, detector: Detector, category: str, hint: str
) -> None:
    unknown = Detector(detector.config, detector.checkpoint, category)
    with pytest.raises(UserError, match=f'knows no {category!r}; {hint}'):
        run(pose, folder, detector=unknown)
