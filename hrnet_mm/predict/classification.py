"""Image classification, with mmpretrain."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from mmpretrain.models import ImageClassifier

from hrnet_mm.base.errors import UserError
from hrnet_mm.base.images import Frame
from hrnet_mm.predict.classes import Classes, ClassPredictor
from hrnet_mm.predict.drawing import draw_class_list
from hrnet_mm.predict.predictor import Prediction

TOP = 5


def draw_record(
    classes: Classes, image: np.ndarray, record: dict[str, Any], score_thr: float, opacity: float
) -> np.ndarray:
    """Write the classes beside the image."""
    return draw_class_list(image, record['classes'], classes.names, score_thr)


class ClassificationPredictor(ClassPredictor):
    """A classifier of mmpretrain."""

    kinds = (ImageClassifier,)
    task = 'classification'
    drawing_of_classes = staticmethod(draw_record)
    nothing: ClassVar[dict[str, Any]] = {'classes': []}
    batch_size = 8
    score_thr = 0.0

    def predict(self, frames: Sequence[Frame]) -> list[Prediction]:
        """Predict the class of every frame.

        Returns:
            For each frame the record: ``classes``, the five likeliest (all, if they are fewer), the
            likeliest first, each with ``label``, ``category``, the label's name, and ``score``.

        Raises:
            UserError: the model gives no numbers, or other classes than it has names for.
        """
        return [
            self._prediction(sample.pred_score.cpu().numpy())
            for sample in self.samples(frames, 'pred_score')
        ]

    def _prediction(self, probabilities: np.ndarray) -> Prediction:
        classes = self._likeliest(probabilities)
        labels = [entry['label'] for entry in classes]
        fields = {
            'labels': np.array(labels),
            'scores': probabilities[labels],
            'names': tuple(entry['category'] for entry in classes),
            'probabilities': probabilities,
            'class_names': self.classes.names,
        }
        return Prediction({'classes': classes}, fields)

    def _likeliest(self, scores: np.ndarray) -> list[dict[str, Any]]:
        if not np.isfinite(scores).all():
            raise UserError('the model gives NaN')  # perhaps not for one of the likeliest
        if self.classes.names and len(scores) != len(self.classes.names):
            raise UserError(
                f'the model gives {len(scores)} classes, its dataset_meta names '
                f'{len(self.classes.names)}'
            )
        return [
            {
                'label': label,
                'category': self.classes.name(label),
                'score': round(float(scores[label]), 4),
            }
            for label in np.argsort(-scores, kind='stable')[:TOP].tolist()
        ]
