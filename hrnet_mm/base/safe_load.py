"""``torch.load`` with ``weights_only=True``, as torch 2.6 and newer have it, on older ones too."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import IO, Any

import torch

from hrnet_mm.base import pickle_reader
from hrnet_mm.base.pickle_rules import refuse
from hrnet_mm.base.torch_versions import is_older_than

# Before torch 2.6 weights_only=True gave a file of TorchScript to torch.jit.load, unpacked a tar
# archive, and could not be told of mmengine's values (hrnet_mm.base.pickle_reader).
TORCH_IS_SAFE = not is_older_than('2.6')


def safe_load(file: str | Path | IO[bytes], map_location: Any = None, mmap: bool = False) -> Any:
    """Load weights and plain values from a file of torch; nothing in it is run.

    Raises:
        pickle.UnpicklingError: it asks for more.
        Exception: of any type; it is damaged.
    """
    if TORCH_IS_SAFE:
        return torch.load(file, map_location=map_location, weights_only=True, mmap=mmap)
    if not isinstance(file, str | os.PathLike):
        return _load(file, file, map_location, False)
    with _WithoutDescriptor(io.FileIO(file)) as opened:
        return _load(os.fspath(file) if mmap else opened, opened, map_location, mmap)


class _WithoutDescriptor(io.BufferedReader):
    """A file of which torch cannot say that it is a tar archive, whatever it holds."""

    def fileno(self) -> int:
        raise io.UnsupportedOperation('fileno')


def _load(file: str | IO[bytes], opened: IO[bytes], map_location: Any, mmap: bool) -> Any:
    """What torch's own code for ``weights_only=False`` makes of it by our reader of pickles."""
    start, is_zip = opened.tell(), opened.read(4) == b'PK\x03\x04'
    opened.seek(start)
    if is_zip and 'constants.pkl' in torch._C.PyTorchFileReader(opened).get_all_records():
        refuse('it is a program of TorchScript')
    opened.seek(start)
    return torch.load(
        file, map_location=map_location, pickle_module=pickle_reader, weights_only=False, mmap=mmap
    )
