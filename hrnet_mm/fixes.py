"""Fixes that let the OpenMMLab hosts run on current PyTorch. Importing this module applies them.

Import it before any host. Each fix looks first whether it is needed, so that it does nothing on a
stack that does not have the fault:

* ``torchvision`` from PyPI beside a CPU-only torch fails to import, and mmpretrain imports it:
  :class:`TorchvisionFinder`.
* setuptools warns that pkg_resources, which mmengine imports, is deprecated: silenced.
* mmpose warns that the names of keypoints "do not exist" in the working folder, wherever it reads
  them from its own: silenced.
* torch 2.6 loads checkpoints with ``weights_only=True``, which refuses the log history that
  mmengine 0.10 saves in every checkpoint: :func:`allow_mmengine_checkpoints`.
* mmengine unpickles downloaded checkpoints without ``weights_only``, before torch 2.6 all of them,
  and the maintained fork's does so with every file that torch refuses: :func:`load_weights_only`.
* numpy 2.4 refuses ``int(np.array([3]))``, as which mmpose's visualizer takes the radius of a
  keypoint: :func:`draw_keypoints`.
* COCO's and xtcocotools' ``loadRes`` fail on a file without results, which a bottom-up model writes
  while it finds nobody, as after its first epoch: :func:`evaluate_nobody`.
"""

from __future__ import annotations

import importlib
import sys
import warnings
from collections.abc import Sequence
from copy import copy
from functools import partial, wraps
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch

from hrnet_mm.base.download import download, forget
from hrnet_mm.base.finders import Run, find_installed, run_by
from hrnet_mm.base.pickle_stand_ins import STAND_INS
from hrnet_mm.base.safe_load import TORCH_IS_SAFE, safe_load

_KEPT_LIBRARIES: list[torch.library.Library] = []  # a schema lives as long as its Library


class TorchvisionFinder:
    """Finds torchvision as the other finders do, to mend its import where that fails.

    PyPI's wheel holds operators linked against CUDA; beside a CPU-only torch they do not load, and
    torchvision then fails while it registers the fake kernel of an operator that does not exist.
    A bare schema is enough for the import. Calling the operator still fails, with torch's message
    that it has no kernel; mmcv's operators, which the hosts use, are not concerned.
    """

    @classmethod
    def find_spec(
        cls, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name != 'torchvision':
            return None
        return run_by(find_installed(cls, name, path, target), _run_or_mend)


def _run_or_mend(run: Run, module: ModuleType) -> None:
    try:
        run(module)
    except RuntimeError as error:
        if 'torchvision::nms' not in str(error):
            raise
        for name in [name for name in sys.modules if name.startswith('torchvision.')]:
            del sys.modules[name]
        library = torch.library.Library('torchvision', 'DEF')
        for operator in ('nms', 'qnms'):
            library.define(f'{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor')
        _KEPT_LIBRARIES.append(library)
        run(module)


def make_torchvision_importable() -> None:
    """Let torchvision be mended when it is imported, if it ever is: that takes a second."""
    known = [getattr(finder, '__name__', '') for finder in sys.meta_path]
    if TorchvisionFinder.__name__ not in known:  # this module may be run again
        sys.meta_path.insert(0, TorchvisionFinder)


def allow_mmengine_checkpoints() -> None:
    """Let ``weights_only=True`` read what mmengine's Runner saves: its log history, numpy's values.

    What the names in the file stand for is in ``hrnet_mm.base.pickle_stand_ins``: nothing of
    numpy, and no class that a file could change.
    """
    if TORCH_IS_SAFE:  # else hrnet_mm.base.pickle_reader knows them
        torch.serialization.add_safe_globals(list(STAND_INS))


class _SafeTorch(ModuleType):
    """torch with another ``load``."""

    load = staticmethod(safe_load)

    def __getattr__(self, name: str) -> Any:
        return getattr(torch, name)


def load_weights_only() -> None:
    """Let all checkpoints that mmengine loads be read with ``weights_only=True``, or not at all."""
    checkpoint = importlib.import_module('mmengine.runner.checkpoint')
    checkpoint.load_url = load_url
    if not TORCH_IS_SAFE:
        checkpoint.torch = _SafeTorch('torch')  # it calls torch.load in five functions
    if hasattr(checkpoint, '_safe_torch_load'):
        # The fork's: where torch refuses a file, it reads it again without weights_only; and before
        # that it allows getattr, whatever is asked of it.
        load = partial(torch.load, weights_only=True) if TORCH_IS_SAFE else safe_load
        checkpoint._safe_torch_load = load


def name_owned_memory() -> None:
    """Give numpy the name under which xtcocotools' compiled code looks for a flag of arrays.

    It was a constant of numpy's C interface; where Cython no longer finds it there, it asks the
    Python module for it, when the first mask is decoded.
    """
    if not hasattr(np, 'NPY_OWNDATA') and find_spec('xtcocotools') is not None:
        np.NPY_OWNDATA = 0x0004  # NPY_ARRAY_OWNDATA: the array frees its memory


def draw_keypoints() -> None:
    """Let mmpose draw a keypoint whose radius is an array of one number, as its own calls pass it.

    Its class is wrapped when Python makes it, so that mmpose is not imported here. Drawing with
    matplotlib needs the array.
    """
    if np.lib.NumpyVersion(np.__version__) < '2.4.0':
        return
    visualizer = importlib.import_module('mmengine.visualization').Visualizer
    visualizer.__init_subclass__ = classmethod(_take_radius_from_array)
    for known in visualizer.__subclasses__():
        _take_radius_from_array(known)


def _take_radius_from_array(visualizer: type) -> None:
    if visualizer.__module__ != 'mmpose.visualization.opencv_backend_visualizer':
        return
    draw = visualizer.draw_circles

    @wraps(draw)
    def draw_circles(self: Any, center: Any, radius: Any, *args: Any, **options: Any) -> Any:
        if self.backend == 'opencv' and isinstance(radius, np.ndarray):
            radius = radius.item()
        return draw(self, center, radius, *args, **options)

    visualizer.draw_circles = draw_circles


def evaluate_nobody() -> None:
    """Let mmpose's COCO metrics say 0 where a model has found nobody in any image.

    The classes are wrapped when Python makes them, so that mmpose is not imported here.
    """
    metric = importlib.import_module('mmengine.evaluator').BaseMetric
    metric.__init_subclass__ = classmethod(_take_no_results)


def _take_no_results(metric: type) -> None:
    name = '_do_python_keypoint_eval'
    if not metric.__module__.startswith('mmpose.evaluation.metrics.coco') or name not in vars(
        metric
    ):
        return
    evaluate = getattr(metric, name)

    @wraps(evaluate)
    def evaluate_any(self: Any, outfile_prefix: str) -> Any:
        if Path(f'{outfile_prefix}.keypoints.json').read_bytes().strip() != b'[]':
            return evaluate(self, outfile_prefix)
        labels, nobody = self.coco, type(self.coco)()
        nobody.dataset = labels.dataset | dict(annotations=[])
        nobody.createIndex()
        self.coco = copy(labels)
        self.coco.loadRes = lambda *_: nobody
        try:
            return evaluate(self, outfile_prefix)
        finally:
            self.coco = labels

    setattr(metric, name, evaluate_any)


def load_url(url: str, model_dir: str | None = None, map_location: Any = None, **_: Any) -> Any:
    """What mmengine loads from the web: downloaded by ``hrnet_mm.base.download``, read by torch.

    torch's own keeps two URLs of one file name as one file, and waits for ever.
    """
    path = download(url)
    try:
        if not TORCH_IS_SAFE:
            return safe_load(path, map_location)
        return torch.hub.load_state_dict_from_url(
            url, str(path.parent), map_location, file_name=path.name, weights_only=True
        )
    except Exception:
        forget(path)  # else it would fail for ever, whatever is there by then
        raise


warnings.filterwarnings('ignore', message='pkg_resources is deprecated')
warnings.filterwarnings('ignore', message='The metainfo config file ".*" does not exist. A matched')
make_torchvision_importable()
allow_mmengine_checkpoints()
load_weights_only()
name_owned_memory()
draw_keypoints()
evaluate_nobody()
