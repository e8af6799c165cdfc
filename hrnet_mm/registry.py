"""The package's registries, children of MMEngine's: how ``type='hrnet_mm.HRNet'`` is found.

MMEngine imports this module by itself when it meets the scope ``hrnet_mm`` and swallows any
ImportError on the way, so nothing else may be imported here.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from mmengine.registry import HOOKS as ROOT_HOOKS
from mmengine.registry import MODELS as ROOT_MODELS
from mmengine.registry import TRANSFORMS as ROOT_TRANSFORMS
from mmengine.registry import WEIGHT_INITIALIZERS as ROOT_WEIGHT_INITIALIZERS
from mmengine.registry import Registry

SCOPE = 'hrnet_mm'


class LateRegistry(Registry):
    """A registry of which some modules are imported once one of their names is asked for.

    MMEngine imports all ``locations`` when anything of the scope is built. What imports a host is
    not among them, so that ``hrnet_mm.HRNet`` costs mmdet's users no mmpose.

    Args:
        late: the module that registers each name.
    """

    def __init__(self, *args: Any, late: dict[str, str], **options: Any) -> None:
        super().__init__(*args, **options)
        self.late = late

    def get(self, key: str) -> type | None:
        name = key.removeprefix(f'{SCOPE}.')
        if name in self.late:
            import_module(self.late[name])
        return super().get(key)


# MMEngine imports the modules of ``locations`` when something of the scope is first built.
MODELS = LateRegistry(
    'model',
    parent=ROOT_MODELS,
    scope=SCOPE,
    locations=['hrnet_mm.models'],
    late={
        'AssociativeEmbeddingHead': 'hrnet_mm.bottomup.heads',
        'HigherHRNetHead': 'hrnet_mm.bottomup.heads',
        'MultiScaleEstimator': 'hrnet_mm.bottomup.multi_scale',
    },
)
TRANSFORMS = LateRegistry(
    'transform',
    parent=ROOT_TRANSFORMS,
    scope=SCOPE,
    locations=['hrnet_mm.bottomup'],  # which registers nothing; without any MMEngine warns
    late={'BottomupGetHeatmapMask': 'hrnet_mm.bottomup.transforms'},
)
HOOKS = Registry(
    'hook',
    parent=ROOT_HOOKS,
    scope=SCOPE,
    locations=['hrnet_mm.training.hooks', 'hrnet_mm.weights.pretrained'],
)
WEIGHT_INITIALIZERS = Registry(
    'weight initializer',
    parent=ROOT_WEIGHT_INITIALIZERS,
    scope=SCOPE,
    locations=['hrnet_mm.weights.pretrained'],
)
