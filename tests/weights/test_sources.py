"""Checkpoints come from paths, URLs, OpenMMLab's zoo and the Hugging Face hub, and are checked."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler
from pathlib import Path

import huggingface_hub.constants
import pytest
import torch
from safetensors.torch import save_file

from hrnet_mm.base.errors import UserError
from hrnet_mm.base.given import is_local
from hrnet_mm.models import HRNet
from hrnet_mm.weights.convert_file import check_writable, convert_file
from hrnet_mm.weights.sources import fetch, read_source
from tests.helpers import small_extra, web_server

WEIGHTS = {'conv1.weight': torch.ones(2)}


class CountingHandler(SimpleHTTPRequestHandler):
    requests: list[str] = []

    def do_GET(self) -> None:
        self.requests.append(self.path)
        super().do_GET()

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A folder that is served, with a checkpoint whose name carries its hash."""
    folder = tmp_path / 'site'
    folder.mkdir()
    torch.save(WEIGHTS, folder / 'x.pth')
    digest = hashlib.sha256((folder / 'x.pth').read_bytes()).hexdigest()
    (folder / 'x.pth').rename(folder / f'hrnet-{digest[:8]}_20200708.pth')
    return folder


@pytest.fixture
def address(site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    CountingHandler.requests = []
    handler = partial(CountingHandler, directory=site)
    with web_server(handler, tmp_path / 'cache', monkeypatch) as address:
        yield address


def test_url_is_downloaded_once(site: Path, address: str) -> None:
    [file] = site.iterdir()
    for _ in range(2):
        assert torch.equal(read_source(f'{address}/{file.name}')['conv1.weight'], torch.ones(2))
    assert len(CountingHandler.requests) == 1


def test_damaged_file_in_the_cache_is_downloaded_again(site: Path, address: str) -> None:
    [file] = site.iterdir()
    fetch(f'{address}/{file.name}').write_bytes(b'half of')
    assert read_source(f'{address}/{file.name}').keys() == WEIGHTS.keys()


def test_download_that_is_refused_is_not_kept(site: Path, address: str) -> None:
    """Nor is it refused for ever."""
    (site / 'x.pth').write_bytes(b'something else')
    for read in (read_source, partial(convert_file, out=site / 'out.pth', to='timm')):
        with pytest.raises(UserError, match=r'x\.pth cannot be read'):
            read(f'{address}/x.pth')
        assert not list(Path(os.environ['TORCH_HOME']).rglob('x.pth'))
    torch.save(WEIGHTS, site / 'x.pth')
    assert read_source(f'{address}/x.pth').keys() == WEIGHTS.keys()


def test_download_stays_for_the_package_that_is_to_read_it(
    site: Path, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_file(WEIGHTS, site / 'x.safetensors')
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, 'safetensors.torch', None)
        with pytest.raises(UserError, match='needs safetensors'):
            read_source(f'{address}/x.safetensors')
    assert read_source(f'{address}/x.safetensors').keys() == WEIGHTS.keys()
    assert len(CountingHandler.requests) == 1


def test_local_file_that_is_refused_stays(tmp_path: Path) -> None:
    (tmp_path / 'x.pth').write_bytes(b'something else')
    with pytest.raises(UserError):
        read_source(tmp_path / 'x.pth')
    assert (tmp_path / 'x.pth').exists()


def test_init_cfg_of_two_urls_of_one_name_is_of_two_files(site: Path, address: str) -> None:
    sums = []
    for part in 'ab':
        (site / part).mkdir()
        torch.save(HRNet(extra=small_extra()).state_dict(), site / part / 'pytorch_model.bin')
        init_cfg = dict(type='Pretrained', checkpoint=f'{address}/{part}/pytorch_model.bin')
        net = HRNet(extra=small_extra(), init_cfg=init_cfg)
        net.init_weights()
        sums.append(float(net.conv1.weight.sum()))
    assert sums[0] != sums[1]


def test_failed_download_is_told_so(address: str) -> None:
    with pytest.raises(UserError, match=r'gone\.pth cannot be downloaded: HTTP Error 404'):
        fetch(f'{address}/gone.pth')
    with pytest.raises(UserError, match='names no file'):
        fetch(address)


def test_open_mmlab_names_are_looked_up(
    site: Path, address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``open_mmlab.json`` in MMENGINE_HOME is MMEngine's own way to add names."""
    [file] = site.iterdir()
    names = {'me/hrnet': f'{address}/{file.name}'}
    (tmp_path / 'open_mmlab.json').write_text(json.dumps(names))
    monkeypatch.setenv('MMENGINE_HOME', str(tmp_path))
    for scheme in ('open-mmlab', 'openmmlab'):
        assert read_source(f'{scheme}://me/hrnet').keys() == WEIGHTS.keys()
    names['me/file'] = 'file:///etc/hostname'
    (tmp_path / 'open_mmlab.json').write_text(json.dumps(names))
    with pytest.raises(UserError, match='file:///etc/hostname is no address of the web'):
        fetch('open-mmlab://me/file')
    with pytest.raises(UserError, match=r'no msra/hrnetv2_w33; its HRNets are .*msra/hrnetv2_w32'):
        fetch('open-mmlab://msra/hrnetv2_w33')


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The hub's cache, filled as a download fills it; the hub itself is not reached."""
    monkeypatch.setattr(huggingface_hub.constants, 'HF_HUB_CACHE', str(tmp_path))
    monkeypatch.setattr(huggingface_hub.constants, 'HF_HUB_OFFLINE', True)
    repository = tmp_path / 'models--timm--hrnet_w18_small.gluon_in1k'
    (repository / 'refs').mkdir(parents=True)
    (repository / 'refs' / 'main').write_text('0' * 40)
    (repository / 'snapshots' / ('0' * 40)).mkdir(parents=True)
    return repository / 'snapshots' / ('0' * 40)


def test_hub_weights_come_from_its_cache(hub: Path) -> None:
    name = 'hf-hub:timm/hrnet_w18_small.gluon_in1k'
    torch.save(WEIGHTS, hub / 'pytorch_model.bin')
    assert fetch(name).name == 'pytorch_model.bin'
    save_file(WEIGHTS, hub / 'model.safetensors')
    assert fetch(f'{name}@main').name == 'model.safetensors'
    assert torch.equal(read_source(name)['conv1.weight'], torch.ones(2))


@pytest.mark.parametrize(
    'name', ['../x', 'a/..', 'a/b@../../x', 'a/b@/x', 'a/b@a/../../x', '/a', 'a/b@..', 'a/b\n']
)
def test_hub_names_that_lead_elsewhere_are_refused(hub: Path, name: str) -> None:
    (hub.parents[2] / 'pytorch_model.bin').touch()
    with pytest.raises(UserError, match='cannot be had: a name is OWNER/NAME or'):
        fetch(f'hf-hub:{name}')


def test_hub_revisions_may_have_slashes(hub: Path) -> None:
    torch.save(WEIGHTS, hub / 'pytorch_model.bin')
    (hub.parents[1] / 'refs' / 'pr').mkdir()
    (hub.parents[1] / 'refs' / 'pr' / '1').write_text(hub.name)
    assert fetch('hf-hub:timm/hrnet_w18_small.gluon_in1k@pr/1').name == 'pytorch_model.bin'


def test_hub_that_is_not_reached_is_told_so(hub: Path) -> None:
    with pytest.raises(UserError, match='hf-hub:timm/hrnet_w32 cannot be had'):
        fetch('hf-hub:timm/hrnet_w32')
    with pytest.raises(UserError, match='hf-hub:a/b/c cannot be had'):
        fetch('hf-hub:a/b/c')


def test_package_that_is_absent_is_told_with_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_file(WEIGHTS, tmp_path / 'x.safetensors')
    for module in ('safetensors.torch', 'huggingface_hub'):
        monkeypatch.setitem(sys.modules, module, None)
    command = r"pip install 'hrnet_mm\[hub\]'$"
    with pytest.raises(UserError, match=rf'x\.safetensors needs safetensors: {command}'):
        read_source(tmp_path / 'x.safetensors')
    with pytest.raises(UserError, match=rf'^hf-hub:a/b needs huggingface_hub: {command}'):
        fetch('hf-hub:a/b')
    with pytest.raises(UserError, match=rf'y\.safetensors needs safetensors: {command}'):
        check_writable(tmp_path / 'y.safetensors')


def test_other_schemes_are_refused_with_those_there_are() -> None:
    with pytest.raises(UserError, match='s3://x.pth: checkpoints come from a path, http://'):
        fetch('s3://x.pth')


def test_local_paths() -> None:
    assert is_local('a b/ä.pth') and is_local(Path('x')) and not is_local('hf-hub:a/b')
    assert fetch('~/x.pth') == Path.home() / 'x.pth'
