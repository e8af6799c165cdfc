"""A file that tools/export.py wrote, in the place of a checkpoint.

``model.onnx`` holds the trunk of a model. Beside it lies ``model.onnx.head.pth``: a checkpoint as
OpenMMLab writes them, of what is left of the model. It also says what the first file holds, and
has the SHA-256 of every file that it belongs to.
"""

from __future__ import annotations

import hashlib
import json
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, get_type_hints

import torch
from torch import Tensor, nn

from hrnet_mm.base.errors import UserError
from hrnet_mm.deploy.table import FORMATS, Engine, format_named
from hrnet_mm.deploy.trunk import MIN_SIDE, ImageSpec, OptimizedFeatures, Trunk, first_neck
from hrnet_mm.weights.fit import fit_whole
from hrnet_mm.weights.read import read_checkpoint, weights_of
from hrnet_mm.weights.recognise import arch_name, stages_of
from hrnet_mm.weights.trust import is_trusted

HEAD_SUFFIX = '.head.pth'
ENTRY = 'export'  # of the head's file: an ExportDescription, and 'sha256' of every file
CONTAINERS = {'tuple': tuple, 'list': list}


@dataclass(frozen=True)
class ExportDescription:
    """What an exported file holds. The names of the fields are those in the head's file.

    Attributes:
        format: a name in ``table.FORMATS``.
        precision: of its weights and, where the machine can, of the arithmetic.
        network: the HRNet, ``'w32'``.
        neck: the class of the neck after it; None if the neck is not part of the file.
        container: ``'tuple'`` or ``'list'``, in which the head gets the maps.
        in_channels: of the image.
        least: the shortest side of an image, in pixels.
        checkpoint: the file the weights came from.
        checkpoint_sha256: its hash.
        config: the text of the config.
        version: of hrnet_mm.
    """

    format: str
    precision: str
    network: str
    neck: str | None
    container: str
    in_channels: int
    least: int
    checkpoint: str
    checkpoint_sha256: str
    config: str
    version: str

    def note(self) -> str:
        """The description as JSON, for people who open the exported file itself."""
        return json.dumps(asdict(self))


@dataclass(frozen=True)
class ExportedFile:
    """An exported file that can be run; fills a model as ``weights.checkpoint`` says.

    Attributes:
        path: of the file.
        description: of what is in it.
        contents: the head's weights and the checkpoint's ``meta``, as a checkpoint has them.
        files: the bytes of all its files.
    """

    path: Path
    description: ExportDescription
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
        fast = self._trunk_of(model).replaced_by(features)
        self._load_head(fast)
        return fast.to(device)

    def _trunk_of(self, model: nn.Module) -> Trunk:
        backbone = getattr(model, 'backbone', None)
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
            return Trunk(model, backbone)
        neck, kept_neck = first_neck(model)
        kind = 'none' if neck is None else type(neck).__name__
        if kind != self.description.neck:
            raise UserError(
                f'{self.path} holds the neck {self.description.neck}, the config has {kind}'
            )
        return Trunk(model, backbone, neck, kept_neck)

    def _load_head(self, model: nn.Module) -> None:
        if not model.state_dict() and not self.contents.get('state_dict'):
            return  # all layers are in the file, as of a HigherHRNet
        where = str(head_path(self.path))
        weights = fit_whole(weights_of(self.contents, where), model, where)
        if not hasattr(weights, '_metadata'):  # an older file, which is as the model is
            weights = OrderedDict(weights)
            weights._metadata = model.state_dict()._metadata
        model.load_state_dict(weights, strict=False)

    def _features(self, device: torch.device) -> OptimizedFeatures:
        found = self.description
        try:
            engine, home = FORMATS[found.format].load(self.files, found.precision, device)
        except Exception as error:  # whatever another framework makes of a file it cannot run
            raise UserError(f'{self.path} cannot be run here: {error}') from error
        images = ImageSpec(found.in_channels, found.least, device)
        container = CONTAINERS[found.container]
        engine = EngineOnDevice(engine, home)
        return OptimizedFeatures(engine, found.format, found.precision, images, container)


@dataclass(frozen=True)
class EngineOnDevice:
    """An engine for images of any device: they go to the engine's own, the maps come back."""

    engine: Engine
    device: torch.device

    def __call__(self, image: Tensor) -> tuple[Tensor, ...]:
        """Image (N, in_channels, H, W) -> maps, on the same device."""
        return tuple(x.to(image.device) for x in self.engine(image.to(self.device)))


def open_export(path: Path, head: Path | None = None) -> ExportedFile:
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
    head = head or head_path(path)
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
    files = _read_files(path, format.files(path), hashes, head)
    format.check(path, description.precision)
    return ExportedFile(path, description, contents, files)


def head_path(out: Path) -> Path:
    """Where the head's weights of an exported file are."""
    return out.with_name(out.name + HEAD_SUFFIX)


def read_head_file(out: Path, path: Path) -> tuple[dict[str, Any], ExportDescription, list[str]]:
    """Contents of the file that goes with ``out``: the checkpoint, description, and hashes.

    Raises:
        UserError: it is not there, or no such file, or an entry is of another type.
    """
    if not path.is_file():
        raise UserError(
            f'there is no {path}, which tools/export.py writes beside {out.name}: keep the two '
            'together'
        )
    contents = read_checkpoint(path, mmap=False)
    export, meta = contents.get(ENTRY), contents.get('meta')
    if not isinstance(export, dict) or not isinstance(meta, dict):
        raise UserError(f'{path} is not written by tools/export.py')
    kinds = get_type_hints(ExportDescription) | {'sha256': list}
    for name, kind in kinds.items():
        value = export.get(name)
        if name not in export or not isinstance(value, kind) or isinstance(value, bool):
            raise UserError(
                f'{path} is not written by tools/export.py, or by another version of it: '
                f'{name}={value!r:.60}'
            )
    known = {name: export[name] for name in kinds}
    hashes = known.pop('sha256')
    return contents, ExportDescription(**known), hashes


def _read_files(out: Path, files: Sequence[Path], hashes: Sequence[str], head: Path) -> list[bytes]:
    """The bytes of the files that the head was written with: those that were hashed are run.

    Raises:
        UserError: one is missing, or another.
    """
    if len(files) != len(hashes):
        raise UserError(f'{head} is of {len(hashes)} files, and {out} has {len(files)}')
    read = []
    for file, digest in zip(files, hashes, strict=True):
        if not file.is_file():
            raise UserError(f'there is no {file}, which is a part of {out}')
        read.append(file.read_bytes())
        if hashlib.sha256(read[-1]).hexdigest() != digest:
            raise UserError(
                f'{file} and {head.name} are not of the same export; export again, or copy both'
            )
    return read


def _network_of(backbone: nn.Module | None) -> tuple[str, int | None]:
    """The name of a backbone, and the channels of its images; None if it is no HRNet."""
    if backbone is None:
        return 'model without backbone', None
    weights = backbone.state_dict()
    try:
        return arch_name(stages_of(weights)), weights['conv1.weight'].shape[1]
    except UserError:
        return type(backbone).__name__, None
