"""Where a checkpoint comes from: a path, a URL, OpenMMLab's zoo, the Hugging Face hub."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from mmengine.dist import barrier, get_rank
from mmengine.runner import CheckpointLoader
from mmengine.runner.checkpoint import get_deprecated_model_names, get_external_models

from hrnet_mm.base.download import WEB, download, forget
from hrnet_mm.base.errors import UserError
from hrnet_mm.base.given import HUB, is_local
from hrnet_mm.weights.description import ABOUT, WEIGHTS, read_about
from hrnet_mm.weights.read import NotInstalled, import_extra, read_checkpoint
from hrnet_mm.weights.trust import is_trusted

HUB_FILES = ('model.safetensors', 'pytorch_model.bin')
ZOOS = ('open-mmlab://', 'openmmlab://')
_HUB_NAME = re.compile(r'(?!.*\.\.)\w[\w.-]*(/\w[\w.-]*)?')
_REVISION = re.compile(r'(?!.*\.\.)\w[\w./+-]*')


def read_source(source: str | Path, **how: Any) -> dict[str, Any]:
    """Read the checkpoint of a source; ``how`` as for ``hrnet_mm.weights.read.read_checkpoint``.

    Raises:
        UserError: the source cannot be reached, is not what its name says, or cannot be read
            safely.
    """
    path = fetch(source)
    if (path / WEIGHTS).is_file():
        return _read_folder(path, **how)
    try:
        return read_checkpoint(path, **how)
    except UserError as error:
        if not (is_local(source) or isinstance(error, NotInstalled)):
            forget(path)  # otherwise it would be refused again when the source has been mended
        raise


def _read_folder(folder: Path, **how: Any) -> dict[str, Any]:
    """What ``hrnet_mm.save_pretrained`` wrote, as a checkpoint of OpenMMLab has it."""
    weights = read_checkpoint(folder / WEIGHTS, **how)
    if not (folder / ABOUT).is_file():
        return weights
    return {'state_dict': weights, 'meta': {'dataset_meta': read_about(folder).dataset_meta}}


def described_folder(source: str | Path) -> Path | None:
    """The folder of ``hrnet_mm.save_pretrained`` that a source is, on the hub or here.

    Returns:
        None: it has no description, and is weights at most.
    """
    if is_local(source):
        folder = Path(source).expanduser()
        return folder if (folder / ABOUT).is_file() else None
    name = source.removeprefix(HUB)
    try:
        folder = from_hub(name, (ABOUT,)).parent if name != source else None
    except UserError:  # it has no such file, or is not reached; the weights may be in the cache
        return None
    if folder is not None:
        about = read_about(folder)
        for file in filter(None, (about.config, WEIGHTS)):
            folder = from_hub(name, (file,)).parent
    return folder


def use_our_readers() -> None:
    """Let everything that MMEngine loads in this process go through ``read_source``.

    That is ``load_from``, ``resume`` and the ``init_cfg`` of any model. Files are then read with
    ``weights_only=True`` on every version of torch, a refused or damaged file raises a UserError of
    one sentence, the hash in the name of a download is checked, and safetensors and ``hf-hub:`` are
    known. The tools call this function before they build a Runner.
    """

    # MMEngine logs what follows load_from_ as the kind of the source.
    def load_from_hrnet_mm(filename: str, map_location: Any = None) -> dict[str, Any]:
        # Not mapped into memory: training may later write a checkpoint of the same name.
        checkpoint = read_source(filename, mmap=False, map_location=map_location or 'cpu')
        if not is_trusted() and isinstance(checkpoint.get('meta'), dict):
            checkpoint['meta'].pop('config', None)  # MMEngine runs this text when it resumes
        return checkpoint

    CheckpointLoader.register_scheme(['', *WEB, *ZOOS, HUB], load_from_hrnet_mm, force=True)


def fetch(source: str | Path) -> Path:
    """The local file of a source, downloaded if it is not there yet.

    Args:
        source: a path, ``https://...``, ``open-mmlab://msra/hrnetv2_w32``, or
            ``hf-hub:timm/hrnet_w32.ms_in1k`` with ``@revision`` behind it if wanted.

    Raises:
        UserError: the name is unknown, the download fails, or has another hash than its name says.
    """
    if is_local(source):
        return Path(source).expanduser()
    if source.startswith(HUB):
        return from_hub(source.removeprefix(HUB))
    if source.startswith(ZOOS):
        return from_zoo(source)
    if source.startswith(WEB):
        return _download_once(source)
    raise UserError(
        f'{source}: checkpoints come from a path, {", ".join((*WEB, *ZOOS))} or {HUB}OWNER/NAME'
    )


def from_zoo(source: str) -> Path:
    """The file that OpenMMLab's model zoo has for ``open-mmlab://NAME``.

    Raises:
        UserError: the zoo has no such name, or its file cannot be downloaded.
    """
    name = source.partition('://')[2]
    addresses = get_external_models()
    address = addresses.get(get_deprecated_model_names().get(name, name))
    if address is None:
        known = ', '.join(sorted(known for known in addresses if 'hrnet' in known))
        raise UserError(f'{source}: the model zoo has no {name}; its HRNets are {known}')
    return _download_once(address)


def from_hub(name: str, files: Sequence[str] = HUB_FILES) -> Path:
    """A file of a repository on the Hugging Face hub, from its cache if it is there.

    Args:
        name: of the repository, with ``@revision`` behind it if wanted.
        files: the first of them that is there is taken. Default: those of weights.

    Raises:
        UserError: huggingface_hub is not installed, or the repository cannot be had.
    """
    repository, _, revision = name.partition('@')
    if not _HUB_NAME.fullmatch(repository) or (revision and not _REVISION.fullmatch(revision)):
        raise UserError(f'{HUB}{name} cannot be had: a name is OWNER/NAME or OWNER/NAME@REVISION')
    hub = import_extra('huggingface_hub', f'{HUB}{name}')
    absent = import_extra('huggingface_hub.errors', f'{HUB}{name}').RemoteEntryNotFoundError
    try:
        for file in files:
            cached = hub.try_to_load_from_cache(repository, file, revision=revision or None)
            if isinstance(cached, str):
                return Path(cached)
        for file in files:
            with suppress(absent):
                return Path(hub.hf_hub_download(repository, file, revision=revision or None))
    except (OSError, ValueError) as error:
        line = str(error).strip().splitlines()[0]
        raise UserError(f'{HUB}{name} cannot be had: {line}') from error
    raise UserError(f'{HUB}{name} has no {" or ".join(files)}')


def _download_once(url: str) -> Path:
    """Download in the first of several processes; the others then find the file in the cache."""
    try:
        if get_rank() == 0:
            return download(url)
    finally:
        barrier()
    return download(url)
