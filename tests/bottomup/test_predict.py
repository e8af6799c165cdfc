"""Bottom-up models as ``infer`` and ``load`` run them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from mmengine.structures import InstanceData

from hrnet_mm.base.errors import UserError
from hrnet_mm.predict.host_model import HostModel
from hrnet_mm.predict.pose import PosePredictor


def test_a_box_is_around_the_keypoints_that_were_found() -> None:
    points = np.float32([[[10, 20], [0, 0], [30, 80]], [[5, 5], [7, 9], [0, 0]]])
    scores = np.float32([[0.9, 0, 0.5], [0, 0, 0]])
    predictor = object.__new__(PosePredictor)
    predictor.header = {'keypoint_names': ['a', 'b', 'c']}
    found = predictor._around_poses(InstanceData(keypoints=points, keypoint_scores=scores))
    boxes = [person['bbox'] for person in found.record['instances']]
    assert boxes == [[10, 20, 20, 60], [0, 0, 7, 9]]
    nobody = InstanceData(keypoints=points[:0], keypoint_scores=scores[:0])
    assert predictor._around_poses(nobody).record == {'instances': []}


def test_a_line_that_becomes_a_huge_image_is_refused() -> None:
    model = object.__new__(HostModel)
    model._after_loading = lambda loaded: dict(inputs=torch.zeros(1).expand(3, 512, 256000))
    line = dict(img=np.zeros((1, 500, 3), np.uint8))
    with pytest.raises(UserError, match='makes 256000 x 512 pixels of an image of 500 x 1'):
        model._prepared(line)
    model._prepared(dict(img=np.zeros((8000, 5000, 3), np.uint8)))
