"""Saying what a check has found, and stopping where something is surely wrong."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence

from mmengine.config import Config

from hrnet_mm.base.config import check_paths
from hrnet_mm.base.errors import UserError
from hrnet_mm.check.everything import check, phases_of
from hrnet_mm.check.findings import Finding

RANKS = ('RANK', 'SLURM_PROCID', 'OMPI_COMM_WORLD_RANK')  # as launchers set them


def make_sure(
    cfg: Config, say: Callable[[str], object], phases: Sequence[str] | None = None
) -> list[Finding]:
    """Check a config and its data; say what is doubtful and what was counted.

    Args:
        cfg: the config of any host.
        say: takes a line of text for each warning and note.
        phases: as for :func:`hrnet_mm.check.check`.

    Raises:
        UserError: something is surely wrong, or data are not there.
    """
    phases = phases_of(cfg) if phases is None else phases
    check_paths(cfg, tuple(phases))
    findings = check(cfg, phases)
    for level in ('note', 'warning'):
        for finding in findings:
            if finding.level == level:
                say(f'{level}: {finding.text}')
    stops = [finding.text for finding in findings if finding.level == 'stop']
    if stops:
        raise UserError('\n       '.join(stops))
    return findings


def say(line: str) -> None:
    """Print a line, once however many processes train."""
    rank = next((os.environ[name] for name in RANKS if name in os.environ), '0')
    if rank == '0':
        print(line, file=sys.stderr, flush=True)
