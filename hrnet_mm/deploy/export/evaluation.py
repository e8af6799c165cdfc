"""The metrics of an exported file beside those of its checkpoint."""

from __future__ import annotations

import copy
import tempfile
from pathlib import Path

from mmengine.config import Config

from hrnet_mm.training.run import test


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
    cfg.load_from, cfg.work_dir, cfg.launcher = weights, work_dir, 'none'
    return test(cfg, trust)
