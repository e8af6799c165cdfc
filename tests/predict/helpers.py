"""What the fixtures of this folder are, and the files that a run has written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from mmcv.transforms import BaseTransform
from mmengine.registry import TRANSFORMS

from hrnet_mm.inference import Summary
from hrnet_mm.predict.model import Model
from tests.models_of_hosts import TinyModel

Run = Callable[..., Summary]
Document = Callable[[], dict[str, Any]]
Tiny = Callable[[str], TinyModel]
Loaded = Callable[[str], Model]

PIPELINE = 'test_dataloader.dataset.pipeline'


def files_in(folder: Path) -> list[str]:
    """The paths of all files below a folder, e.g. ``['a.jpg', 'sub/b.png']``."""
    paths = (path for path in folder.rglob('*') if path.is_file())
    return sorted(path.relative_to(folder).as_posix() for path in paths)


@TRANSFORMS.register_module()
class FailOnBright(BaseTransform):
    """A step that fails on bright images, by any error."""

    def __init__(self, above: float, error: type[BaseException] = ZeroDivisionError) -> None:
        self.above = above
        self.error = error

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        if results['img'].mean() > self.above:
            raise self.error('too bright')
        return results


def failing(**options: Any) -> dict[str, Any]:
    """The change to a segmentor's config that puts ``FailOnBright`` into its test pipeline."""
    step = dict(type='mmengine.FailOnBright', **options)
    return {PIPELINE: [dict(type='LoadImageFromFile'), step, dict(type='PackSegInputs')]}
