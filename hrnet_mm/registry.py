"""The package's registries, children of MMEngine's: how ``type='hrnet_mm.HRNet'`` is found.

MMEngine imports this module by itself when it meets the scope ``hrnet_mm`` and swallows any
ImportError on the way, so nothing else may be imported here.
"""

from mmengine.registry import HOOKS as ROOT_HOOKS
from mmengine.registry import MODELS as ROOT_MODELS
from mmengine.registry import WEIGHT_INITIALIZERS as ROOT_WEIGHT_INITIALIZERS
from mmengine.registry import Registry

SCOPE = 'hrnet_mm'

# MMEngine imports the modules of ``locations`` when something of the scope is first built.
MODELS = Registry('model', parent=ROOT_MODELS, scope=SCOPE, locations=['hrnet_mm.models'])
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
