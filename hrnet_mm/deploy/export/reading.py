"""An exported file in the place of a checkpoint."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from hrnet_mm.checkpoints.contents import weights_of
from hrnet_mm.checkpoints.fitting import check_whole, fit
from hrnet_mm.checkpoints.trust import is_trusted
from hrnet_mm.checkpoints.width import name_of, stages_of
from hrnet_mm.cli import UsageError, UserError
from hrnet_mm.deploy.export.formats import FORMATS, SUFFIXES
from hrnet_mm.deploy.export.head_file import (
    Description,
    path_beside,
    read_files,
    read_head_file,
)
from hrnet_mm.deploy.export.job import Engine
from hrnet_mm.deploy.features import OptimizedFeatures
from hrnet_mm.deploy.image_spec import ImageSpec
from hrnet_mm.deploy.parts import Parts

CONTAINERS = {'tuple': tuple, 'list': list}


@dataclass(frozen=True)
class Exported:
    """An exported file that can be run.

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

    def put_into(self, model: nn.Module, device: torch.device) -> nn.Module:
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
        built = 'a model without backbone'
        if backbone is not None:
            built = _network_of(backbone)
        if built != self.description.network:
            raise UserError(
                f'{self.path} holds a {self.description.network}, the config builds a {built}'
            )
        if self.description.neck is None:
            return Parts(model, backbone, None, None)
        if neck is None:
            raise UserError(
                f'{self.path} holds the neck {self.description.neck}, the config has none'
            )
        rest = neck[1:] if isinstance(neck, nn.Sequential) else None  # mmpretrain's list of necks
        return Parts(model, backbone, neck, rest)

    def _load_head(self, model: nn.Module) -> None:
        where = str(path_beside(self.path))
        fitted = fit(weights_of(self.contents, where), model, where)
        check_whole(fitted, model.state_dict(), where)
        model.load_state_dict(fitted.weights, strict=False)

    def _features(self, device: torch.device) -> OptimizedFeatures:
        found = self.description
        load = FORMATS[found.format].module.load
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


def as_export(source: object, fast: str | None = None) -> Exported | None:
    """The exported file that a source is or names; None if it is a checkpoint.

    Args:
        source: what takes the place of a checkpoint.
        fast: the precision of an engine that is to be made of a checkpoint.

    Raises:
        UserError: see :func:`open_export`; or an engine is to be made of an exported file.
    """
    if isinstance(source, Exported):
        return source
    path = Path(str(source))
    if path.suffix not in SUFFIXES:
        return None
    if fast:
        raise UsageError(f'--fast makes an engine of a checkpoint; {path} is one already')
    return open_export(path)


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
    if description.format not in FORMATS:
        raise UserError(f'{head} is of the format {description.format!r}, which is not known')
    format = FORMATS[description.format]
    if format.runs_code and not is_trusted():
        raise UserError(
            f'{path} may run code when it is loaded, as every .pt2 file; add --trust-checkpoint if '
            'you trust whoever made it'
        )
    files = read_files(path, format.files(path), hashes, head)
    format.check(path, description.precision)
    return Exported(path, description, contents, files)


def _network_of(backbone: nn.Module) -> str:
    try:
        return name_of(stages_of(backbone.state_dict()))
    except UserError:
        return type(backbone).__name__
