"""A model of a host with a checkpoint's weights, fed through the host's own test pipeline."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Iterator, Sequence
from threading import Lock
from time import perf_counter
from typing import Any

import torch
from mmengine.config import Config
from mmengine.dataset import Compose, pseudo_collate
from mmengine.model import revert_sync_batchnorm
from mmengine.registry import MODELS, DefaultScope
from mmengine.structures import BaseDataElement
from torch import nn

from hrnet_mm.base.config import datasets_of
from hrnet_mm.base.errors import UserError
from hrnet_mm.predict.loading import ImageLoader
from hrnet_mm.weights.checkpoint import FillsModel, tested_copy

# MMEngine's scope is one for all threads, and engines have one set of buffers.
_ONE_AT_A_TIME = Lock()
# That a pipeline may make of a smaller image: bottom-up models enlarge a narrow one by its width.
MOST_PIXELS = 2**25


class HostModel:
    """A host's model in evaluation mode, and what goes into it and comes out of it.

    Attributes:
        module: the model itself.
        device: where it runs.
        is_replaced: an engine runs it, or an exported file.
        loader: gives images as the config's pipeline loads them.
        meta: what the checkpoint knows of the data it was trained on; empty where it does not.
        seconds: that the network has taken so far, and what the host does right before and after.

    Args:
        cfg: a config of a host, with ``default_scope``, ``model`` and ``test_dataloader``.
        weights: what fills the model.
        device: where it runs.
        kinds: the classes of models that can be run.

    Raises:
        UserError: another kind of model, weights that do not fit it, or a config
            without a pipeline for images.
    """

    def __init__(
        self,
        cfg: Config,
        weights: FillsModel,
        device: torch.device,
        kinds: tuple[type, ...],
    ) -> None:
        contents = tested_copy(cfg, weights.read())
        self._scope = cfg.default_scope
        with DefaultScope.overwrite_default_scope(self._scope):
            self.module = revert_sync_batchnorm(build_model(cfg))
            pipeline = Compose(image_pipeline(cfg)).transforms
        self.loader = ImageLoader(pipeline)
        self._after_loading = Compose(pipeline[len(self.loader.steps) :])
        if not isinstance(self.module, kinds):
            raise UserError(
                f'the model of the config is a {type(self.module).__name__}; of {self._scope}, '
                f'models of the kind {" or ".join(kind.__name__ for kind in kinds)} can be run'
            )
        self._in_channels = _in_channels(self.module)
        self.device = device
        self.is_replaced = weights.replaces_model
        self.module = weights.put_into(self.module.to(device).eval(), contents, device)
        self.meta = _dataset_meta(contents)
        self.seconds = 0.0

    def predict(
        self, inputs: Sequence[dict[str, Any]], batch_size: int
    ) -> Iterator[BaseDataElement]:
        """Predict on images.

        Images that the pipeline gives different sizes are not padded to share a forward pass, so
        that no result depends on the images beside it.

        Args:
            inputs: for each image what the pipeline takes once it is loaded: ``Frame.loaded``
                and, of a top-down model, its box.
            batch_size: the most images in one forward pass.

        Returns:
            The host's data samples, in the order of the inputs.
        """
        for start in range(0, len(inputs), batch_size):
            samples: list[BaseDataElement] = []
            scope = DefaultScope.overwrite_default_scope(self._scope)
            with _ONE_AT_A_TIME, scope, torch.no_grad():
                packed = map(self._prepared, inputs[start : start + batch_size])
                for _, group in itertools.groupby(packed, key=_shape):
                    start = perf_counter()
                    samples += self._run(list(group))
                    self.seconds += perf_counter() - start
            yield from samples

    def _prepared(self, loaded: dict[str, Any]) -> dict[str, Any]:
        # Steps may write into the image, which other boxes and the drawing need as it is.
        packed = self._after_loading({**loaded, 'img': loaded['img'].copy()})
        if packed is None:
            path = loaded.get('img_path')
            raise UserError(f'the test pipeline of the config makes nothing of {path}')
        (height, width), made = loaded['img'].shape[:2], _shape(packed)[-2:]
        if made[0] * made[1] > max(MOST_PIXELS, 4 * height * width):
            raise UserError(
                f'the test pipeline of the config makes {made[1]} x {made[0]} pixels of an image '
                f'of {width} x {height}, for which the memory may not suffice'
            )
        return packed

    def _run(self, group: list[dict[str, Any]]) -> list[BaseDataElement]:
        backbone = getattr(self.module, 'backbone', nn.Identity())
        hook = backbone.register_forward_hook(_refuse_nan)
        try:
            return self.module.test_step(pseudo_collate(group))
        except Exception as error:
            # Only now, as a preprocessor may make three channels of one.
            channels = _shape(group[0])[0]
            if self._in_channels in (None, channels):
                raise
            raise UserError(
                f'the test pipeline of the config gives images of {channels} channels, the model '
                f'takes {self._in_channels}'
            ) from error
        finally:
            hook.remove()


def build_model(cfg: Config) -> nn.Module:
    """Build the model of a config as a Runner does, without weights."""
    model = cfg.model.copy()
    if 'data_preprocessor' in cfg:  # of the Runner's conventions; mmpretrain's configs rely on it
        model.setdefault('data_preprocessor', cfg.data_preprocessor)
    with warnings.catch_warnings():
        # mmseg's, of losses, which a prediction does not use.
        warnings.filterwarnings('ignore', message='(``build_loss``|Default ``avg_non_ignore``)')
        return MODELS.build(model)


def image_pipeline(cfg: Config) -> list[Any]:
    """The steps of the test pipeline, without those that load annotations."""
    loader = cfg.get('test_dataloader')
    datasets = [] if loader is None else [loader['dataset'], *datasets_of(loader)]
    steps = next((dataset['pipeline'] for dataset in datasets if dataset.get('pipeline')), None)
    if steps is None:
        raise UserError('the test_dataloader of the config has no pipeline to prepare images with')
    return [step for step in steps if not _loads_annotations(step)]


def _loads_annotations(step: Any) -> bool:
    kind = step['type'] if isinstance(step, dict) else step
    name = getattr(kind, '__name__', str(kind)).split('.')[-1]
    return name.startswith('Load') and 'Annotation' in name


def _refuse_nan(backbone: nn.Module, inputs: Any, maps: Any) -> None:
    # Of NaN a detector finds nothing and a segmentor has a label, without a word.
    for x in maps if isinstance(maps, list | tuple) else [maps]:
        if isinstance(x, torch.Tensor) and not x.isfinite().all():
            raise UserError('the model gives NaN: the maps of its backbone hold some')


def _in_channels(model: nn.Module) -> int | None:
    """Of an HRNet, anyone's; None for other backbones."""
    stem = getattr(getattr(model, 'backbone', None), 'conv1', None)
    return stem.in_channels if isinstance(stem, nn.Conv2d) else None


def _shape(packed: dict[str, Any]) -> tuple[int, ...]:
    return tuple(packed['inputs'].shape)


def _dataset_meta(contents: dict[str, Any]) -> dict[str, Any]:
    """The checkpoint's dataset_meta; OpenMMLab 1.x wrote CLASSES and PALETTE in its place."""
    meta = contents.get('meta') or {}
    old = {key: meta[key] for key in ('CLASSES', 'PALETTE') if key in meta}
    return {key.lower(): value for key, value in (meta.get('dataset_meta') or old).items()}
