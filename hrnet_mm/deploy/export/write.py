"""A checkpoint as a file of another framework: what ``tools/export.py`` does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import torch
from mmengine.config import Config
from torch import nn

import hrnet_mm
from hrnet_mm.base.errors import UserError
from hrnet_mm.base.files import replacing, sha256_of
from hrnet_mm.deploy.differences import odd_size
from hrnet_mm.deploy.export.comparison import check_same
from hrnet_mm.deploy.export.head_file import Description, write_head_file
from hrnet_mm.deploy.exported import open_export
from hrnet_mm.deploy.fused.layers import Pool
from hrnet_mm.deploy.fused.network import FusedHRNet
from hrnet_mm.deploy.optimize import MIN_SIDE
from hrnet_mm.deploy.parts import Parts, find_parts
from hrnet_mm.deploy.table import Format, NetworkToWrite
from hrnet_mm.models import HRNet
from hrnet_mm.weights.recognise import name_of, stages_of
from hrnet_mm.weights.sources import fetch
from hrnet_mm.weights.trust import trusting


@dataclass(frozen=True)
class Summary:
    """What was written.

    Attributes:
        format: of the file.
        files: all that belong together.
        description: of what is in them.
        stays: the class of a neck that is not part of the file, or None.
        example: the shape of the image it was compared on.
        difference: from the model; see ``comparison.largest_difference``.
    """

    format: Format
    files: Sequence[Path]
    description: Description
    stays: str | None
    example: tuple[int, ...]
    difference: float

    def lines(self) -> list[str]:
        """What to tell the user."""
        found = self.description
        named = ' ' not in found.network  # else it is a description of its stages
        what = (found.network if named else 'HRNet') + (f' and {found.neck}' if found.neck else '')
        stays = f'the neck {self.stays}, the head' if self.stays else 'the head'
        of_what = 'of the largest number of a map'
        if found.precision != 'fp32':
            of_what = 'of a map, root mean square'
        return [
            f'format      {self.format.title}, {found.precision}',
            f'holds       {what}: image (N, {found.in_channels}, H, W) -> maps; {stays} and what '
            'prepares images stay in Python',
            f'free        N, H and W, from {found.least} x {found.least} on',
            f'difference  {self.difference:.1e} {of_what}, on images of '
            f'{" x ".join(map(str, self.example))} and two of '
            f'{" x ".join(map(str, odd_size(found.least)))}',
            *(f'{size_of(file):<11} {file}' for file in self.files),
        ]


def write_files(
    parts: Parts,
    network: NetworkToWrite,
    format: Format,
    files: Sequence[Path],
    meta: Mapping[str, Any],
    description: Description,
) -> float:
    """Write all files, the head's last, and put them in place if they compute the same.

    Returns:
        The difference from the model.

    Raises:
        UserError: it is too large.
    """
    number = uuid4().int  # OpenVINO names the second of its two files after the first
    with ExitStack() as stack:
        *written, head = (stack.enter_context(replacing(file, number=number)) for file in files)
        format.write(network, written[0])
        write_head_file(head, rest_of(parts), meta, description, written)
        with trusting():  # it was just written
            exported = open_export(written[0], head)
        features = exported.replacement(parts.model, network.image.device).backbone
        return check_same(parts, features, network.image, network.precision, description.least)


def parts_of(model: nn.Module) -> Parts:
    """Where the network is in a model.

    Raises:
        UserError: its backbone is not ours.
    """
    backbone = getattr(model, 'backbone', None)
    if not isinstance(backbone, HRNet):
        kind = type(backbone)
        raise UserError(
            f'the backbone of the config is a {kind.__name__} of {kind.__module__.split(".")[0]}; '
            "hrnet_mm.HRNet can be exported (--takeover puts it in the place of a host's HRNet)"
        )
    return find_parts(model)


def describe(
    cfg: Config, checkpoint: str, parts: Parts, format: Format, precision: str
) -> Description:
    fused = FusedHRNet(parts.net, parts.neck)
    windows = [4 * module.factor for module in fused.modules() if isinstance(module, Pool)]
    with torch.no_grad():
        side = max(MIN_SIDE, *windows, 0)
        maps = parts.run(next(parts.net.parameters()).new_zeros(1, fused.in_channels, side, side))
    return Description(
        format=format.name,
        precision=precision,
        network=name_of(stages_of(parts.net.state_dict())),
        neck=None if parts.neck is None else type(parts.neck).__name__,
        container='list' if isinstance(maps, list) else 'tuple',
        in_channels=fused.in_channels,
        least=side * format.side_factor,
        checkpoint=str(checkpoint),
        checkpoint_sha256=sha256_of(fetch(checkpoint)),
        config=cfg.pretty_text,
        version=hrnet_mm.__version__,
    )


def rest_of(parts: Parts) -> dict[str, Any]:
    """The weights of what is not exported."""
    return parts.replaced_by(nn.Identity()).state_dict()


def stays_of(parts: Parts) -> str | None:
    neck = getattr(parts.model, 'neck', None)
    return None if parts.neck is not None or neck is None else type(neck).__name__


def size_of(file: Path) -> str:
    """``'12.3 MB'`` or ``'24.6 kB'``."""
    size = file.stat().st_size
    return f'{size / 1e6:.1f} MB' if size >= 1e6 else f'{size / 1e3:.1f} kB'
