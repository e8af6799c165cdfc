"""Reading a file runs nothing in it, and whatever is wrong with it costs one sentence."""

from __future__ import annotations

import argparse
import os
import pickle
import zipfile
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from safetensors.torch import save, save_file

from hrnet_mm.base.errors import UserError
from hrnet_mm.weights.read import read_checkpoint
from hrnet_mm.weights.trust import is_trusted, trusting
from tests.helpers import RunsCode

WEIGHTS = {'conv.weight': torch.arange(6.0).reshape(2, 3)}


def test_every_format_reads_alike(tmp_path: Path) -> None:
    for name, new in (('zip.pth', True), ('legacy.pt', False)):
        with (tmp_path / name).open('wb') as file:
            torch.save(WEIGHTS, file, _use_new_zipfile_serialization=new)
    (tmp_path / 'x.safetensors').write_bytes(save(WEIGHTS))
    (tmp_path / 'named_otherwise.pth').write_bytes((tmp_path / 'x.safetensors').read_bytes())
    for path in tmp_path.iterdir():
        for mmap in (True, False):
            loaded = read_checkpoint(path, mmap=mmap)
            assert torch.equal(loaded['conv.weight'], WEIGHTS['conv.weight'])


@pytest.mark.skipif(os.name != 'posix', reason='names of files are text there')
def test_file_whose_name_is_no_utf8_is_read(tmp_path: Path) -> None:
    """As on disks that were written in the days of Latin-1."""
    folder = tmp_path / os.fsdecode(b'w\xf6rk')
    try:
        folder.mkdir()
    except OSError:
        pytest.skip('this file system has no such names')
    test_every_format_reads_alike(folder)


def test_what_training_scripts_keep_beside_weights_is_read(tmp_path: Path) -> None:
    contents = dict(
        state_dict=OrderedDict(WEIGHTS),
        args=argparse.Namespace(lr=0.1),
        optimizer=dict(
            state={0: dict(step=torch.tensor(3.0))}, param_groups=[dict(betas=(0.9, 1))]
        ),
        epoch=3,
        arch='hrnet_w32',
    )
    torch.save(contents, tmp_path / 'x.pth')
    assert read_checkpoint(tmp_path / 'x.pth')['args'].lr == 0.1


@pytest.mark.parametrize('legacy', [False, True])
def test_code_is_refused_by_its_name_and_not_run(tmp_path: Path, legacy: bool) -> None:
    contents = dict(state_dict=WEIGHTS, hook=RunsCode(tmp_path / 'made'))
    torch.save(contents, tmp_path / 'x.pth', _use_new_zipfile_serialization=not legacy)
    refused = r'x\.pth is refused: it asks for os\.makedirs, .*--trust-checkpoint'
    with pytest.raises(UserError, match=refused):
        read_checkpoint(tmp_path / 'x.pth')
    assert not (tmp_path / 'made').exists()


def test_plain_pickle_is_refused_and_not_run(tmp_path: Path) -> None:
    (tmp_path / 'x.pth').write_bytes(pickle.dumps(RunsCode(tmp_path / 'made')))
    with pytest.raises(UserError, match=r'x\.pth (is refused|cannot be read)'):
        read_checkpoint(tmp_path / 'x.pth')
    assert not (tmp_path / 'made').exists()


def test_trust_runs_what_the_file_asks_for(tmp_path: Path) -> None:
    torch.save(dict(state_dict=WEIGHTS, hook=RunsCode(tmp_path / 'made')), tmp_path / 'x.pth')
    with trusting():
        assert 'state_dict' in read_checkpoint(tmp_path / 'x.pth')
    assert (tmp_path / 'made').is_dir()


def test_trust_ends_with_its_block_and_does_not_reach_threads() -> None:
    with ThreadPoolExecutor(1) as pool, trusting():
        assert is_trusted() and not pool.submit(is_trusted).result()
        with trusting(False):
            assert not is_trusted()
        assert is_trusted()
    assert not is_trusted()
    with pytest.raises(UserError), trusting():
        raise UserError
    assert not is_trusted()


@pytest.mark.parametrize('suffix', ['.pth', '.safetensors'])
def test_truncated_anywhere_is_told_so(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f'x{suffix}'
    save_file(WEIGHTS, path) if suffix == '.safetensors' else torch.save(WEIGHTS, path)
    data = path.read_bytes()
    for length in range(1, len(data), 7):
        path.write_bytes(data[:length])
        try:
            loaded = read_checkpoint(path)
        except UserError as error:
            assert path.name in str(error)
        else:  # only what follows the last record may be missed
            assert torch.equal(loaded['conv.weight'], WEIGHTS['conv.weight'])


def test_flipped_bit_in_a_weight_is_told_so(tmp_path: Path) -> None:
    """torch itself loads the file, and another number with it."""
    path = tmp_path / 'x.pth'
    torch.save(WEIGHTS, path)
    data = bytearray(path.read_bytes())
    data[data.index(WEIGHTS['conv.weight'].numpy().tobytes())] ^= 1
    path.write_bytes(data)
    assert not torch.equal(torch.load(path)['conv.weight'], WEIGHTS['conv.weight'])
    with pytest.raises(UserError, match=r'x\.pth is damaged: x/data/0 fails its checksum'):
        read_checkpoint(path)


def test_file_without_checksums_is_read(tmp_path: Path) -> None:
    torch.serialization.set_crc32_options(False)
    torch.save(WEIGHTS, tmp_path / 'x.pth')
    torch.serialization.set_crc32_options(True)
    loaded = read_checkpoint(tmp_path / 'x.pth')
    assert torch.equal(loaded['conv.weight'], WEIGHTS['conv.weight'])


def test_compressed_file_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    torch.save({'conv.weight': torch.zeros(1 << 20)}, tmp_path / 'x.pth')
    with (
        zipfile.ZipFile(tmp_path / 'x.pth') as stored,
        zipfile.ZipFile(tmp_path / 'y.pth', 'w', zipfile.ZIP_DEFLATED) as compressed,
    ):
        for name in stored.namelist():
            compressed.writestr(name, stored.read(name))
    with pytest.raises(UserError, match=r'y\.pth is compressed; unpack it'):
        read_checkpoint(tmp_path / 'y.pth')


@pytest.mark.parametrize(
    ('data', 'message'),
    [
        (b'', 'is empty'),
        (b'<html>404</html>', 'truncated, damaged or no checkpoint'),
        (b'PK\x03\x04', 'damaged'),
    ],
)
def test_no_checkpoint_is_told_so(tmp_path: Path, data: bytes, message: str) -> None:
    (tmp_path / 'x.pth').write_bytes(data)
    with pytest.raises(UserError, match=rf'x\.pth .*{message}'):
        read_checkpoint(tmp_path / 'x.pth')
    torch.save([1, 2], tmp_path / 'list.pth')
    with pytest.raises(UserError, match=r'list\.pth holds a list, not a dict'):
        read_checkpoint(tmp_path / 'list.pth')
    with pytest.raises(UserError, match='there is no checkpoint'):
        read_checkpoint(tmp_path)
