"""What the weights of a folder are of: the file beside them that says so."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from hrnet_mm.base.errors import UserError

WEIGHTS, ABOUT = 'model.safetensors', 'hrnet_mm.json'
BACKBONE, MODEL = 'backbone', 'model'  # the two kinds
# Of HRNet; no others, as the type of a norm could name any function of any module.
ARGUMENTS = ('arch', 'extra', 'in_channels', 'out_indices', 'upsample', 'align_corners', 'fusion')
ARRAY, ITEMS = '__array__', '__items__'  # what JSON does not know is marked with


@dataclass(frozen=True)
class Description:
    """What the weights of a folder are of; the names of the fields are those in the file.

    Attributes:
        kind: ``'backbone'`` or ``'model'``.
        network: of a backbone, the arguments of HRNet.
        config: of a whole model, the name of the file of its config.
        dataset_meta: of a whole model, what it knows of its data.
        scores: by metric, as they are printed.
        measured: how, in words.
        version: of hrnet_mm.
    """

    kind: str
    network: dict[str, Any] = field(default_factory=dict)
    config: str | None = None
    dataset_meta: dict[str, Any] = field(default_factory=dict)
    scores: dict[str, float] = field(default_factory=dict)
    measured: str = ''
    version: str = ''


def read_about(folder: Path) -> Description:
    """Read the description of a folder.

    Raises:
        UserError: there is none, or it is none of ours.
    """
    path = folder / ABOUT
    try:
        document = json.loads(path.read_text(encoding='utf-8'))
        about = Description(**document)
        meta = from_json(about.dataset_meta)
        plain = about.config is None or Path(about.config).name == about.config
        known = about.kind in (BACKBONE, MODEL) and isinstance(meta, dict)
        if not (known and plain and {*about.network} <= {*ARGUMENTS}):
            raise ValueError(f'{about.kind!r} of {about.network}, config {about.config!r}')
    except OSError as error:
        raise UserError(f'{path} cannot be opened: {error.strerror}') from error
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise UserError(f'{path} is no description of hrnet_mm: {error}') from error
    return Description(**{**document, 'dataset_meta': meta})


def as_json(value: Any) -> Any:
    """A value of a dataset_meta as JSON, which knows no arrays and no numbers as keys."""
    if isinstance(value, np.ndarray):
        return {ARRAY: value.tolist(), 'dtype': str(value.dtype)}
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Mapping):
        if all(isinstance(key, str) for key in value):
            return {key: as_json(item) for key, item in value.items()}
        return {ITEMS: [[as_json(key), as_json(item)] for key, item in value.items()]}
    if isinstance(value, list | tuple | set):
        return [as_json(item) for item in value]
    return value if value is None or isinstance(value, str | int | float | bool) else str(value)


def from_json(value: Any) -> Any:
    """What ``as_json`` was given, with lists for tuples."""
    if isinstance(value, list):
        return [from_json(item) for item in value]
    if not isinstance(value, dict):
        return value
    if ARRAY in value:
        return np.asarray(value[ARRAY], np.dtype(value['dtype']))
    if ITEMS in value:
        return {from_json(key): from_json(item) for key, item in value[ITEMS]}
    return {key: from_json(item) for key, item in value.items()}
