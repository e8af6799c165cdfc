"""From one file of weights to another: what tools/convert_checkpoint.py does."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from hrnet_mm.checkpoints.contents import weights_of
from hrnet_mm.checkpoints.convert import Report, convert
from hrnet_mm.checkpoints.loading import read_checkpoint
from hrnet_mm.checkpoints.pretrained import starting_with
from hrnet_mm.checkpoints.sources import fetch
from hrnet_mm.checkpoints.verify import Comparison, check_equal, compare
from hrnet_mm.checkpoints.width import backbone_of, name_of, stages_of
from hrnet_mm.checkpoints.writing import check_writable, write_weights
from hrnet_mm.cli import UserError

SHOWN = 12  # keys of a list, unless all are asked for


@dataclass(frozen=True)
class Conversion:
    """What was done: the HRNet's name, the keys, the networks compared, the file's SHA-256."""

    arch: str
    report: Report
    comparisons: list[Comparison]
    sha256: str


def convert_file(
    source: str,
    out: Path,
    to: str,
    from_: str | None = None,
    entry: str | None = None,
    prefix: str | None = None,
    size: int | None = None,
    trust: bool = False,
) -> Conversion:
    """Convert a checkpoint and write it.

    Args:
        source: a path, a URL, ``open-mmlab://...`` or ``hf-hub:...``.
        out: the file to write; ``.safetensors`` or a file of torch.
        to, from_: as for ``hrnet_mm.checkpoints.convert.convert``.
        entry: of the checkpoint, which holds the weights. Default: found by its name.
        prefix: of the keys to convert, where the file holds several networks.
        size: compare the networks on an image of this size before anything is written.
        trust: run what the file asks to be run.

    Raises:
        UserError: naming what is wrong with an argument or a file.
    """
    check_writable(out)
    path = fetch(source)
    if path.resolve() == out.resolve():
        raise UserError(f'{out} is the file to be read; write to another one')
    checkpoint = read_checkpoint(path, trust=trust)
    weights = weights_of(checkpoint, source, entry)
    if prefix and not any(key.startswith(prefix) for key in weights):
        raise UserError(f'no key in {source} begins with {prefix!r} (--prefix)')
    weights = starting_with(weights, prefix)
    try:
        converted, report = convert(weights, to, from_, where=source)
    except ValueError as error:
        raise UserError(str(error)) from error
    arch = name_of(stages_of(backbone_of(weights, report.source.backbone), source))
    comparisons = [] if size is None else compare(weights, converted, report, size)
    check_equal(comparisons)
    meta = plain(checkpoint.get('meta') or {}) if report.target.layout.host else None
    return Conversion(arch, report, comparisons, write_weights(converted, out, meta))


def plain(value: Any) -> Any:
    """A value without the objects in it that only a trusted file can hold."""
    if isinstance(value, Mapping):
        pairs = ((key, item) for key, item in value.items() if _is_plain(key) and _is_plain(item))
        return {key: plain(item) for key, item in pairs}
    if isinstance(value, list | tuple):
        items = [plain(item) for item in value if _is_plain(item)]
        return tuple(items) if isinstance(value, tuple) else items
    return value


def _is_plain(value: Any) -> bool:
    kinds = str | int | float | bool | Mapping | list | tuple | Tensor | np.ndarray
    return value is None or isinstance(value, kinds)


def lines_of(report: Report, every_key: bool = False) -> Iterator[str]:
    """A report as text: the counts, and the keys that are not simply kept."""
    pairs = [f'{old} -> {new}' for old, new in report.renamed.items()]
    yield f'mapped   {len(report.mapped)}'
    yield from _list('renamed', pairs, every_key, shown=3)
    if report.folded or report.added:
        yield from _list('folded', report.folded, every_key)
        yield from _list('added', report.added, every_key)
    yield from _list('dropped', report.dropped, every_key)
    yield from _list('missing', report.missing, every_key)


def _list(
    name: str, items: tuple[str, ...] | list[str], every: bool, shown: int = SHOWN
) -> Iterator[str]:
    yield f'{name:8} {len(items)}'
    shown = len(items) if every else shown
    for item in items[:shown]:
        yield f'         {item}'
    if len(items) > shown:
        yield f'         ... and {len(items) - shown} more (--keys)'
