"""Which file a config's name means: one of ours, a path, ``hrnet_mm::...`` or a host's."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hrnet_mm.base.errors import UserError, did_you_mean


def find_config(config: str | Path) -> Path:
    """The file of a config.

    Args:
        config: a path; a name of ours, ``'hrnet_w32_coco_256x192'``; or a package with a path in
            its configs, ``'hrnet_mm::pose/hrnet_w32_coco_256x192.py'``, ``'mmpose::...'``.

    Raises:
        UserError: there is no such config; of a misspelt name with the one that may be meant.
    """
    path = Path(config)
    if path.is_file():
        return path
    package, separator, inner = str(config).partition('::')
    if separator:
        return _of_package(str(config), package, inner)
    if len(path.parts) == 1 and not path.suffix:
        ours = our_configs()
        if path.name in ours:
            return ours[path.name]
        raise UserError(f'there is no config {config}{did_you_mean(path.name, ours)}')
    raise UserError(f'there is no config {config}')


def our_configs() -> dict[str, Path]:
    """All configs of this package, by name: their names are unique."""
    from hrnet_mm_startup import content_folder  # absent where the package's folder was copied

    found = sorted(Path(content_folder(), 'configs').rglob('*.py'))
    return {path.stem: path for path in found}


def published_weights(config: Path) -> str | None:
    """The address of the checkpoint that a metafile beside a config names for it; None if none."""
    for model in models_beside(config):
        if Path(str(model.get('Config'))).name == config.name:
            return model.get('Weights')
    return None


def models_beside(config: Path) -> Iterator[dict[str, Any]]:
    """The models that the metafiles in a config's folder describe.

    Metafiles are ours and those of the hosts: the same form under several names.
    """
    import yaml  # of the hosts, and not needed to find a config

    for path in sorted((*config.parent.glob('*.yml'), *config.parent.glob('*.yaml'))):
        try:
            document = yaml.safe_load(path.read_text(encoding='utf-8'))
        except (OSError, ValueError, yaml.YAMLError):
            continue  # of the user's own, and no metafile
        models = document.get('Models') if isinstance(document, dict) else document
        listed = models if isinstance(models, list) else ()
        yield from (model for model in listed if isinstance(model, dict))


def _of_package(config: str, package: str, inner: str) -> Path:
    from mmengine.config import Config  # late: it takes seconds, a misspelt name should not

    try:
        found, _ = Config._get_cfg_path(config, '')  # as MMEngine finds the bases of configs
        if Path(found).is_file():
            return Path(found)
    except ModuleNotFoundError as error:
        raise UserError(f'{config}: {package} is not installed') from error
    except (FileNotFoundError, AssertionError, ValueError):
        pass  # said below
    hint = ''
    if package == 'hrnet_mm':
        names = [f'{path.parent.name}/{path.name}' for path in our_configs().values()]
        hint = did_you_mean(inner, names)
    raise UserError(f'there is no config {config}{hint}')
