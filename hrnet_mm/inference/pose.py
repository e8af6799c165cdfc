"""Top-down pose estimation and landmarks, with mmpose."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import Compose, pseudo_collate
from mmpose.apis import init_model
from mmpose.models import TopdownPoseEstimator
from mmpose.structures import PoseDataSample

from hrnet_mm.checkpoints.loading import read_checkpoint
from hrnet_mm.cli import UserError
from hrnet_mm.inference.drawing import draw_poses
from hrnet_mm.inference.inputs import Frame
from hrnet_mm.inference.weights import load_weights


class PosePredictor:
    """A top-down model of mmpose.

    Attributes:
        header: what is the same for every image: ``keypoint_names``.

    Args:
        cfg: a config whose model is a ``TopdownPoseEstimator``.
        checkpoint: its weights.
        device: where it runs.
        batch_size: the number of boxes in one forward pass.

    Raises:
        UserError: another kind of model, or a checkpoint that cannot be loaded into it.
    """

    def __init__(
        self, cfg: Config, checkpoint: Path, device: torch.device, batch_size: int
    ) -> None:
        contents = read_checkpoint(checkpoint)
        with warnings.catch_warnings():
            # mmpose says that it reads the names of the keypoints from its own folder.
            warnings.filterwarnings('ignore', message='The metainfo config file')
            self.model = init_model(cfg, device=str(device))
        if not isinstance(self.model, TopdownPoseEstimator):
            raise UserError(
                f'the model of the config is a {type(self.model).__name__}; of mmpose, only '
                'top-down models (TopdownPoseEstimator) can be run'
            )
        load_weights(self.model, contents, checkpoint)
        # As mmpose does: what the model was trained on says more than the config at hand.
        meta = contents.get('meta', {}).get('dataset_meta', self.model.dataset_meta)
        self.model.dataset_meta = meta
        self.header = {'keypoint_names': list(meta['keypoint_id2name'].values())}
        self._pipeline = Compose(cfg.test_dataloader.dataset.pipeline)
        self._batch_size = batch_size

    def predict(
        self, frames: Sequence[Frame], boxes: Sequence[np.ndarray | None]
    ) -> list[dict[str, Any]]:
        """Predict the keypoints in every box of every frame.

        Args:
            frames: the images.
            boxes: for each frame (N, 5) of x, y, w, h in pixels and score; None for one box that
                is the whole image.

        Returns:
            For each frame ``{'instances': [...]}``, each instance with ``bbox`` [x, y, w, h],
            ``bbox_score``, ``keypoints`` [[x, y, score], ...] in pixels of the image, and
            ``score``, the mean of the keypoints'.

        Raises:
            UserError: a box lies outside its image, or the model gives no numbers.
        """
        boxes = [_whole_image(f) if b is None else b for f, b in zip(frames, boxes, strict=True)]
        crops = [(frame, box) for frame, rows in zip(frames, boxes, strict=True) for box in rows]
        instances = self._instances(crops)
        return [{'instances': [next(instances) for _ in rows]} for rows in boxes]

    def draw(self, frame: Frame, record: dict[str, Any], score_thr: float) -> np.ndarray:
        """The frame with its record's boxes, skeletons and keypoints: (H, W, 3) uint8 BGR."""
        meta = self.model.dataset_meta
        return draw_poses(
            frame.image,
            record['instances'],
            meta['skeleton_links'],
            _bgr(meta['skeleton_link_colors']),
            _bgr(meta['keypoint_colors']),
            score_thr,
        )

    def _instances(self, crops: Sequence[tuple[Frame, np.ndarray]]) -> Iterator[dict[str, Any]]:
        for start in range(0, len(crops), self._batch_size):
            batch = crops[start : start + self._batch_size]
            inputs = [self._input_of(frame, box) for frame, box in batch]
            with torch.no_grad():
                samples = self.model.test_step(pseudo_collate(inputs))
            for (frame, box), sample in zip(batch, samples, strict=True):
                yield self._instance(frame, box, sample)

    def _input_of(self, frame: Frame, box: np.ndarray) -> dict[str, Any]:
        x, y, w, h, score = box
        height, width = frame.image.shape[:2]
        if x >= width or y >= height or x + w <= 0 or y + h <= 0:
            raise UserError(
                f'the box {_rounded(box[:4], 1)} of {frame.path} lies outside the image, which '
                f'is {width} wide and {height} high'
            )
        return self._pipeline(
            {
                'img': frame.image,
                'bbox': np.float32([[x, y, x + w, y + h]]),
                'bbox_score': np.float32([score]),
                **self.model.dataset_meta,
            }
        )

    def _instance(self, frame: Frame, box: np.ndarray, sample: PoseDataSample) -> dict[str, Any]:
        predicted = sample.pred_instances
        points, scores = predicted.keypoints[0, :, :2], predicted.keypoint_scores[0]
        if len(points) != len(self.header['keypoint_names']):
            raise UserError(
                f'the model gives {len(points)} keypoints, its dataset_meta names '
                f'{len(self.header["keypoint_names"])}'
            )
        if not (np.isfinite(points).all() and np.isfinite(scores).all()):
            raise UserError(f'the model gives NaN for {frame.path}: its weights are broken')
        return {
            'bbox': _rounded(box[:4], 2),
            'bbox_score': round(float(box[4]), 4),
            'keypoints': [
                [*_rounded(point, 2), round(float(score), 4)]
                for point, score in zip(points, scores, strict=True)
            ],
            'score': round(float(scores.mean()), 4),
        }


def _whole_image(frame: Frame) -> np.ndarray:
    height, width = frame.image.shape[:2]
    return np.float32([[0, 0, width, height, 1]])


def _rounded(numbers: Iterable[float], digits: int) -> list[float]:
    return [round(float(number), digits) for number in numbers]


def _bgr(rgb: Any) -> np.ndarray:
    return np.asarray(rgb, np.uint8).reshape(-1, 3)[:, ::-1]
