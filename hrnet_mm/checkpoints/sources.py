"""Where a checkpoint comes from: a path, a URL, OpenMMLab's zoo, the Hugging Face hub."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import unquote, urlparse

import torch
from mmengine.dist import barrier, get_rank
from mmengine.runner import CheckpointLoader
from mmengine.runner.checkpoint import get_deprecated_model_names, get_external_models

from hrnet_mm.checkpoints.loading import from_extra, read_checkpoint
from hrnet_mm.cli import UserError
from hrnet_mm.files import sha256_of

HUB = 'hf-hub:'
HUB_FILES = ('model.safetensors', 'pytorch_model.bin')
ZOOS = ('open-mmlab://', 'openmmlab://')
WEB = ('http://', 'https://')
# Publishers put the first digits of the file's SHA-256 at the end of its name, OpenMMLab's mmpose
# with a date behind them: x-36af842e.pth, x-c78dce93_20200708.pth.
_HASH = re.compile(r'-([0-9a-f]{8,64})(?:_\d{8})?\.\w+$')


def is_local(source: str | Path) -> bool:
    """Whether a source is a path on this machine."""
    return isinstance(source, Path) or ('://' not in source and not source.startswith(HUB))


def read_source(source: str | Path, **how: Any) -> dict[str, Any]:
    """The checkpoint of a source; ``how`` as for ``hrnet_mm.checkpoints.loading.read_checkpoint``.

    Raises:
        UserError: it cannot be had, or is not what its name says, or cannot be read safely.
    """
    return read_checkpoint(fetch(source), **how)


def use_our_readers(trust: bool = False) -> None:
    """Let everything that MMEngine loads in this process go through ``read_source``.

    That is ``load_from``, ``resume`` and the ``init_cfg`` of any model. What changes: files are
    read with ``weights_only=True`` on every version of torch, a refused or damaged one costs a
    sentence, the hash in the name of a download is checked, and safetensors and ``hf-hub:`` are
    known. The tools call it before they build a Runner.

    Args:
        trust: run what checkpoints ask to be run (``--trust-checkpoint``).
    """

    def load(filename: str, map_location: Any = None) -> dict[str, Any]:
        # Not mapped into memory: training may later write a checkpoint of the same name.
        checkpoint = read_source(
            filename, trust=trust, mmap=False, map_location=map_location or 'cpu'
        )
        if not trust and isinstance(checkpoint.get('meta'), dict):
            checkpoint['meta'].pop('config', None)  # MMEngine runs this text when it resumes
        return checkpoint

    CheckpointLoader.register_scheme(['', *WEB, *ZOOS, HUB], load, force=True)


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
        return download(source)
    raise UserError(
        f'{source}: checkpoints come from a path, {", ".join((*WEB, *ZOOS))} or {HUB}OWNER/NAME'
    )


def download(url: str) -> Path:
    """The file of a URL in torch's cache; its hash is checked where the name carries one.

    Raises:
        UserError: it cannot be downloaded, or has another hash.
    """
    name = unquote(Path(urlparse(url).path).name)
    if not name:
        raise UserError(f'{url} names no file')
    path = Path(torch.hub.get_dir()) / 'checkpoints' / name
    digits = hash_in(name)
    _first_process_first(lambda: _download(url, path, digits))
    return path


def hash_in(name: str) -> str | None:
    """The first digits of the SHA-256 that a file's name carries, if it does."""
    found = _HASH.search(name)
    return None if found is None or _is_date(found[1]) else found[1]


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
    return download(address)


def from_hub(name: str) -> Path:
    """The weights of a repository on the Hugging Face hub, from its cache if they are there.

    Raises:
        UserError: huggingface_hub is not installed, or the repository cannot be had.
    """
    hub = from_extra('huggingface_hub', f'{HUB}{name}')
    absent = from_extra('huggingface_hub.errors', f'{HUB}{name}').RemoteEntryNotFoundError
    repository, _, revision = name.partition('@')
    try:
        for file in HUB_FILES:
            cached = hub.try_to_load_from_cache(repository, file, revision=revision or None)
            if isinstance(cached, str):
                return Path(cached)
        for file in HUB_FILES:
            with suppress(absent):
                return Path(hub.hf_hub_download(repository, file, revision=revision or None))
    except (OSError, ValueError) as error:
        raise UserError(f'{HUB}{name} cannot be had: {_first_line(error)}') from error
    raise UserError(f'{HUB}{name} has no {" or ".join(HUB_FILES)}')


def _download(url: str, path: Path, digits: str | None) -> None:
    if path.is_file() and (digits is None or sha256_of(path).startswith(digits)):
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        torch.hub.download_url_to_file(url, str(path), digits, progress=sys.stderr.isatty())
    except URLError as error:
        reason = error if isinstance(error, HTTPError) else error.reason
        raise UserError(f'{url} cannot be downloaded: {reason}') from error
    except RuntimeError as error:
        raise UserError(
            f'{url} is not the file that its name promises: {error}; nothing of it was kept'
        ) from error
    except OSError as error:
        raise UserError(f'{url} cannot be downloaded to {path}: {error}') from error


def _first_process_first(job: Callable[[], None]) -> None:
    """Run a job in the first of several processes, then in the others, which find it done."""
    try:
        if get_rank() == 0:
            job()
    finally:
        barrier()
    if get_rank() != 0:
        job()


def _is_date(digits: str) -> bool:
    try:
        return len(digits) == 8 and 2010 <= datetime.strptime(digits, '%Y%m%d').year < 2100
    except ValueError:
        return False


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0]
