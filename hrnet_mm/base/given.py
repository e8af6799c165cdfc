"""What can be said of arguments at once, before torch and a host are imported.

Whether they go together, and whether the files are there that they name; what is wrong inside a
file says who reads it. Nothing here imports anything that takes long.
"""

from __future__ import annotations

import glob
from collections.abc import Iterable, Mapping
from pathlib import Path

from hrnet_mm.base.config_names import find_config
from hrnet_mm.base.errors import UsageError, UserError, did_you_mean
from hrnet_mm.base.formats import SUFFIXES

HUB = 'hf-hub:'
LOADERS = ('train_dataloader', 'val_dataloader', 'test_dataloader')  # the keys of a config


def check_not_set_twice(options: Iterable[str], arguments: Mapping[str, str]) -> None:
    """Refuse ``--cfg-options load_from=x.pth`` beside the argument CHECKPOINT, which sets it too.

    Raises:
        UsageError: naming the argument.
    """
    for key in options:
        for name, argument in arguments.items():
            if key == name or key.startswith(f'{name}.') or name.startswith(f'{key}.'):
                raise UsageError(f'--cfg-options {key}: this is what {argument} says')


def is_local(source: str | Path) -> bool:
    """Whether the source of a checkpoint or of images is a path on this machine."""
    return isinstance(source, Path) or ('://' not in source and not source.startswith(HUB))


def check_config(config: str | Path) -> None:
    """Make sure that there is a config, unless it is said to be in a package, ``mmpose::...``.

    Raises:
        UserError: there is none.
    """
    if '::' not in str(config):
        find_config(config)


def check_checkpoint(source: str | Path) -> None:
    """Make sure that a checkpoint, or exported file, is there if it is on this machine.

    Raises:
        UserError: it is not.
    """
    path = Path(source)
    if is_local(source) and not path.expanduser().exists():
        what = 'exported file' if path.suffix in SUFFIXES else 'checkpoint'
        pattern = '*' + glob.escape(path.suffix or '.pth')
        beside = [other.name for other in path.expanduser().parent.glob(pattern)]
        raise UserError(f'there is no {what} {path}{did_you_mean(path.name, beside)}')


def check_fast(source: str | Path, fast: str | None) -> None:
    """Make sure that an engine, ``--fast``, is to be made of a checkpoint and no exported file.

    Raises:
        UsageError: the file is exported.
    """
    path = Path(source)
    if fast and path.suffix in SUFFIXES:
        raise UsageError(f'--fast makes an engine of a checkpoint; {path} is one already')


def check_images(source: str) -> None:
    """Make sure that the images or the video to predict on are there; of a glob nothing is said.

    Raises:
        UserError: there is no such path.
    """
    if not (glob.has_magic(source) or Path(source).exists()):
        raise UserError(f'there is no image, folder or video {source}')
