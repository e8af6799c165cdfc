"""The worst and the best images of a test, drawn, as data that a page holds."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from mmengine.config import Config
from mmengine.dataset import Compose
from mmengine.registry import DefaultScope

from hrnet_mm.base.errors import sentence_of
from hrnet_mm.predict.canvas import as_picture
from hrnet_mm.predict.host_model import image_pipeline
from hrnet_mm.predict.loading import ImageLoader
from hrnet_mm.report.evaluation.cases import Case
from hrnet_mm.report.evaluation.task import Task

LONGEST_SIDE = 900  # pixels of a picture in the page
QUALITY = 85  # of JPEG


@dataclass(frozen=True)
class Pictures:
    """A case as the page shows it.

    Attributes:
        case: file, score, label and prediction.
        images: label and prediction as addresses that hold them, ``data:image/jpeg;base64,...``;
            none where they could not be drawn.
        remark: what is to be said of them, or why there are none.
    """

    case: Case
    images: tuple[str, ...]
    remark: str


def draw_cases(task: Task, cfg: Config, cases: Sequence[Case]) -> Iterator[Pictures]:
    """Load the images of the cases again and draw them. One that fails does not stop the others."""
    loader: Callable[[Path], np.ndarray] | None = None
    for case in cases:
        try:
            loader = loader or image_loader(cfg)
            *images, remark = task.draw(as_picture(loader(Path(case.file))), case)
            yield Pictures(case, tuple(map(_address, images)), remark)
        except Exception as error:
            yield Pictures(case, (), f'it cannot be drawn: {sentence_of(error)}')


def image_loader(cfg: Config) -> Callable[[Path], np.ndarray]:
    """What loads an image as the config's test pipeline does, before it is resized."""
    with DefaultScope.overwrite_default_scope(cfg.get('default_scope')):
        loader = ImageLoader(Compose(image_pipeline(cfg)).transforms)
    return lambda path: loader.load(path)['img']


def _address(picture: np.ndarray) -> str:
    scale = LONGEST_SIDE / max(picture.shape[:2])
    if scale < 1:
        picture = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    _, data = cv2.imencode('.jpg', picture, (cv2.IMWRITE_JPEG_QUALITY, QUALITY))
    return f'data:image/jpeg;base64,{base64.b64encode(data).decode()}'
