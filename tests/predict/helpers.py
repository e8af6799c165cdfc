"""What the fixtures of this folder are, and the files that a run has written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from hrnet_mm.inference import Summary
from hrnet_mm.predict.model import Model
from tests.models_of_hosts import TinyModel

Run = Callable[..., Summary]
Document = Callable[[], dict[str, Any]]
Tiny = Callable[[str], TinyModel]
Loaded = Callable[[str], Model]


def files_in(folder: Path) -> list[str]:
    """The paths of all files below a folder, e.g. ``['a.jpg', 'sub/b.png']``."""
    paths = (path for path in folder.rglob('*') if path.is_file())
    return sorted(path.relative_to(folder).as_posix() for path in paths)
