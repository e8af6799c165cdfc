"""What the models that look at whole images and name classes have in common."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from mmengine.config import Config

from hrnet_mm.base.errors import UserError
from hrnet_mm.predict.classes import read_classes
from hrnet_mm.predict.host_model import HostModel
from hrnet_mm.weights.checkpoint import FillsModel


class ClassPredictor:
    """A model of a host and the names of its classes; the base of the predictors of three tasks.

    Attributes:
        loader: see ``predictor.Predictor``.
        classes: what the model can tell apart.
        header: what is the same for every image: ``class_names``.

    Args:
        cfg: a config of the host.
        weights: what fills the model.
        device: where it runs.
        batch_size: the number of images in one forward pass; default: of the class.

    Raises:
        UserError: another kind of model, or a checkpoint that cannot be loaded into it.
    """

    kind: ClassVar[type]
    takes_boxes = False
    batch_size = 1
    score_thr: ClassVar[float | None] = 0.0

    def __init__(
        self,
        cfg: Config,
        weights: FillsModel,
        device: torch.device,
        batch_size: int | None,
    ) -> None:
        self._model = HostModel(cfg, weights, device, (self.kind,))
        self.loader = self._model.loader
        self.batch_size = batch_size or self.batch_size
        self.classes = read_classes(self._model.meta, cfg)
        self.header = {'class_names': list(self.classes.names)}

    def _field(self, sample: Any, name: str) -> Any:
        """A field of a host's data sample.

        Raises:
            UserError: the model gives something else.
        """
        if name not in sample:
            kind = type(self._model.module).__name__
            raise UserError(f'the model, a {kind}, gives {", ".join(sample.keys())}, no {name}')
        return sample.get(name)
