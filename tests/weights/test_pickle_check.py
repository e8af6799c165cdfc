"""What a pickle would make is checked before anything is made."""

from __future__ import annotations

import io
import pickle
import pickletools
import time
import zipfile
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.logging import HistoryBuffer

from hrnet_mm.base.errors import UserError
from hrnet_mm.base.safe_load import safe_load
from hrnet_mm.weights.read import read_checkpoint
from tests.weights.contents import HOSTILE, values


@pytest.mark.parametrize('legacy', [False, True])
def test_what_checkpoints_hold_is_read_bit_for_bit(tmp_path: Path, legacy: bool) -> None:
    expected = values()
    expected['tensors']._metadata = OrderedDict({'': dict(version=1)})
    torch.save(expected, tmp_path / 'x.pth', _use_new_zipfile_serialization=not legacy)
    loaded = read_checkpoint(tmp_path / 'x.pth')
    for key, value in expected['numpy'].items():
        got = loaded['numpy'][key]
        assert type(got) is type(value) and got.dtype == value.dtype, key
        assert got.shape == value.shape and got.tobytes('A') == value.tobytes('A'), key
        assert got.flags.f_contiguous == value.flags.f_contiguous, key
    assert loaded['numpy']['same'] is loaded['numpy']['array']
    for key, value in expected['tensors'].items():
        got = loaded['tensors'][key]
        assert type(got) is type(value) and torch.equal(got.nan_to_num(), value.nan_to_num()), key
        assert got.stride() == value.stride(), key
    assert loaded['tensors']['attribute'].lr_mult == 3
    assert loaded['tensors']._metadata == {'': {'version': 1}}
    assert loaded['plain'] == expected['plain']
    assert type(loaded['history']) is HistoryBuffer
    for got, value in zip(loaded['history'].data, expected['history'].data, strict=True):
        assert type(got) is np.ndarray and got.dtype == value.dtype
        assert np.array_equal(got, value)


@pytest.mark.parametrize('name', HOSTILE)
def test_what_no_checkpoint_holds_is_refused(tmp_path: Path, name: str) -> None:
    started = time.process_time()
    for legacy in (False, True):
        path = tmp_path / 'x.pth'
        torch.save({'x': HOSTILE[name]}, path, _use_new_zipfile_serialization=not legacy)
        with pytest.raises(UserError, match=r'x\.pth (is refused|cannot be read)'):
            read_checkpoint(path)
    assert time.process_time() - started < 20


@pytest.mark.parametrize(
    'tensor',
    [
        torch.ones(2, device='meta'),
        torch.ones(2, 2).to_sparse(),
        torch.ones(2, 2).to_sparse_csr(),
        torch.quantize_per_tensor(torch.ones(2), 0.1, 0, torch.qint8),
    ],
    ids=['meta', 'sparse', 'compressed', 'quantized'],
)
def test_tensors_that_are_not_dense_are_told_so(tmp_path: Path, tensor: torch.Tensor) -> None:
    torch.save({'w': tensor}, tmp_path / 'x.pth')
    with pytest.raises(
        UserError, match=r'x\.pth is refused: it holds a (meta|sparse|quantized) te'
    ):
        read_checkpoint(tmp_path / 'x.pth')


def test_a_history_does_not_change_its_class(tmp_path: Path) -> None:
    """mmengine's own __setstate__ puts what the file holds among the methods of the class."""
    before = dict(HistoryBuffer._statistics_methods)
    history = HistoryBuffer([0.5], [1])
    history._statistics_methods = {'mean': 'hostile'}
    torch.save({'x': history}, tmp_path / 'x.pth')
    read_checkpoint(tmp_path / 'x.pth')
    safe_load(tmp_path / 'x.pth')
    assert HistoryBuffer._statistics_methods == before


def test_a_storage_is_as_large_as_its_record(tmp_path: Path) -> None:
    torch.save({'w': torch.ones(4)}, tmp_path / 'x.pth')
    with (
        zipfile.ZipFile(tmp_path / 'x.pth') as whole,
        zipfile.ZipFile(tmp_path / 'y.pth', 'w') as cut,
    ):
        for name in whole.namelist():
            data = whole.read(name)
            cut.writestr(name, data[:8] if name.endswith('data/0') else data)
    with pytest.raises(UserError, match=r'its record 0 has 8 bytes where 16 are asked for'):
        read_checkpoint(tmp_path / 'y.pth')


def test_old_format_without_its_values_is_refused(tmp_path: Path) -> None:
    """torch would leave the tensor with what was in memory."""
    torch.save({'w': torch.ones(4)}, tmp_path / 'x.pth', _use_new_zipfile_serialization=False)
    data = (tmp_path / 'x.pth').read_bytes()
    file = io.BytesIO(data)
    for _ in range(4):  # up to the list of the storages
        list(pickletools.genops(file))
    keys = pickle.dumps([], protocol=2)
    (tmp_path / 'x.pth').write_bytes(data[: file.tell()] + keys)
    with pytest.raises(UserError, match=r'x\.pth is refused: it calls the storages'):
        read_checkpoint(tmp_path / 'x.pth')
