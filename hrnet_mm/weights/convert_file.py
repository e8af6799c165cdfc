"""From one file of weights to another: what tools/convert_checkpoint.py does."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from hrnet_mm.base.errors import UserError
from hrnet_mm.base.files import replacing, sha256_of
from hrnet_mm.weights.convert import Report, convert
from hrnet_mm.weights.read import import_extra, starting_with, weights_of
from hrnet_mm.weights.recognise import (
    StateDict,
    arch_name,
    backbone_of,
    networks_in,
    stages_of,
)
from hrnet_mm.weights.sources import fetch, read_source
from hrnet_mm.weights.trust import trusting
from hrnet_mm.weights.verify import Comparison, check_equal, compare

SUFFIXES = ('.pth', '.pt', '.safetensors')
SHOWN = 12  # keys of a list, unless --keys asks for all


@dataclass(frozen=True)
class Conversion:
    """What was done.

    Attributes:
        arch: the HRNet's name, ``'w32'``.
        report: what became of each key.
        outside: the number of keys that are not below the prefix.
        comparisons: of the networks that were run.
        sha256: of the file that was written.
    """

    arch: str
    report: Report
    outside: int
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
        to, from_: as for ``hrnet_mm.weights.convert.convert``.
        entry: the entry of the checkpoint that holds the weights. Default: found by its name.
        prefix: what the keys to convert begin with, where the file holds several networks.
        size: compare the networks on an image of this side before anything is written.
        trust: run what the file asks to be run.

    Raises:
        UserError: an argument or a file is wrong; it says which and how.
    """
    check_writable(out)
    if fetch(source).resolve() == out.resolve():
        raise UserError(f'{out} is the file to be read; write to another one')
    with trusting(trust):
        checkpoint = read_source(source)
    weights = weights_of(checkpoint, source, entry)
    number, weights = len(weights), weights_below(weights, prefix, source)
    try:
        converted, report = convert(weights, to, from_, where=source)
    except ValueError as error:
        raise UserError(str(error)) from error
    arch = arch_name(stages_of(backbone_of(weights, report.source.backbone), source))
    comparisons = [] if size is None else compare(weights, converted, report, size)
    check_equal(comparisons)
    meta = plain(checkpoint.get('meta') or {}) if report.target.layout.host else None
    digest = write_weights(converted, out, meta)
    return Conversion(arch, report, number - len(weights), comparisons, digest)


def weights_below(weights: StateDict, prefix: str | None, source: str) -> StateDict:
    """The weights whose keys begin with a prefix, without it.

    Raises:
        UserError: there are none; it names what is there.
    """
    below = starting_with(weights, prefix)
    if not below:
        there = networks_in(weights) or sorted({key.partition('.')[0] for key in weights})
        beginning = prefix.rstrip('.') + '.'
        raise UserError(
            f'--prefix {prefix}: no key of {source} begins with {beginning!r}; its '
            f'networks begin with {", ".join(map(repr, there[:SHOWN]))}'
        )
    return below


def check_writable(path: Path) -> None:
    """Make sure that a file of weights can have this name.

    Raises:
        UserError: it has another suffix, is a folder, or needs a package that is not installed.
    """
    if path.suffix not in SUFFIXES:
        raise UserError(f'{path}: weights are written as {", ".join(SUFFIXES)}')
    if path.is_dir():
        raise UserError(f'{path} is a folder; give the name of a file')
    if path.suffix == '.safetensors':
        import_extra('safetensors.torch', path)


def write_weights(weights: StateDict, path: Path, meta: Mapping[str, Any] | None = None) -> str:
    """Write weights, whole or not at all; the same weights always give the same bytes.

    Args:
        weights: a state dict.
        path: its suffix decides the format.
        meta: if given, a file of torch holds ``dict(state_dict=..., meta=...)``, as OpenMMLab's do;
            else the state dict itself, as other projects' do. Safetensors hold tensors only.

    Returns:
        The file's SHA-256.
    """
    whole = own_copy(weights)
    with replacing(path) as temporary:
        if path.suffix == '.safetensors':
            save = import_extra('safetensors.torch', path).save
            temporary.write_bytes(save(whole, metadata={'format': 'pt'}))
        else:
            contents = whole if meta is None else dict(state_dict=whole, meta=dict(meta))
            with temporary.open('wb') as file:  # torch would write a path's name into the file
                torch.save(contents, file)
        return sha256_of(temporary)


def own_copy(weights: StateDict) -> StateDict:
    """A state dict as it may be saved: on the CPU, with the versions of its modules, if it has any.

    mmpose's DEKRHead and CIDHead change weights that come without their version.
    """
    # With a view or a mapped tensor torch saves the whole storage behind it.
    whole = {name: weight.detach().cpu().contiguous().clone() for name, weight in weights.items()}
    if versions := getattr(weights, '_metadata', None):
        whole = OrderedDict(whole)
        whole._metadata = plain(versions)
    return whole


def plain(value: Any, known: dict[int, Any] | None = None) -> Any:
    """A value without the objects in it that only a trusted file can hold."""
    known = {} if known is None else known
    if id(value) not in known:  # a value that is named often is copied once
        if isinstance(value, Mapping):
            pairs = ((k, item) for k, item in value.items() if _is_plain(k) and _is_plain(item))
            known[id(value)] = {key: plain(item, known) for key, item in pairs}
        elif isinstance(value, list | tuple):
            items = [plain(item, known) for item in value if _is_plain(item)]
            known[id(value)] = tuple(items) if isinstance(value, tuple) else items
        else:
            return value
    return known[id(value)]


def _is_plain(value: Any) -> bool:
    kinds = str | int | float | bool | Mapping | list | tuple | Tensor | np.ndarray
    return value is None or isinstance(value, kinds)


def lines_of(report: Report, every_key: bool = False) -> Iterator[str]:
    """A report as lines of text: the counts, and the keys that do not stay as they are."""
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
