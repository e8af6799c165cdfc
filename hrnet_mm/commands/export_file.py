"""``export``: from a config and a checkpoint to a file of another framework."""

from __future__ import annotations

import copy
import tempfile
from pathlib import Path

import torch
from mmengine.config import Config
from torch import Tensor, nn

import hrnet_mm.compat  # noqa: F401  (before any host is imported)
from hrnet_mm.base.errors import UserError
from hrnet_mm.base.formats import SUFFIXES, check_calibration
from hrnet_mm.commands.from_arguments import weights_from
from hrnet_mm.deploy.export import ExportSummary, describe, exportable_trunk, write_export
from hrnet_mm.deploy.exported import ExportDescription
from hrnet_mm.deploy.table import Format
from hrnet_mm.predict.host_model import HostModel
from hrnet_mm.predict.network_inputs import (
    Calibration,
    calibration_files,
    default_example,
    noise_of_size,
)
from hrnet_mm.training.run import test
from hrnet_mm.weights.checkpoint import Checkpoint
from hrnet_mm.weights.convert_file import plain
from hrnet_mm.weights.sources import read_source
from hrnet_mm.weights.trust import trusting


def export(
    cfg: Config,
    checkpoint: str,
    out: Path,
    format: Format,
    precision: str = 'fp32',
    size: tuple[int, int] | None = None,
    calibration: Path | None = None,
    boxes: Path | None = None,
    device: torch.device | str = 'cpu',
    trust: bool = False,
) -> ExportSummary:
    """Write the network of a model, run what was written, and compare.

    Args:
        cfg: a config of a host, the backbone an HRNet of ours.
        checkpoint: its weights.
        out: the file; those that belong to it lie beside.
        format: see ``table.format_of``.
        precision: of weights and arithmetic in the file.
        size: height and width of the images it is compared on. Default: of what the config's test
            pipeline makes of a picture of 640 x 480.
        calibration: a folder of images to choose the steps of int8 by.
        boxes: where a top-down pose model looks in them, see ``network_inputs.Calibration``.
        device: where a compiled package is to run.
        trust: run what the checkpoint asks to be run. What is written holds plain values only.

    Raises:
        UserError: an argument is wrong, or the file differs from the model. Nothing is written.
    """
    format.check(out, precision)
    check_calibration('--precision', precision, calibration, boxes)
    photos = None if calibration is None else calibration_files(calibration)
    if Path(checkpoint).suffix in SUFFIXES:
        raise UserError(f'{checkpoint} is an exported file; name the checkpoint it is from')
    with trusting(trust):
        model = HostModel(cfg, Checkpoint(checkpoint), torch.device(device), (nn.Module,))
        meta = plain(read_source(checkpoint).get('meta') or {})
    trunk = exportable_trunk(model.module)
    description = describe(cfg, checkpoint, trunk, format, precision)
    images = () if photos is None else Calibration(model, photos, boxes)
    # The steps of int8 fit images like these only, not noise.
    image = next(iter(images), None) if size is None else None
    if image is None:
        image = example_for(model, size, description)
    return write_export(trunk, description, out, image, images, meta)


def example_for(
    model: HostModel, size: tuple[int, int] | None, description: ExportDescription
) -> Tensor:
    """An image of the size asked for, or as the host's pipeline makes it.

    Raises:
        UserError: it is too small.
    """
    device = next(model.module.parameters()).device
    if size is None:
        image = default_example(model, description.in_channels)
        height, width = (max(side, description.least) for side in image.shape[2:])
        if (height, width) == image.shape[2:]:
            return image
        size = (height, width)
    if min(size) < description.least:
        least = f'{description.least}x{description.least}'
        raise UserError(f'--size {size[0]}x{size[1]}: the network needs at least {least} here')
    return noise_of_size(description.in_channels, size).to(device)


def compared_metrics(cfg: Config, checkpoint: str, out: Path, trust: bool = False) -> list[str]:
    """Evaluate both on the config's test data; one line per metric. Their logs are not kept.

    Raises:
        UserError: the data are not there.
    """
    # One folder for both: MMEngine's visualizer stays with the first that a process names.
    with tempfile.TemporaryDirectory() as folder:
        ours = _metrics_of(cfg, str(out), folder, trust=True)  # it was just written
        theirs = _metrics_of(cfg, checkpoint, folder, trust)
    return [
        f'{name} {ours[name]:.4f}, the checkpoint {value:.4f}, {ours[name] - value:+.4f}'
        for name, value in theirs.items()
    ]


def _metrics_of(cfg: Config, weights: str, work_dir: str, trust: bool) -> dict[str, float]:
    """What tools/test.py measures."""
    cfg = copy.deepcopy(cfg)
    cfg.work_dir, cfg.launcher = work_dir, 'none'
    with trusting(trust):
        return test(cfg, weights_from(weights))
