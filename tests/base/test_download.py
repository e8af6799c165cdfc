"""A download is one plain file in the cache, whole and checked, or nothing at all."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from threading import Thread
from urllib.parse import quote

import pytest
import torch
from mmengine.runner import CheckpointLoader

from hrnet_mm.base import download as module
from hrnet_mm.base.download import cache_folder, download, file_name, hash_in
from hrnet_mm.base.errors import UserError
from tests.helpers import web_server

DATA = b'0123456789' * 5000
DIGEST = hashlib.sha256(DATA).hexdigest()
WHOLE = {'Content-Length': str(len(DATA))}


ANSWERS = dict(
    whole=(DATA, WHOLE),
    unsized=(DATA, {}),
    less=(DATA[:-1], WHOLE),
    more=(DATA + b'more', WHOLE),
    negative=(DATA, {'Content-Length': '-5'}),
    huge=(DATA, {'Content-Length': str(1 << 60)}),
    chunk=(b'ff\r\nabc', {'Transfer-Encoding': 'chunked'}),
    file=(b'', {'Location': 'file:///etc/hostname'}, 302),
    ftp=(b'', {'Location': 'ftp://127.0.0.1/x.pth'}, 302),
    moved=(b'', {'Location': '/whole/x.pth'}, 302),
)


class Liar(BaseHTTPRequestHandler):
    """Answers by the first folder of the path: as ``ANSWERS`` say, or by a method."""

    requests: list[str] = []
    release = threading.Event()

    def do_GET(self) -> None:
        self.requests.append(self.path)
        kind = self.path.split('/')[1]
        if kind in ANSWERS:
            self.answer(*ANSWERS[kind])
        else:
            getattr(self, f'answer_{kind}')()

    def answer(self, data: bytes, headers: dict[str, str], code: int = 200) -> None:
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def answer_path(self) -> None:
        self.answer(self.path.encode(), {})

    def answer_endless(self) -> None:
        self.answer(b'', {})
        while not self.release.is_set():
            self.wfile.write(bytes(1 << 16))

    def answer_stalls(self) -> None:
        self.answer(DATA[:100], WHOLE)
        self.release.wait(30)

    def answer_silent(self) -> None:
        self.release.wait(30)

    def answer_drips(self) -> None:
        self.answer(b'', WHOLE)
        while not self.release.wait(0.02):
            self.wfile.write(b'0')
            self.wfile.flush()

    def answer_slow(self) -> None:
        self.answer(DATA[:100], WHOLE)
        time.sleep(0.1)
        self.wfile.write(DATA[100:])

    def answer_circle(self) -> None:
        self.answer(b'', {'Location': self.path}, 302)

    def answer_nonsense(self) -> None:
        self.wfile.write(b'nonsense\r\n\r\n')

    def handle(self) -> None:
        with suppress(OSError):  # the reader has left
            super().handle()

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setattr(module, 'STALLED', 0.3)
    Liar.requests, Liar.release = [], threading.Event()
    with web_server(Liar, tmp_path / 'home', monkeypatch) as address:
        yield address
        Liar.release.set()


def files_below(folder: Path) -> list[Path]:
    return [path for path in folder.rglob('*') if path.is_file()]


@pytest.mark.parametrize('kind', ['whole', 'unsized', 'more', 'negative', 'moved', 'slow'])
def test_a_file_is_kept_whole_and_asked_for_once(address: str, tmp_path: Path, kind: str) -> None:
    path = download(f'{address}/{kind}/x.pth')
    assert path.read_bytes() == DATA and path.name == 'x.pth'
    asked = len(Liar.requests)
    assert download(f'{address}/{kind}/x.pth') == path
    assert len(Liar.requests) == asked
    assert files_below(tmp_path) == [path]


@pytest.mark.parametrize(
    ('kind', 'message'),
    [
        ('less', r'ended after 49999 of 50000 bytes'),
        ('huge', r'is larger than \d+ bytes'),
        ('endless', r'is larger than 1000000 bytes'),
        ('chunk', r'IncompleteRead'),
        ('stalls', r'nothing came for 0.3 seconds'),
        ('silent', r'nothing came for 0.3 seconds'),
        ('drips', r'is too slow: \d+ bytes in'),
        ('file', r"Redirection to url 'file:///etc/hostname' is not allowed"),
        ('ftp', r'leads on to ftp:'),
        ('circle', r'cannot be downloaded: .*redirect'),
        ('nonsense', r'cannot be downloaded: BadStatusLine'),
    ],
)
def test_a_server_that_lies_or_waits_costs_a_sentence(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, message: str
) -> None:
    monkeypatch.setattr(module, 'LARGEST', 1_000_000)
    with pytest.raises(UserError, match=message):
        download(f'{address}/{kind}/x.pth')
    assert files_below(tmp_path) == []


def test_from_https_nothing_leads_to_http() -> None:
    handler = module._OnlyTheWeb()
    request = module.urllib.request.Request('https://host/x.pth')
    with pytest.raises(Exception, match='leads on to http://host/y'):
        handler.redirect_request(request, None, 302, '', {}, 'http://host/y')


@pytest.mark.parametrize(
    'name',
    [
        quote('/outside/model.pth', safe=''),
        '..%2F..%2F..%2F..%2Foutside%2Fmodel.pth',
        '%2E%2E%2Foutside%2Fmodel.pth',
        '..%5C..%5Coutside%5Cmodel.pth',
    ],
)
def test_quoted_paths_stay_in_the_cache(address: str, tmp_path: Path, name: str) -> None:
    path = download(f'{address}/path/{name}')
    assert path.name == 'model.pth' and path.parent.parent == cache_folder()
    assert files_below(tmp_path) == [path]


@pytest.mark.parametrize(
    'name', ['', '.', '..', '%2E%2E', 'a%2F..', 'a%00.pth', '%0A', 'c%3Ax.pth', '%20', '..%5C']
)
def test_what_is_no_plain_name_is_refused(name: str) -> None:
    with pytest.raises(UserError, match='names no file'):
        file_name(f'http://host/w/{name}')


@pytest.mark.parametrize(
    ('name', 'digits'),
    [
        ('hrnetv2_w32-dc9eeb4f.pth', 'dc9eeb4f'),
        ('td-hm_hrnet-w32_8xb64-210e_coco-256x192-81c58e40_20220909.pth', '81c58e40'),
        ('fcn_hr18_512x1024_40k_cityscapes_20200601_014216-93db27d0.pth', '93db27d0'),
        ('faster_rcnn_hrnetv2p_w18_1x_coco_20200130-56651a6d.pth', '56651a6d'),
        ('hrnet_w18_small_v1-f460c6bc.pth', 'f460c6bc'),
        ('x-12345678.pth', '12345678'),
        ('hrnet-20200708.pth', None),
        ('hrnet_w32-256x192.pth', None),
        ('model.safetensors', None),
    ],
)
def test_hash_in_a_name(name: str, digits: str | None) -> None:
    assert hash_in(name) == digits


def test_a_long_name_keeps_its_hash() -> None:
    name = file_name(f'http://host/{"a" * 1000}-36af842e.pth')
    assert len(name) <= 200 and hash_in(name) == '36af842e'


def test_two_urls_of_one_name_are_two_files(address: str) -> None:
    one, two, three = (
        download(f'{address}/path/{part}') for part in ('a/x.bin', 'b/x.bin', 'a/x.bin?download=1')
    )
    assert [path.read_text() for path in (one, two, three)] == [
        '/path/a/x.bin',
        '/path/b/x.bin',
        '/path/a/x.bin?download=1',
    ]


def test_letters_of_any_kind_are_quoted(address: str) -> None:
    assert download(f'{address}/path/ä ö.pth').read_text() == '/path/%C3%A4%20%C3%B6.pth'


def test_hash_behind_the_url_is_checked_before_the_file_is_in_place(
    address: str, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=f'its SHA-256 is {DIGEST}.*"{"0" * 64}"'):
        download(f'{address}/whole/x.pth#sha256={"0" * 64}')
    with pytest.raises(UserError, match='not the file that its name promises'):
        download(f'{address}/whole/x-00000000.pth#sha256={DIGEST}')
    assert files_below(tmp_path) == []
    assert download(f'{address}/whole/x.pth#sha256={DIGEST.upper()}').read_bytes() == DATA
    with pytest.raises(UserError, match='behind # comes the hash'):
        download(f'{address}/whole/x.pth#md5=00')
    assert 'sha256' not in ''.join(Liar.requests)


def test_file_of_torch_hub_with_the_right_hash_is_used(address: str) -> None:
    folder = Path(torch.hub.get_dir()) / 'checkpoints'
    folder.mkdir(parents=True)
    good, bad = f'x-{DIGEST[:8]}.pth', f'y-{DIGEST[:8]}.pth'
    (folder / good).write_bytes(DATA)
    (folder / bad).write_bytes(b'half of')
    (folder / 'z.pth').write_bytes(b'of another place')
    assert download(f'{address}/whole/{good}') == folder / good
    assert not Liar.requests
    for name in (bad, 'z.pth'):
        assert download(f'{address}/whole/{name}').read_bytes() == DATA
    assert (folder / bad).read_bytes() == b'half of', 'it is not ours'


def test_two_downloads_at_once_are_both_whole(address: str, tmp_path: Path) -> None:
    found: list[Path] = []
    url = f'{address}/slow/x-{DIGEST[:8]}.pth'
    threads = [Thread(target=lambda: found.append(download(url))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [path.read_bytes() for path in found] == 4 * [DATA]
    assert files_below(tmp_path) == [found[0]]


def test_interrupted_download_leaves_nothing(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(url: str, received: int) -> None:
        if received:
            raise KeyboardInterrupt

    monkeypatch.setattr(module, '_check_size', interrupt)
    with pytest.raises(KeyboardInterrupt):
        download(f'{address}/unsized/x.pth')
    assert files_below(tmp_path) == []


def test_folder_that_cannot_be_written_is_told_so(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / 'file').touch()
    monkeypatch.setenv('TORCH_HOME', str(tmp_path / 'file'))
    with pytest.raises(UserError, match=r'cannot be downloaded to .*file'):
        download(f'{address}/whole/x.pth')


def test_mmengine_downloads_by_the_same_rules(address: str, monkeypatch) -> None:
    with pytest.raises(UserError, match='not the file that its name promises'):
        CheckpointLoader.load_checkpoint(f'{address}/whole/x-00000000.pth')
    with pytest.raises(UserError, match='nothing came for'):
        CheckpointLoader.load_checkpoint(f'{address}/stalls/x.pth')
