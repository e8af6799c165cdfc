"""One HRNet for OpenMMLab: backbone and necks that mmpose, mmseg, mmdet, mmpretrain build by name.

Nothing has to be imported to use it: ``dict(type='hrnet_mm.HRNet', arch='w32')`` in any config
makes MMEngine's registry import this package by itself.
"""

from contextlib import suppress

__version__ = '0.1.0'

# What Python's users call, and where it is: imported when it is asked for, as it takes seconds.
NAMES = {
    'load': 'hrnet_mm.commands.load:load',
    'save_pretrained': 'hrnet_mm.commands.pretrained:save_pretrained',
    'from_pretrained': 'hrnet_mm.commands.pretrained:from_pretrained',
    'infer': 'hrnet_mm.commands.infer:infer',
    'save_coco': 'hrnet_mm.predict.coco_results:save_coco',
    'Model': 'hrnet_mm.predict.model:Model',
    'Result': 'hrnet_mm.predict.result:Result',
}

# Python has run it already where the package is installed; a copied folder works without it.
with suppress(ModuleNotFoundError):
    import hrnet_mm_startup  # noqa: F401


def __getattr__(name: str) -> object:
    if name not in NAMES:
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    from pkgutil import resolve_name

    globals()[name] = found = resolve_name(NAMES[name])
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *NAMES})
