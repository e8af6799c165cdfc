"""Pose estimation and landmarks with mmpose: top-down, in boxes, and bottom-up, of whole images."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
from mmengine.config import Config
from mmengine.structures import InstanceData
from mmpose.models import BottomupPoseEstimator, TopdownPoseEstimator

from hrnet_mm.base.errors import UserError
from hrnet_mm.base.images import Frame
from hrnet_mm.predict.canvas import bgr_colors
from hrnet_mm.predict.drawing import draw_poses
from hrnet_mm.predict.host_model import HostModel
from hrnet_mm.predict.predictor import Prediction, Predictor
from hrnet_mm.predict.results import rounded


class PosePredictor(Predictor):
    """A pose model of mmpose: top-down, one pose in each box, or bottom-up, all of an image."""

    kinds = (TopdownPoseEstimator, BottomupPoseEstimator)

    def __init__(self, model: HostModel, cfg: Config, batch_size: int | None) -> None:
        self.takes_boxes = isinstance(model.module, TopdownPoseEstimator)
        super().__init__(model, cfg, batch_size or (8 if self.takes_boxes else 1))
        self._meta = model.meta or _config_meta(cfg)
        self.header = {'keypoint_names': list(self._meta['keypoint_id2name'].values())}
        self.task = 'top-down pose' if self.takes_boxes else 'bottom-up pose'
        self.drawing = partial(
            draw_record,
            links=self._meta['skeleton_links'],
            link_colors=bgr_colors(self._meta['skeleton_link_colors']),
            keypoint_colors=bgr_colors(self._meta['keypoint_colors']),
        )

    def predict(
        self, frames: Sequence[Frame], boxes: Sequence[np.ndarray] | None = None
    ) -> list[Prediction]:
        """Predict keypoints.

        Args:
            frames: the images.
            boxes: of a top-down model for each frame (N, 5) of x, y, w, h in pixels and score;
                default: the whole image is the one box.

        Returns:
            For each frame the record ``{'instances': [...]}``, each with ``bbox`` [x, y, w, h],
            ``bbox_score``, ``keypoints`` [[x, y, score], ...] in pixels of the image, and
            ``score``, the mean of the keypoints'. Of a bottom-up model, ``bbox`` is the smallest
            box around the keypoints, and ``bbox_score`` and ``score`` are the person's, as
            mmpose's CocoMetric has it: what the head gives, or the mean of the keypoints'.

        Raises:
            UserError: a box lies outside its image.
        """
        if not self.takes_boxes:
            inputs = [frame.loaded | self._meta for frame in frames]
            samples = self.model.predict(inputs, batch_size=1)  # DEKR's head refuses more
            return [self._around_poses(sample.pred_instances) for sample in samples]
        if boxes is None:
            sizes = [frame.image.shape[:2] for frame in frames]
            boxes = [np.float32([[0, 0, width, height, 1]]) for height, width in sizes]
        crops = [(frame, box) for frame, rows in zip(frames, boxes, strict=True) for box in rows]
        inputs = [self._input_of(frame, box) for frame, box in crops]
        found = (sample.pred_instances for sample in self.model.predict(inputs, self.batch_size))
        return [self._in_boxes(rows, list(itertools.islice(found, len(rows)))) for rows in boxes]

    def _in_boxes(self, boxes: np.ndarray, found: Sequence[InstanceData]) -> Prediction:
        """The poses of an image, one in each of its boxes (N, 5)."""
        number = len(self.header['keypoint_names'])
        points = [instance.keypoints[0, :, :2] for instance in found]
        scores = [instance.keypoint_scores[0] for instance in found]
        instances = [
            {
                'bbox': rounded(box[:4], 2),
                'bbox_score': round(float(box[4]), 4),
                **self._pose(pose_points, pose_scores, pose_scores.mean()),
            }
            for box, pose_points, pose_scores in zip(boxes, points, scores, strict=True)
        ]
        fields = {
            'keypoints': np.stack(points) if found else np.zeros((0, number, 2), np.float32),
            'scores': np.stack(scores) if found else np.zeros((0, number), np.float32),
            'boxes': np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:4]], axis=1),
            'box_scores': boxes[:, 4].copy(),
        }
        return Prediction({'instances': instances}, fields | self._names())

    def _input_of(self, frame: Frame, box: np.ndarray) -> dict[str, Any]:
        x, y, w, h, score = box
        height, width = frame.image.shape[:2]
        if x >= width or y >= height or x + w <= 0 or y + h <= 0:
            raise UserError(
                f'the box {rounded(box[:4], 1)} lies outside the image, which is {width} wide and '
                f'{height} high'
            )
        return {
            **frame.loaded,
            'bbox': np.float32([[x, y, x + w, y + h]]),
            'bbox_score': np.float32([score]),
            **self._meta,
        }

    def _around_poses(self, found: InstanceData) -> Prediction:
        """All poses of an image, with a box around each."""
        points, scores = found.keypoints[..., :2], found.keypoint_scores
        person_scores = found.get('bbox_scores', scores.mean(axis=1))
        # A keypoint that a person lacks has the score 0 and no place.
        known = (scores != 0) | (scores == 0).all(axis=1, keepdims=True)
        first = np.where(known[..., None], points, np.inf).min(axis=1)
        last = np.where(known[..., None], points, -np.inf).max(axis=1)
        instances = []
        for pose_points, pose_scores, person_score, corner, size in zip(
            found.keypoints, scores, person_scores, first, last - first, strict=True
        ):
            pose = self._pose(pose_points, pose_scores, person_score)
            box = rounded([*corner, *size], 2)
            instances.append({'bbox': box, 'bbox_score': pose['score'], **pose})
        fields = {
            'keypoints': points,
            'scores': scores,
            'boxes': np.concatenate([first, last], axis=1),
            'box_scores': person_scores,
        }
        return Prediction({'instances': instances}, fields | self._names())

    def _names(self) -> dict[str, Any]:
        return {'keypoint_names': tuple(self.header['keypoint_names'])}

    def _pose(self, points: np.ndarray, scores: np.ndarray, score: float) -> dict[str, Any]:
        """Keypoints (K, 2) in pixels, their scores (K,) and the pose's, in the form of a record."""
        if len(points) != len(self.header['keypoint_names']):
            raise UserError(
                f'the model gives {len(points)} keypoints, its dataset_meta names '
                f'{len(self.header["keypoint_names"])}'
            )
        return {
            'keypoints': [
                [*rounded(point, 2), round(float(score), 4)]
                for point, score in zip(points, scores, strict=True)
            ],
            'score': round(float(score), 4),
        }


def draw_record(
    image: np.ndarray, record: dict[str, Any], score_thr: float, opacity: float, **look: Any
) -> np.ndarray:
    """Draw boxes, skeletons and keypoints; ``look``: see ``draw_poses``."""
    return draw_poses(image, record['instances'], score_thr=score_thr, **look)


def _config_meta(cfg: Config) -> dict[str, Any]:
    # Not at the top of the file: it imports the hosts' inferencers, and checkpoints have a meta.
    from mmpose.apis.inference import dataset_meta_from_config

    meta = dataset_meta_from_config(cfg)
    if meta is None:
        raise UserError(
            'neither the checkpoint nor the train_dataloader of the config tells the keypoints'
        )
    return meta
