"""What the compiled libraries gave, for machines that do not have them.

A test module keeps its references in one file beside it. Where the compiled library is installed,
the tests compare with it directly; ``MMCV_OPS=1`` in the environment also writes the file anew.
"""

from __future__ import annotations

import json
import os
from collections import defaultdict
from collections.abc import Callable
from importlib.machinery import PathFinder
from pathlib import Path

import mmcv
import numpy as np

Arrays = dict[str, np.ndarray]
HAS_OPERATORS = PathFinder.find_spec('mmcv._ext', mmcv.__path__) is not None
HAS_XTCOCOTOOLS = PathFinder.find_spec('xtcocotools') is not None


class References:
    """Named outputs of a compiled library, in ``file``, an .npz.

    The file holds one long array for each type of numbers, and where each output lies in it: an
    array for each output would take twice the room.
    """

    def __init__(self, file: Path, is_installed: bool) -> None:
        self.file = file
        self.is_installed = is_installed
        self.made: dict[str, Arrays] = {}

    def of(self, name: str, compute: Callable[[], Arrays]) -> Arrays:
        """What ``compute`` returns, by the compiled library, here or when the file was written."""
        if not self.is_installed:
            return self.load(name)
        return self.made.setdefault(name, compute())

    def load(self, name: str) -> Arrays:
        with np.load(self.file) as stored:
            places = json.loads(str(stored['places']))[name]
            return {
                key: stored[dtype][start : start + int(np.prod(shape))].reshape(shape)
                for key, (dtype, start, shape) in places.items()
            }

    def save(self) -> None:
        if os.environ.get('MMCV_OPS') != '1' or not self.is_installed:
            return
        places: dict[str, dict[str, tuple]] = {}
        values: dict[str, list[np.ndarray]] = defaultdict(list)
        for name, arrays in self.made.items():
            places[name] = {}
            for key, array in arrays.items():
                start = sum(part.size for part in values[array.dtype.name])
                places[name][key] = (array.dtype.name, start, array.shape)
                values[array.dtype.name].append(array.reshape(-1))
        joined = {dtype: np.concatenate(parts) for dtype, parts in values.items()}
        np.savez_compressed(self.file, places=json.dumps(places), **joined)
