"""Reading a file runs nothing in it, its faults are told in one sentence, its weights are found."""

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
from torch import nn

from hrnet_mm.base.errors import UserError
from hrnet_mm.weights.read import read_checkpoint, weights_of
from hrnet_mm.weights.trust import is_trusted, trusting
from tests.helpers import RunsCode, needs_torch

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


@needs_torch('2.6', 'torch.serialization.set_crc32_options')
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


ONE, TWO = ({'conv1.weight': torch.full((1,), value)} for value in (1.0, 2.0))


@pytest.mark.parametrize(
    'checkpoint',
    [
        ONE,
        {'state_dict': ONE, 'optimizer': {'state': {0: TWO}}, 'epoch': 3},
        {'model': ONE, 'lr': 0.1},
        {'model_state_dict': ONE, 'optimizer_state_dict': TWO},
        {'model_state': ONE},
        {'model': 'pose_hrnet', 'state_dict': ONE, 'best_state_dict': TWO},  # leoxiaobin's
        {'state_dict': ONE, 'hyper_parameters': {}, 'pytorch-lightning_version': '2.0'},
        {'state_dict': ONE, 'ema_state_dict': {'steps': torch.tensor(3), **TWO}},  # mmengine's
        {'state_dict': TWO, 'state_dict_ema': ONE, 'arch': 'hrnet_w18'},  # timm's
        {'ema_state_dict': ONE},
        {'state_dict': None, 'ema': ONE},
    ],
)
def test_the_weights_are_found(checkpoint: dict) -> None:
    assert torch.equal(weights_of(checkpoint, 'x.pth')['conv1.weight'], ONE['conv1.weight'])


def test_an_entry_can_be_chosen() -> None:
    checkpoint = {'state_dict': ONE, 'best_state_dict': TWO}
    assert weights_of(checkpoint, 'x.pth', 'best_state_dict') is TWO
    with pytest.raises(UserError, match=r"x\.pth has no entry 'ema'; it has state_dict, best_"):
        weights_of(checkpoint, 'x.pth', 'ema')


def test_only_tensors_are_weights() -> None:
    assert list(weights_of({'state_dict': {**ONE, 'steps': 3, 4: TWO}}, 'x.pth')) == [
        'conv1.weight'
    ]


def test_compiled_parts_have_their_own_names() -> None:
    weights = {'_orig_mod.backbone._orig_mod.conv1.weight': torch.ones(1)}
    assert list(weights_of(weights, 'x.pth')) == ['backbone.conv1.weight']


def test_a_whole_model_gives_its_weights() -> None:
    assert set(weights_of({'state_dict': nn.Linear(2, 2)}, 'x.pth')) == {'weight', 'bias'}


@pytest.mark.parametrize('checkpoint', [{}, {'state_dict': 3}, {'model': {}, 'epoch': 1}])
def test_no_weights_are_told_so(checkpoint: dict) -> None:
    with pytest.raises(UserError, match=r'x\.pth does not hold the weights of a model'):
        weights_of(checkpoint, 'x.pth')


class Wrapper(torch.Tensor):
    pass


def emptied() -> torch.Tensor:
    weight = torch.ones(3)
    weight.untyped_storage().resize_(4)
    return weight


@pytest.mark.parametrize(
    ('weight', 'fault'),
    [
        (torch.ones(2, device='meta'), 'a meta tensor, which has no values'),
        (torch.ones(2, 2).to_sparse(), 'a sparse tensor'),
        (torch.ones(2, 2).to_sparse_csr(), 'a sparse tensor'),
        (torch.quantize_per_tensor(torch.ones(2), 0.1, 0, torch.qint8), 'a quantized tensor'),
        (torch.nested.nested_tensor([torch.ones(2)]), 'a nested tensor'),
        (torch.ones(2).as_subclass(Wrapper), 'a tensor of the class Wrapper'),
        (nn.UninitializedParameter(), 'a tensor of the class UninitializedParameter'),
        (torch.ones(2, dtype=torch.complex64), 'a complex tensor'),
        (emptied(), 'a tensor whose storage is too small for its shape'),
    ],
    ids=lambda value: value if isinstance(value, str) else '',
)
def test_tensors_that_are_no_weights_are_told_so(weight: torch.Tensor, fault: str) -> None:
    """A file that is trusted, or a model in it, may hold any."""
    with pytest.raises(UserError, match=rf'x\.pth: conv2\.weight is {fault}; weights are dense'):
        weights_of({'state_dict': {**ONE, 'conv2.weight': weight}}, 'x.pth')


def test_a_model_on_meta_has_no_weights() -> None:
    with pytest.raises(UserError, match='weight is a meta tensor'):
        weights_of({'model': nn.Linear(2, 2, device='meta')}, 'x.pth')


@pytest.mark.parametrize(
    'weight',
    [
        torch.full((2,), float('nan')),
        torch.ones(1).expand(5),
        torch.ones(4, 3).t()[1:],
        torch.zeros(0, 3),
        torch.ones(2, dtype=torch.bfloat16),
        torch.ones(2, dtype=torch.bool),
        nn.Parameter(torch.ones(2)),
    ],
)
def test_any_dense_tensor_is_a_weight(weight: torch.Tensor) -> None:
    assert weights_of({'conv1.weight': weight}, 'x.pth')['conv1.weight'] is weight
