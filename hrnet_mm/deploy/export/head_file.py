"""The file beside an exported one: the weights of the head, and what the exported one is.

``model.onnx`` goes with ``model.onnx.head.pth``. It is a checkpoint as OpenMMLab writes them, of
what is left of the model, and holds the SHA-256 of the files that it belongs to.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, get_type_hints

import torch
from torch import Tensor

from hrnet_mm.base.errors import UserError
from hrnet_mm.base.files import sha256_of
from hrnet_mm.weights.read import read_checkpoint

SUFFIX = '.head.pth'
ENTRY = 'export'


@dataclass(frozen=True)
class Description:
    """What an exported file holds.

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
        """It as JSON, for people who open the exported file itself."""
        return json.dumps(asdict(self))


def path_beside(out: Path) -> Path:
    """Where the head's weights of an exported file are."""
    return out.with_name(out.name + SUFFIX)


def write_head_file(
    path: Path,
    weights: Mapping[str, Tensor],
    meta: Mapping[str, Any],
    description: Description,
    files: Sequence[Path],
) -> None:
    """Write the file that goes with others, which must be there.

    Args:
        path: of the file.
        weights: the state dict of the rest of the model.
        meta: of the checkpoint, such as ``dataset_meta``.
        description: of the exported file.
        files: all of its files.
    """
    # Copies: what is saved of a view or a mapped file is all of the storage behind it.
    whole = {key: weight.detach().cpu().contiguous().clone() for key, weight in weights.items()}
    export = asdict(description) | {'sha256': [sha256_of(file) for file in files]}
    torch.save({'state_dict': whole, 'meta': dict(meta), ENTRY: export}, path)


def read_head_file(out: Path, path: Path) -> tuple[dict[str, Any], Description, list[str]]:
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
    kinds = get_type_hints(Description) | {'sha256': list}
    for name, kind in kinds.items():
        value = export.get(name)
        if not isinstance(value, kind) or isinstance(value, bool):
            raise UserError(
                f'{path} is not written by tools/export.py, or by another version of it: '
                f'{name}={value!r:.60}'
            )
    hashes = export.pop('sha256')
    return contents, Description(**{name: export[name] for name in kinds if name in export}), hashes


def read_files(out: Path, files: Sequence[Path], hashes: Sequence[str], path: Path) -> list[bytes]:
    """The bytes of the files that the head was written with: those that were hashed are run.

    Raises:
        UserError: one is missing, or another.
    """
    if len(files) != len(hashes):
        raise UserError(f'{path} is of {len(hashes)} files, and {out} has {len(files)}')
    read = []
    for file, digest in zip(files, hashes, strict=True):
        if not file.is_file():
            raise UserError(f'there is no {file}, which is a part of {out}')
        read.append(file.read_bytes())
        if hashlib.sha256(read[-1]).hexdigest() != digest:
            raise UserError(
                f'{file} and {path.name} are not of the same export; export again, or copy both'
            )
    return read
