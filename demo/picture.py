"""Ground truth beside prediction, in one picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from mmengine.config import Config

from demo.ground_truth import read_labelled
from hrnet_mm.base.files import replacing
from hrnet_mm.base.images import Frame
from hrnet_mm.predict.predictor import Predictor, make_predictor
from hrnet_mm.weights.checkpoint import Checkpoint

ZOOM = 2
GAP = 8  # pixels between pictures
TITLE_HEIGHT = 40


def compare(
    cfg: Config, checkpoint: Path, out: Path, num_images: int = 6, score_thr: float = 0.3
) -> None:
    """Draw the first labelled images of the test data twice, as labelled and as predicted.

    Args:
        cfg: of a top-down pose model, which is given the labelled boxes, a detector or a
            segmentor; its test data is COCO's or label maps.
        checkpoint: its weights.
        out: the picture to write, two images a row.
        num_images: how many.
        score_thr: what scores less is not drawn.

    Raises:
        UserError: naming what is wrong with the config or the checkpoint.
    """
    labelled = read_labelled(cfg.default_scope, cfg.test_dataloader.dataset, num_images, ZOOM)
    predictor = make_predictor(cfg, Checkpoint(str(checkpoint)), torch.device('cpu'))
    frames = [
        Frame(path, path.name, predictor.model.loader.load(path, picture))
        for path, picture, _ in labelled
    ]
    truths = [truth for _, _, truth in labelled]
    pairs = [
        np.hstack([framed(predictor.draw(frame, record, score_thr)) for record in records])
        for frame, *records in zip(frames, truths, predict(predictor, frames, truths), strict=True)
    ]
    with replacing(out) as temporary:
        cv2.imwrite(str(temporary), sheet(pairs, columns=2))


def predict(
    predictor: Predictor, frames: Sequence[Frame], truths: Sequence[dict[str, Any]]
) -> list[dict[str, Any]]:
    if not predictor.takes_boxes:
        return predictor.predict(frames)
    boxes = [
        np.float32([[*instance['bbox'], 1] for instance in truth['instances']]) for truth in truths
    ]
    return predictor.predict(frames, boxes)


def framed(image: np.ndarray) -> np.ndarray:
    return cv2.copyMakeBorder(image, *[GAP // 2] * 4, cv2.BORDER_CONSTANT, value=(255, 255, 255))


def sheet(pairs: Sequence[np.ndarray], columns: int) -> np.ndarray:
    """Rows of pairs under a line of titles: (H, W, 3) uint8 BGR."""
    blank = np.full_like(pairs[0], 255)
    cells = [*pairs, *[blank] * (-len(pairs) % columns)]
    rows = [np.hstack(cells[i : i + columns]) for i in range(0, len(cells), columns)]
    width = rows[0].shape[1]
    title = np.full((TITLE_HEIGHT, width, 3), 255, np.uint8)
    half = width // (2 * columns)
    for i, text in enumerate(['ground truth', 'prediction'] * columns):
        cv2.putText(
            title,
            text,
            (i * half + GAP, 28),
            cv2.FONT_HERSHEY_SIMPLEX,
            0.9,
            (0, 0, 0),
            2,
            cv2.LINE_AA,
        )
    return np.vstack([title, *rows])
