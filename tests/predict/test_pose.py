"""Landmarks and bottom-up poses; test_infer.py has the bodies."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from mmpose.apis import inference_bottomup, inference_topdown, init_model

from hrnet_mm.base.errors import UserError
from hrnet_mm.base.images import read_image
from hrnet_mm.predict.canvas import canvas_of
from tests.helpers import picture
from tests.predict.helpers import Document, Run, Tiny


def test_face_landmarks_equal_mmpose(
    run: Run, document: Document, folder: Path, tiny: Tiny
) -> None:
    face = tiny('face')
    box = [20.0, 10.0, 60.0, 70.0]
    run(face, folder / 'a.jpg', boxes=[box])
    [instance] = document()['images'][0]['instances']
    assert len(instance['keypoints']) == len(document()['keypoint_names']) == 98
    host = init_model(face.config, face.checkpoint, device='cpu')
    image = read_image(folder / 'a.jpg')
    [expected] = inference_topdown(host, image, np.float32([box]), bbox_format='xywh')
    points = np.array(instance['keypoints'])[:, :2]
    assert np.abs(points - expected.pred_instances.keypoints[0]).max() < 0.006


def test_bottom_up_poses_equal_mmpose(
    run: Run, document: Document, tmp_path: Path, tiny: Tiny
) -> None:
    images = {f'{seed}.png': picture(48, 64, seed) for seed in range(2)}
    for name, image in images.items():
        cv2.imwrite(str(tmp_path / name), image)
    model = tiny('bottom_up')
    summary = run(model, tmp_path, batch_size=2, score_thr=-1e3)
    host = init_model(model.config, model.checkpoint, device='cpu')
    for record in document()['images']:
        [expected] = inference_bottomup(host, images[record['file']])
        poses = np.array([instance['keypoints'] for instance in record['instances']])
        assert np.abs(poses[..., :2] - expected.pred_instances.keypoints).max() < 0.006
        assert np.abs(poses[..., 2] - expected.pred_instances.keypoint_scores).max() < 1e-4
    assert summary.instances > 0


def test_bottom_up_boxes_hold_the_keypoints(
    run: Run, document: Document, folder: Path, tiny: Tiny
) -> None:
    run(tiny('bottom_up'), folder / 'a.jpg')
    for instance in document()['images'][0]['instances']:
        x, y, w, h = instance['bbox']
        points = np.array(instance['keypoints'])[:, :2]
        assert np.allclose(points.min(axis=0), [x, y], atol=0.011)
        assert np.allclose(points.max(axis=0), [x + w, y + h], atol=0.021)
        assert instance['bbox_score'] == instance['score']


def test_bottom_up_without_people_has_no_instances(
    run: Run, document: Document, folder: Path, tiny: Tiny
) -> None:
    nobody = {'model.head.decoder.decode_thr': 1e9}
    run(tiny('bottom_up'), folder / 'b.bmp', cfg_options=nobody)
    assert document()['images'][0]['instances'] == []
    drawn = cv2.imread(str(folder.parent / 'out' / 'b.bmp.png'))
    assert (drawn == canvas_of(cv2.imread(str(folder / 'b.bmp')))).all()


def test_boxes_are_not_for_bottom_up_models(run: Run, folder: Path, tiny: Tiny) -> None:
    with pytest.raises(UserError, match='are for top-down pose models'):
        run(tiny('bottom_up'), folder, boxes=[[1, 2, 30, 40]])
