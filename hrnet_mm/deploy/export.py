"""The trunk of a model written as a file of another framework, and compared with the model.

The trunk, HRNet with the neck after it, is what ``optimize`` replaces: image -> maps. The host's
own head, with pre- and post-processing, stays in Python; its weights lie in a second file beside
the first, see ``exported``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import torch
from mmengine.config import Config
from torch import Tensor, nn

import hrnet_mm
from hrnet_mm.base.errors import UserError
from hrnet_mm.base.files import replacing, sha256_of
from hrnet_mm.deploy.exported import ENTRY, ExportDescription, head_path, open_export
from hrnet_mm.deploy.fused.layers import Pool
from hrnet_mm.deploy.optimize import MapsDiffer, compare_maps, odd_size, of_odd_size
from hrnet_mm.deploy.table import FORMATS, Format, NetworkToWrite
from hrnet_mm.deploy.trunk import MIN_SIDE, Trunk, find_trunk
from hrnet_mm.models import HRNet
from hrnet_mm.models.higher import HigherResolution
from hrnet_mm.weights.convert_file import own_copy
from hrnet_mm.weights.recognise import arch_name, stages_of
from hrnet_mm.weights.sources import fetch
from hrnet_mm.weights.trust import trusting


@dataclass(frozen=True)
class ExportSummary:
    """What was written.

    Attributes:
        files: all that belong together.
        description: of what is in them.
        kept_neck: the class of a neck that is not part of the file, or None.
        example: the shape of the image it was compared on.
        difference: from the model; see ``optimize.compare_maps``.
        holds_head: whether the head's layers are in the file, as HigherHRNet's.
    """

    files: Sequence[Path]
    description: ExportDescription
    kept_neck: str | None
    example: tuple[int, ...]
    difference: float
    holds_head: bool = False

    def lines(self) -> list[str]:
        """What to tell the user."""
        found = self.description
        named = ' ' not in found.network  # else it is a description of its stages
        what = (found.network if named else 'HRNet') + (f' and {found.neck}' if found.neck else '')
        stays = f'the neck {self.kept_neck}, the head' if self.kept_neck else 'the head'
        if self.holds_head:
            stays = 'the grouping of people'
        of_what = 'of the largest number of a map'
        if found.precision != 'fp32':
            of_what = 'of a map, root mean square'
        return [
            f'format      {FORMATS[found.format].title}, {found.precision}',
            f'holds       {what}: image (N, {found.in_channels}, H, W) -> maps; {stays} and what '
            'prepares images stay in Python',
            f'free        N, H and W, from {found.least} x {found.least} on',
            f'difference  {self.difference:.1e} {of_what}, on images of '
            f'{" x ".join(map(str, self.example))} and two of '
            f'{" x ".join(map(str, odd_size(found.least)))}',
            *(f'{size_of(file):<11} {file}' for file in self.files),
        ]


def write_export(
    trunk: Trunk,
    description: ExportDescription,
    out: Path,
    image: Tensor,
    calibration: Iterable[Tensor],
    meta: Mapping[str, Any],
) -> ExportSummary:
    """Write all files, the head's last, and put them in place if they compute the same.

    Args:
        trunk: of the model.
        description: what the file is to hold, see :func:`describe`.
        out: the file; those that belong to it lie beside.
        image: (1, in_channels, H, W), on which file and model are compared.
        calibration: images as the network gets them, by which int8 chooses its steps.
        meta: of the checkpoint, such as ``dataset_meta``.

    Raises:
        UserError: the file differs from the model. Nothing is written.
    """
    format, precision = FORMATS[description.format], description.precision
    network = NetworkToWrite(trunk.fused(), image, precision, calibration, description.note())
    files = [*format.files(out), head_path(out)]
    number = uuid4().int  # OpenVINO names the second of its two files after the first
    with ExitStack() as stack:
        *written, head = (stack.enter_context(replacing(file, number=number)) for file in files)
        format.write(network, written[0])
        _write_head_file(head, trunk, meta, description, written)
        with trusting():  # it was just written
            exported = open_export(written[0], head)
        features = exported.replacement(trunk.model, image.device).backbone
        difference = check_same(trunk, features, image, precision, description.least)
    neck = None if trunk.neck is not None else getattr(trunk.model, 'neck', None)
    kept_neck = None if neck is None else type(neck).__name__
    holds_head = isinstance(trunk.neck, HigherResolution)
    return ExportSummary(files, description, kept_neck, tuple(image.shape), difference, holds_head)


def exportable_trunk(model: nn.Module) -> Trunk:
    """The trunk of a host's model.

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
    return find_trunk(model)


def describe(
    cfg: Config, checkpoint: str, trunk: Trunk, format: Format, precision: str
) -> ExportDescription:
    """What a file of a trunk is to hold."""
    windows = [4 * module.factor for module in trunk.fused().modules() if isinstance(module, Pool)]
    side, channels = max(MIN_SIDE, *windows, 0), trunk.images.in_channels
    with torch.no_grad():
        maps = trunk.run(next(trunk.net.parameters()).new_zeros(1, channels, side, side))
    return ExportDescription(
        format=format.name,
        precision=precision,
        network=arch_name(stages_of(trunk.net.state_dict())),
        neck=None if trunk.neck is None else type(trunk.neck).__name__,
        container='list' if isinstance(maps, list) else 'tuple',
        in_channels=channels,
        least=side * format.side_factor,
        checkpoint=str(checkpoint),
        checkpoint_sha256=sha256_of(fetch(checkpoint)),
        config=cfg.pretty_text,
        version=hrnet_mm.__version__,
    )


def check_same(
    trunk: Trunk, features: nn.Module, image: Tensor, precision: str, min_side: int
) -> float:
    """Compare an exported file with the model on the example, and on two images of an odd size.

    Args:
        trunk: of the model.
        features: the file as a module.
        image: the example, (1, in_channels, H, W).
        precision: of the file.
        min_side: the shortest side of an image, in pixels.

    Returns:
        The difference of the map that differs most, see ``optimize.compare_maps``.

    Raises:
        UserError: it is too large.
    """
    odd = of_odd_size(image, min_side)
    differences = []
    for example in (image, torch.cat([odd, odd.flip(-1)])):
        try:
            with torch.no_grad():
                maps, expected = features(example), trunk.run(example)
            differences.append(compare_maps(maps, expected, example, precision))
        except MapsDiffer as error:
            raise UserError(
                f'the exported file differs by {error.difference:.1e} from the model on images of '
                f'{tuple(example.shape)}, more than {error.tolerance:.0e}: nothing was written'
            ) from error
    return max(differences)


def size_of(file: Path) -> str:
    """``'12.3 MB'`` or ``'24.6 kB'``."""
    size = file.stat().st_size
    return f'{size / 1e6:.1f} MB' if size >= 1e6 else f'{size / 1e3:.1f} kB'


def _write_head_file(
    path: Path,
    trunk: Trunk,
    meta: Mapping[str, Any],
    description: ExportDescription,
    files: Sequence[Path],
) -> None:
    """Write the weights of all but the trunk, with what they belong to: ``files``, which exist."""
    head = own_copy(trunk.replaced_by(nn.Identity()).state_dict())
    export = asdict(description) | {'sha256': [sha256_of(file) for file in files]}
    torch.save({'state_dict': head, 'meta': dict(meta), ENTRY: export}, path)
