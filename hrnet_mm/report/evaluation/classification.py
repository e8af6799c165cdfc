"""Classification: the confusions of mmpretrain's classifiers, and the images that went astray."""

from __future__ import annotations

from typing import Any

import numpy as np
from mmengine.config import Config
from mmengine.evaluator import BaseMetric
from mmengine.structures import BaseDataElement

from hrnet_mm.predict.classes import read_classes
from hrnet_mm.predict.drawing import draw_class_list
from hrnet_mm.report.evaluation.cases import Case
from hrnet_mm.report.evaluation.task import Table, Task, file_of, share

LISTED = 5  # of the likeliest classes of an image
MATRIX = 30  # classes; of more the matrix is not legible
MOST_CONFUSED = 30  # pairs, of more classes than that


class Classification(Task):
    """Labels and scores are those that the metric keeps of each image."""

    ranked_by = 'the score of the class of its label'

    def __init__(self, metric: BaseMetric, cfg: Config) -> None:
        super().__init__(metric, cfg)
        self.classes = read_classes(metric.dataset_meta or {}, cfg)
        self.confusions = np.zeros((0, 0), np.int64)  # by label, then by prediction

    def add(self, number: int, sample: BaseDataElement, result: Any) -> None:
        [label] = result['gt_label'].tolist()
        scores = np.asarray(sample.pred_score.cpu(), np.float64)
        self.make_room(len(scores))
        most = min(max(getattr(self.metric, 'topk', (1,))), len(scores))
        predicted = int(sample.pred_score.topk(most).indices[0])  # as the metric breaks ties
        self.confusions[label, predicted] += 1
        self.cases.offer(
            (float(scores[label]),),
            number,
            lambda: Case(
                file_of(sample),
                f'{scores[label]:.2f} for its class',
                dict(classes=[self._entry(label, 1.0)]),
                dict(
                    classes=[
                        self._entry(int(i), scores[i])
                        for i in np.argsort(-scores, kind='stable')[:LISTED]
                    ]
                ),
            ),
        )

    def make_room(self, number: int) -> None:
        """Make room for so many classes."""
        more = number - len(self.confusions)
        if more > 0:
            self.confusions = np.pad(self.confusions, (0, more))

    def totals(self) -> Any:
        return self.confusions

    def merge(self, totals: Any) -> None:
        self.make_room(len(totals))
        self.confusions[: len(totals), : len(totals)] += totals

    def tables(self) -> list[Table]:
        names = [self.classes.name(label) for label in range(len(self.confusions))]
        labelled, predicted = self.confusions.sum(axis=1), self.confusions.sum(axis=0)
        right = self.confusions.diagonal()
        rows = [
            (
                name,
                int(labelled[i]),
                int(predicted[i]),
                int(right[i]),
                share(100 * right[i], predicted[i]),
                share(100 * right[i], labelled[i]),
            )
            for i, name in enumerate(names)
        ]
        total = int(labelled.sum())
        everything = ('all', total, total, int(right.sum()), *2 * [share(100 * right.sum(), total)])
        header = ('class', 'labelled', 'predicted', 'right', 'precision %', 'recall %')
        note = 'Precision is the share of the predicted that is right, recall that of the labelled.'
        return [
            Table('Classes', header, [*rows, everything], note, digits=2),
            self._matrix(names) if len(names) <= MATRIX else self._most_confused(names),
        ]

    def _matrix(self, names: list[str]) -> Table:
        rows = [(name, *row) for name, row in zip(names, self.confusions.tolist(), strict=True)]
        return Table('Confusions', ('label \\ prediction', *names), rows, 'Numbers of images.')

    def _most_confused(self, names: list[str]) -> Table:
        wrong = self.confusions - np.diag(self.confusions.diagonal())
        order = np.argsort(-wrong, axis=None, kind='stable')[:MOST_CONFUSED]
        pairs = [divmod(int(i), len(names)) for i in order]
        rows = [(names[i], names[j], int(wrong[i, j])) for i, j in pairs if wrong[i, j]]
        note = f'The {MOST_CONFUSED} pairs that are confused most.'
        return Table('Confusions', ('label', 'prediction', 'images'), rows, note)

    def draw(self, image: np.ndarray, case: Case) -> tuple[np.ndarray, np.ndarray, str]:
        label, prediction = (
            draw_class_list(image, record['classes'], self.classes.names, 0)
            for record in (case.label, case.prediction)
        )
        return label, prediction, ''

    def _entry(self, label: int, score: float) -> dict[str, Any]:
        return dict(label=label, category=self.classes.name(label), score=float(score))
