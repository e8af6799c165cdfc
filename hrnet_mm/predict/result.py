"""What a model says of one image: arrays by name, the picture, the record, COCO's results."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from hrnet_mm.base.errors import UserError
from hrnet_mm.base.images import Frame
from hrnet_mm.predict.coco_results import instances, poses
from hrnet_mm.predict.drawing import OPACITY
from hrnet_mm.predict.predictor import Prediction, Predictor
from hrnet_mm.predict.results import best_where_nothing_is_drawn, whole_record, write_image

MOST_NAMED = 5  # of the things found, in the repr


class Result:
    """The result of one image. All coordinates are pixels of the image.

    Which of these a result has depends on the task; they are the host's own numbers, not rounded.

    * top-down and bottom-up pose: ``keypoints`` (N, K, 2) of x and y, ``scores`` (N, K), ``boxes``
      (N, 4) of x1, y1, x2, y2, ``box_scores`` (N,) and ``keypoint_names``.
    * detection: ``boxes``, ``box_scores`` (also as ``scores``), ``labels`` (N,), ``names``, the
      label's name of each, ``class_names`` by label; with masks ``masks`` (N, H, W) bool.
    * semantic segmentation: ``label_map`` (H, W) and ``class_names``.
    * classification: ``probabilities`` (C,), and of the five likeliest ``labels``, ``scores`` and
      ``names``; ``class_names``.

    Attributes:
        file: the image's name, as in predictions.json.
        path: the image's file; None if it is not, or no longer, in one.
        frame: its number in a video, from 0; None for an image.
        task: in words, ``'top-down pose'``.
        width: of the image, in pixels.
        height: of the image, in pixels.
        score_thr: what scores less is not drawn, unless ``plot`` is asked to.
    """

    def __init__(
        self, frame: Frame, prediction: Prediction, predictor: Predictor, score_thr: float | None
    ) -> None:
        in_file = frame.decoded is None and frame.pixels is None and frame.lasts
        self.file = frame.name
        self.path: Path | None = frame.path if in_file else None
        self.frame = frame.index
        self.task = predictor.task
        self.height, self.width = frame.image.shape[:2]
        self.score_thr = score_thr
        self._record = whole_record(frame, prediction.record)
        self._fields = prediction.fields
        self._drawing = predictor.drawing
        # A list of results would not hold many photos; they are loaded again to be drawn.
        self._image = None if in_file else frame.image
        self._load: Callable[..., dict[str, Any]] | None = None
        if in_file:
            self._load = predictor.model.loader.load

    def __getattr__(self, name: str) -> Any:
        fields = self.__dict__.get('_fields', {})  # empty while it is copied
        if name in fields:
            value = fields[name]
            return value() if callable(value) else value
        raise AttributeError(
            f'a result of {self.__dict__.get("task")} has no {name!r}; it has {", ".join(fields)}'
        )

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self._fields]

    def __len__(self) -> int:
        """The number of instances; of other tasks that of the classes which the record names."""
        return len(self._record.get('instances', self._record.get('classes', ())))

    def __bool__(self) -> bool:
        return True  # it is a result, even of an image without anything

    def __repr__(self) -> str:
        where = self.file if self.frame is None else f'{self.file}, frame {self.frame}'
        return f'<Result {where}, {self.width} x {self.height}, {self.task}: {self._found()}>'

    @property
    def image(self) -> np.ndarray:
        """What the model has looked at: (H, W) or (H, W, C), BGR; read again if it is in a file.

        Raises:
            UserError: the file is not there any more, or holds another image.
        """
        if self._image is not None:
            return self._image
        image = self._load(self.path)['img']
        if image.shape[:2] != (self.height, self.width):
            raise UserError(f'{self.path} is not the image any more that the result is of')
        return image

    def plot(self, score_thr: float | None = None, opacity: float = OPACITY) -> np.ndarray:
        """Draw the result into a copy of the image: (h, w, 3) uint8 BGR.

        It is the image's size, but that images of less than 320 pixels are enlarged by a whole
        number, and that label maps and classes have a legend on the right.

        Args:
            score_thr: what scores less is not drawn. Default: ``score_thr`` of the result.
            opacity: of masks and label maps, from 0 to 1.

        Raises:
            UserError: the opacity is no such number.
        """
        if not 0 <= opacity <= 1:
            raise UserError(f'opacity={opacity} is no number from 0 to 1')
        return self._drawing(self.image, self._record, self._threshold(score_thr), opacity)

    def save(
        self, path: str | Path, score_thr: float | None = None, opacity: float = OPACITY
    ) -> Path:
        """Write the picture into a file, whose suffix says in which form; its folder is made.

        Raises:
            UserError: pictures of this form cannot be written.
        """
        path = Path(path)
        write_image(path, self.plot(score_thr, opacity), remedy='.jpg and .png can')
        return path

    def show(self, score_thr: float | None = None, opacity: float = OPACITY) -> None:
        """Show the picture in a window until a key is pressed.

        Raises:
            UserError: there is no screen.
        """
        picture, remedy = self.plot(score_thr, opacity), "save('picture.jpg') writes the picture"
        screens = ('DISPLAY', 'WAYLAND_DISPLAY')
        if sys.platform == 'linux' and not any(map(os.environ.get, screens)):
            raise UserError(f'there is no screen here; {remedy}')
        try:
            cv2.imshow(self.file, picture)
            cv2.waitKey(0)
            cv2.destroyWindow(self.file)
        except cv2.error as error:
            raise UserError(f'the OpenCV that is installed opens no windows; {remedy}') from error

    def to_json(self) -> dict[str, Any]:
        """The record as predictions.json has it, without the file of a label map."""
        return {key: value for key, value in self._record.items() if key != 'label_map'}

    def to_coco(
        self, image_id: int = 1, category_ids: dict[str, int] | None = None
    ) -> list[dict[str, Any]]:
        """What was found, not rounded, in COCO's format of results.

        The score of a pose is the mean of its keypoints' times that of its box; of a bottom-up
        model it is the person's, ``box_scores``.

        Args:
            image_id: the image's in the annotations that the results are compared with.
            category_ids: those of the annotations by the class's name, of poses by ``'person'``.
                Default: COCO's own for its 80 classes, else the label + 1; of poses 1.

        Raises:
            UserError: COCO has no results of this task, or a class has no id.
        """
        if 'instances' not in self._record:
            raise UserError(
                f"COCO's results are keypoints, or boxes and masks; a result of {self.task} has "
                'none of them'
            )
        if 'keypoints' in self._fields:
            found = poses(self._fields, self.task == 'top-down pose', category_ids)
        else:
            found = instances(self._fields, self._record, category_ids)
        return [{'image_id': image_id, **entry} for entry in found]

    def _repr_png_(self) -> bytes:
        return cv2.imencode('.png', self.plot())[1].tobytes()

    def _threshold(self, score_thr: float | None) -> float:
        thresholds = (score_thr, self.score_thr, 0.0)
        return next(threshold for threshold in thresholds if threshold is not None)

    def _found(self) -> str:
        if 'label_map' in self._record:
            parts = [f'{c["category"]} {c["share"]:.0%}' for c in self._record['classes']]
        elif 'classes' in self._record:
            parts = [f'{c["category"]} {c["score"]:.2f}' for c in self._record['classes']]
        else:
            found = self._record['instances']
            parts = [f'{i["category"]} {i["score"]:.2f}' for i in found if 'category' in i]
        more = ', ...' if len(parts) > MOST_NAMED else ''
        text = ', '.join(parts[:MOST_NAMED]) + more
        if 'instances' in self._record:
            count = f'{len(self)} instance{"s" * (len(self) != 1)}'
            text = f'{count}: {text}' if text else count
        best = best_where_nothing_is_drawn(self._record, self._threshold(None))
        if best is not None:
            text += f'; nothing scores {self._threshold(None):g} or more, the best {best:.2g}'
        return text
