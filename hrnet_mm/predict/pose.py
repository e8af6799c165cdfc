"""Pose estimation and landmarks with mmpose: top-down, in boxes, and bottom-up, of whole images."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from mmengine.config import Config
from mmengine.structures import BaseDataElement
from mmpose.apis.inference import dataset_meta_from_config
from mmpose.models import BottomupPoseEstimator, TopdownPoseEstimator

from hrnet_mm.base.errors import UserError
from hrnet_mm.base.images import Frame
from hrnet_mm.predict.drawing import draw_poses
from hrnet_mm.predict.host_model import HostModel
from hrnet_mm.predict.predictor import Predictor
from hrnet_mm.predict.results import rounded


class PosePredictor(Predictor):
    """A pose model of mmpose: top-down, one pose in each box, or bottom-up, all of an image."""

    kinds = (TopdownPoseEstimator, BottomupPoseEstimator)

    def __init__(self, model: HostModel, cfg: Config, batch_size: int | None) -> None:
        self.takes_boxes = isinstance(model.module, TopdownPoseEstimator)
        super().__init__(model, cfg, batch_size or (8 if self.takes_boxes else 1))
        self._meta = model.meta or _config_meta(cfg)
        self.header = {'keypoint_names': list(self._meta['keypoint_id2name'].values())}

    def predict(
        self, frames: Sequence[Frame], boxes: Sequence[np.ndarray] | None = None
    ) -> list[dict[str, Any]]:
        """Predict keypoints.

        Args:
            frames: the images.
            boxes: of a top-down model for each frame (N, 5) of x, y, w, h in pixels and score;
                default: the whole image is the one box.

        Returns:
            For each frame ``{'instances': [...]}``, each instance with ``bbox`` [x, y, w, h],
            ``bbox_score``, ``keypoints`` [[x, y, score], ...] in pixels of the image, and
            ``score``, the mean of the keypoints'. Of a bottom-up model, ``bbox`` is the smallest
            box around the keypoints, and ``bbox_score`` is ``score``.

        Raises:
            UserError: a box lies outside its image.
        """
        if not self.takes_boxes:
            inputs = [frame.loaded | self._meta for frame in frames]
            samples = self.model.predict(inputs, batch_size=1)  # DEKR's head refuses more
            return [{'instances': self._around_poses(sample)} for sample in samples]
        if boxes is None:
            sizes = [frame.image.shape[:2] for frame in frames]
            boxes = [np.float32([[0, 0, width, height, 1]]) for height, width in sizes]
        crops = [(frame, box) for frame, rows in zip(frames, boxes, strict=True) for box in rows]
        instances = self._in_boxes(crops)
        return [{'instances': [next(instances) for _ in rows]} for rows in boxes]

    def draw(self, frame: Frame, record: dict[str, Any], score_thr: float) -> np.ndarray:
        """Draw boxes, skeletons and keypoints."""
        return draw_poses(
            frame.image,
            record['instances'],
            self._meta['skeleton_links'],
            _bgr(self._meta['skeleton_link_colors']),
            _bgr(self._meta['keypoint_colors']),
            score_thr,
        )

    def _in_boxes(self, crops: Sequence[tuple[Frame, np.ndarray]]) -> Iterator[dict[str, Any]]:
        """Find one pose in each box (5,) of an image."""
        inputs = [self._input_of(frame, box) for frame, box in crops]
        samples = self.model.predict(inputs, self.batch_size)
        for (_, box), sample in zip(crops, samples, strict=True):
            found = sample.pred_instances
            yield {
                'bbox': rounded(box[:4], 2),
                'bbox_score': round(float(box[4]), 4),
                **self._keypoints(found.keypoints[0, :, :2], found.keypoint_scores[0]),
            }

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

    def _around_poses(self, sample: BaseDataElement) -> list[dict[str, Any]]:
        """All poses of an image, with a box around each."""
        found, instances = sample.pred_instances, []
        for points, scores in zip(found.keypoints, found.keypoint_scores, strict=True):
            pose = self._keypoints(points, scores)
            corner = points.min(axis=0)
            box = [*corner, *(points.max(axis=0) - corner)]
            instances.append({'bbox': rounded(box, 2), 'bbox_score': pose['score'], **pose})
        return instances

    def _keypoints(self, points: np.ndarray, scores: np.ndarray) -> dict[str, Any]:
        """Keypoints (K, 2) in pixels and their scores (K,), in the form of a record."""
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
            'score': round(float(scores.mean()), 4),
        }


def _config_meta(cfg: Config) -> dict[str, Any]:
    with warnings.catch_warnings():
        # mmpose says that it reads the names of the keypoints from its own folder.
        warnings.filterwarnings('ignore', message='The metainfo config file')
        meta = dataset_meta_from_config(cfg)
    if meta is None:
        raise UserError(
            'neither the checkpoint nor the train_dataloader of the config tells the keypoints'
        )
    return meta


def _bgr(rgb: Any) -> np.ndarray:
    return np.asarray(rgb, np.uint8).reshape(-1, 3)[:, ::-1]
