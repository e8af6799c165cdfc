"""Downloads files whole and checked, into a cache whose key is the whole URL."""

from __future__ import annotations

import hashlib
import re
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from email.message import Message
from http.client import HTTPException
from pathlib import Path
from typing import IO
from urllib.error import HTTPError, URLError
from urllib.parse import quote, unquote, urldefrag, urlsplit
from uuid import uuid4

import torch
from torch.hub import tqdm  # torch's stand-in where tqdm is not installed

from hrnet_mm.base.errors import UserError
from hrnet_mm.base.files import sha256_of

WEB = ('http://', 'https://')
STALLED = 60  # seconds without a byte, after which a server has stopped answering
LARGEST = 16 << 30  # bytes; the largest HRNet with its optimizer has a twentieth of it
SLOWEST = 1 << 10  # bytes a second, on average over more than the time above
_BLOCK = 1 << 17
_LONGEST_NAME = 200
# Publishers put the first digits of the file's SHA-256 at the end of its name, OpenMMLab's mmpose
# with a date behind them: x-36af842e.pth, x-c78dce93_20200708.pth.
_HASH = re.compile(r'-([0-9a-f]{8,64})(?:_\d{8})?\.\w+$')
_FRAGMENT = re.compile(r'sha256[=:]([0-9a-fA-F]{8,64})')


def download(url: str) -> Path:
    """The file of a URL, from the cache if it is there.

    The cache is ``hrnet_mm/`` in torch's folder of checkpoints, with a folder for every URL: two
    URLs of one file name are two files. A file that torch.hub or MMEngine has put beside it counts
    too if it has the hash that the URL promises: digits of the SHA-256 in its name
    (``x-36af842e.pth``) or behind it (``x.pth#sha256=36af842e...``).

    Raises:
        UserError: the URL names no file, cannot be downloaded, or its file has another hash; then
            nothing of it is kept.
    """
    if not url.startswith(WEB):
        raise UserError(f'{url} is no address of the web: it begins with {" or ".join(WEB)}')
    address, _ = urldefrag(url)
    name, promised = file_name(address), hashes_of(url)
    theirs = Path(torch.hub.get_dir()) / 'checkpoints' / name
    ours = cache_folder() / hashlib.sha256(address.encode()).hexdigest()[:32] / name
    if promised and theirs.is_file() and _has(theirs, promised):
        return theirs
    if not (ours.is_file() and _has(ours, promised)):
        _download(address, ours, promised)
    return ours


def download_into(url: str, path: Path) -> None:
    """Download a file of its own, in no cache.

    Raises:
        UserError: it cannot be downloaded; what came of it may be at the path.
    """
    with _explained(url, path), path.open('xb') as file:
        _transfer(urldefrag(url)[0], file.write)


def cache_folder() -> Path:
    """Where downloads are kept; TORCH_HOME moves it."""
    return Path(torch.hub.get_dir()) / 'checkpoints' / 'hrnet_mm'


def forget(path: Path) -> None:
    """Remove a file from the cache because it was refused; files outside of the cache stay."""
    if path.is_relative_to(cache_folder()):
        path.unlink(missing_ok=True)


def file_name(address: str) -> str:
    """The last part of a URL's path as one plain name, whatever is quoted in it.

    Raises:
        UserError: the URL has no such part.
    """
    path = unquote(urlsplit(address).path)
    name = re.split(r'[/\\]', path)[-1]
    if not name.strip('. ') or not name.isprintable() or ':' in name:
        raise UserError(f'{address} names no file')
    return name[-_LONGEST_NAME:]  # the end, with hash and suffix


def hash_in(name: str) -> str | None:
    """The first digits of the SHA-256 in a file's name: '36af842e' of 'x-36af842e.pth'."""
    found = _HASH.search(name)
    return None if found is None or _is_date(found[1]) else found[1]


def hashes_of(url: str) -> tuple[str, ...]:
    """The beginnings of the SHA-256 that a URL promises, in its file's name and behind ``#``.

    Raises:
        UserError: what stands behind ``#`` is no SHA-256.
    """
    address, fragment = urldefrag(url)
    found = _FRAGMENT.fullmatch(fragment)
    if fragment and found is None:
        raise UserError(f'{url}: behind # comes the hash of the file, as in #sha256=36af842e...')
    digits = (hash_in(file_name(address)), found[1].lower() if found else None)
    return tuple(filter(None, digits))


class _OnlyTheWeb(urllib.request.HTTPRedirectHandler):
    """Follows redirects to other addresses of the web, and from https to https only."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: Message,
        newurl: str,
    ) -> urllib.request.Request | None:
        allowed = WEB[1:] if req.type == 'https' else WEB
        if not newurl.lower().startswith(allowed):
            raise URLError(f'it leads on to {newurl}, which is not {" or ".join(allowed)}')
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _download(address: str, path: Path, promised: tuple[str, ...]) -> None:
    # Of its own name, as other processes may download the same; moved when it is whole.
    partial = cache_folder() / f'{uuid4().hex}.partial'
    try:
        partial.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f'{address} cannot be downloaded to {path}: {error}') from error
    try:
        with _explained(address, path):
            with partial.open('xb') as file:
                _transfer(address, file.write)
            if not _has(partial, promised):
                raise UserError(
                    f'{address} is not the file that its name promises: its SHA-256 is '
                    f'{sha256_of(partial)}, which does not begin with '
                    + ' and '.join(f'"{digits}"' for digits in promised)
                    + '; nothing of it was kept'
                )
            path.parent.mkdir(exist_ok=True)
            partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def _explained(address: str, path: Path) -> Iterator[None]:
    """Turn what a download fails with into one sentence."""
    try:
        yield
    except (HTTPException, ValueError) as error:  # of an address or an answer that is malformed
        text = f'{type(error).__name__} {error}'.strip()
        raise UserError(f'{address} cannot be downloaded: {text}') from error
    except HTTPError as error:
        raise UserError(f'{address} cannot be downloaded: {error}') from error
    except URLError as error:
        raise UserError(f'{address} cannot be downloaded: {error.reason}') from error
    except TimeoutError as error:
        text = f'nothing came for {STALLED} seconds'
        raise UserError(f'{address} cannot be downloaded: {text}') from error
    except OSError as error:
        raise UserError(f'{address} cannot be downloaded to {path}: {error}') from error


def _transfer(address: str, write: Callable[[bytes], object]) -> None:
    """Download the file of an address and ``write`` it piece by piece.

    Raises:
        UserError: the file is too large, too slow, or ends too soon.
        OSError, HTTPException, ValueError: there is no such file, or nobody answers.
    """
    # Without urllib's handlers of file:, ftp: and data:.
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
        urllib.request.UnknownHandler(),
        _OnlyTheWeb(),
    ):
        opener.add_handler(handler)
    quoted = quote(address, safe="%/:=&?~#+!$,;'@()*[]")
    request = urllib.request.Request(quoted, headers={'User-Agent': 'hrnet_mm'})
    started, received = time.monotonic(), 0
    with opener.open(request, timeout=STALLED) as response:
        size = response.length
        _check_size(address, size or 0)
        bar = tqdm(total=size, unit='B', unit_scale=True, disable=not sys.stderr.isatty())
        with bar:
            while size is None or received < size:
                # read1 gives what has arrived, so that a server that drips cannot block for ever.
                block = response.read1(_BLOCK if size is None else min(_BLOCK, size - received))
                if not block:
                    break
                write(block)
                received += len(block)
                bar.update(len(block))
                _check_size(address, received)
                seconds = time.monotonic() - started
                if seconds > STALLED and received < SLOWEST * seconds:
                    raise UserError(f'{address} is too slow: {received} bytes in {seconds:.0f} s')
    if size is not None and received < size:
        raise UserError(f'{address} ended after {received} of {size} bytes; nothing was kept')


def _check_size(address: str, size: int) -> None:
    if size > LARGEST:
        raise UserError(f'{address} is larger than {LARGEST} bytes; nothing was kept')


def _has(path: Path, promised: tuple[str, ...]) -> bool:
    return not promised or all(map(sha256_of(path).startswith, promised))


def _is_date(digits: str) -> bool:
    try:
        return len(digits) == 8 and 2010 <= datetime.strptime(digits, '%Y%m%d').year < 2100
    except ValueError:
        return False
