"""An exported file in the place of a checkpoint."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from hrnet_mm.base.errors import UserError
from hrnet_mm.deploy.export.head_file import (
    Description,
    path_beside,
    read_files,
    read_head_file,
)
from hrnet_mm.deploy.features import OptimizedFeatures
from hrnet_mm.deploy.image_spec import ImageSpec
from hrnet_mm.deploy.optimize import MIN_SIDE
from hrnet_mm.deploy.parts import Parts
from hrnet_mm.deploy.table import FORMATS, Engine, format_named
from hrnet_mm.weights.fit import check_whole, fit
from hrnet_mm.weights.read import weights_of
from hrnet_mm.weights.recognise import name_of, stages_of
from hrnet_mm.weights.trust import is_trusted

CONTAINERS = {'tuple': tuple, 'list': list}


@dataclass(frozen=True)
class Exported:
    """An exported file that can be run; fills a model as ``weights.checkpoint`` says.

    Attributes:
        path: of the file.
        description: of what is in it.
        contents: the head's weights and the checkpoint's ``meta``, as a checkpoint has them.
        files: the bytes of all its files.
    """

    path: Path
    description: Description
    contents: dict[str, Any] = field(repr=False)
    files: Sequence[bytes] = field(repr=False)

    load_from = None  # a Runner has nothing to load
    replaces_model = True

    def read(self) -> dict[str, Any]:
        return self.contents

    def put_into(
        self, model: nn.Module, contents: dict[str, Any], device: torch.device
    ) -> nn.Module:
        return self.replacement(model, device)

    def replacement(self, model: nn.Module, device: torch.device) -> nn.Module:
        """A copy of a host's model that runs the file; the model itself gets the head's weights.

        Args:
            model: with any HRNet of the same size as backbone, in eval mode.
            device: where the head runs and, if the format can, the file.

        Raises:
            UserError: the model has another backbone, neck or head.
        """
        features = self._features(device)
        fast = self._parts_of(model).replaced_by(features)
        self._load_head(fast)
        return fast.to(device)

    def _parts_of(self, model: nn.Module) -> Parts:
        backbone, neck = getattr(model, 'backbone', None), getattr(model, 'neck', None)
        built, channels = _network_of(backbone)
        if built != self.description.network:
            raise UserError(
                f'{self.path} holds a {self.description.network}, the config builds a {built}'
            )
        if channels != self.description.in_channels:
            raise UserError(
                f'{self.path} takes images of {self.description.in_channels} channels, the config '
                f'builds a network for {channels}'
            )
        if self.description.neck is None:
            return Parts(model, backbone, None, None)
        rest = None
        if isinstance(neck, nn.Sequential) and len(neck) > 0:  # mmpretrain's list of necks
            neck, rest = neck[0], neck[1:]
        kind = 'none' if neck is None else type(neck).__name__
        if kind != self.description.neck:
            raise UserError(
                f'{self.path} holds the neck {self.description.neck}, the config has {kind}'
            )
        return Parts(model, backbone, neck, rest)

    def _load_head(self, model: nn.Module) -> None:
        where = str(path_beside(self.path))
        fitted = fit(weights_of(self.contents, where), model, where)
        check_whole(fitted, model.state_dict(), where)
        own = model.state_dict()
        model.load_state_dict({key: w for key, w in fitted.weights.items() if key in own}, False)

    def _features(self, device: torch.device) -> OptimizedFeatures:
        found = self.description
        load = FORMATS[found.format].load
        try:
            engine, home = load(self.files, found.precision, device)
        except Exception as error:  # whatever another framework makes of a file it cannot run
            raise UserError(f'{self.path} cannot be run here: {error}') from error
        images = ImageSpec(found.in_channels, found.least, device)
        container = CONTAINERS[found.container]
        engine = Moved(engine, home)
        return OptimizedFeatures(engine, found.format, found.precision, images, container)


@dataclass(frozen=True)
class Moved:
    """An engine for images of any device: they go to the engine's own, the maps come back."""

    engine: Engine
    home: torch.device

    def __call__(self, image: Tensor) -> Sequence[Tensor]:
        """Image (N, in_channels, H, W) -> maps, on the same device."""
        return tuple(x.to(image.device) for x in self.engine(image.to(self.home)))


def open_export(path: Path, head: Path | None = None) -> Exported:
    """Read what ``tools/export.py`` wrote; formats of torch only within ``trust.trusting``.

    torch unpickles those, or runs what is compiled in them.

    Args:
        path: the file.
        head: the file with the head's weights. Default: beside it.

    Raises:
        UserError: a file is missing, damaged, or of another export, or it is not trusted.
    """
    if not path.is_file():
        raise UserError(f'there is no exported file {path}')
    head = head or path_beside(path)
    contents, description, hashes = read_head_file(path, head)
    format = format_named(description.format, path)
    if description.container not in CONTAINERS or description.least < MIN_SIDE:
        raise UserError(
            f'{head} is damaged: maps in a {description.container!r:.60} for images of '
            f'{description.least!r:.60} pixels'
        )
    if format.runs_code and not is_trusted():
        raise UserError(
            f'{path} may run code when it is loaded, as every .pt2 file; add --trust-checkpoint if '
            'you trust whoever made it'
        )
    files = read_files(path, format.files(path), hashes, head)
    format.check(path, description.precision)
    return Exported(path, description, contents, files)


def _network_of(backbone: nn.Module | None) -> tuple[str, int | None]:
    """The name of a backbone, and the channels of its images; None if it is no HRNet."""
    if backbone is None:
        return 'model without backbone', None
    weights = backbone.state_dict()
    try:
        return name_of(stages_of(weights)), weights['conv1.weight'].shape[1]
    except UserError:
        return type(backbone).__name__, None
