"""What a pickle would make is checked before anything is made."""

from __future__ import annotations

import argparse
import io
import pickle
import pickletools
import struct
import sys
import time
import zipfile
from collections import Counter, OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mmengine.logging import HistoryBuffer

from hrnet_mm.base.errors import UserError
from hrnet_mm.base.safe_load import safe_load
from hrnet_mm.weights.read import read_checkpoint
from tests.helpers import Calls


def values() -> dict[str, Any]:
    array = np.arange(6).reshape(2, 3)
    with_attribute = torch.ones(2)
    with_attribute.lr_mult = 3
    return dict(
        numpy=dict(
            array=array,
            same=array,
            fortran=np.asfortranarray(np.arange(6.0).reshape(2, 3)),
            no_rows=np.zeros((0, 2), np.uint8),
            number=np.array(1.5),
            flags=np.array([True, False]),
            waves=np.array([1 + 2j]),
            bytes=np.array([b'ab', b'c']),
            texts=np.array(['ab', 'äö']),
            empty_text=np.str_(''),
            text=np.str_('x'),
            f32=np.float32(0.5),
            i64=np.int64(3),
            flag=np.bool_(True),
            half=np.float16(1),
        ),
        tensors=OrderedDict(
            transposed=torch.arange(12.0).reshape(4, 3).t(),
            expanded=torch.ones(1).expand(5),
            empty=torch.zeros(0, 3),
            number=torch.tensor(3),
            nan=torch.tensor([float('nan')]),
            bf16=torch.ones(3, dtype=torch.bfloat16),
            parameter=torch.nn.Parameter(torch.ones(2)),
            attribute=with_attribute,
        ),
        plain=dict(
            namespace=argparse.Namespace(lr=0.1, steps=[1, 2]),
            counter=Counter({3: 2}),
            set={1, 2},
            complex=1j,
            bytes=b'abc\xff',
            buffer=bytearray(b'x\xff'),
            size=torch.Size([1, 2]),
            device=torch.device('cpu'),
            dtype=torch.float32,
            large=2**80,
            tuple=(1, (None, True, -5, 0.5)),
        ),
        history=HistoryBuffer([0.5, 0.25], [1, 2]),
    )


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


def nested(make: type, levels: int = 60) -> Any:
    value: Any = make(['a'])
    for _ in range(levels):
        value = make([value, value])
    return value


def cyclic() -> list[Any]:
    value: list[Any] = []
    value.append(value)
    return value


def with_hooks() -> Calls:
    storage = torch.ones(2).storage()
    return Calls(
        torch._utils._rebuild_tensor_v2, storage, 0, (2,), (1,), True, OrderedDict(a=torch.float32)
    )


def view(size: tuple[int, ...], stride: tuple[int, ...], offset: int = 0) -> Calls:
    storage = torch.ones(4).storage()
    rebuild = torch._utils._rebuild_tensor_v2
    return Calls(rebuild, storage, offset, size, stride, False, OrderedDict())


core = sys.modules[np.zeros(1).__reduce__()[0].__module__]  # of another name in numpy 1 than in 2
MEANT = Calls(np.dtype, 'f8', False, True, state=(3, '<', None, None, None, -1, -1, 0))
OBJECT = Calls(np.dtype, 'O8', False, True)
LYING = Calls(
    np.dtype, 'V8', False, True, state=(3, '|', None, ('a',), {'a': (OBJECT, 0)}, 8, 8, 1)
)


def array(dtype: Any, shape: tuple[int, ...], data: bytes, kind: type = np.ndarray) -> Calls:
    return Calls(core._reconstruct, kind, (0,), b'b', state=(1, shape, dtype, False, data))


HOSTILE = {
    'a dtype with fields': array(LYING, (1,), struct.pack('<Q', 0x41414140)),
    'objects': np.array([1, 'a'], dtype=object),
    'objects in bytes': array(OBJECT, (1,), struct.pack('<Q', 0x41414140)),
    'a record': np.zeros(2, [('a', 'f4')]),
    'dates': np.zeros(2, 'M8[s]'),
    'fewer bytes': array(MEANT, (1000,), bytes(8)),
    'more bytes': array(MEANT, (1,), bytes(80)),
    'negative counts': array(MEANT, (-1, -1), bytes(8)),
    'many rows of nothing': array(MEANT, (1 << 40, 0), b''),
    'a scalar of fewer bytes': Calls(core.scalar, MEANT, bytes(2)),
    'a scalar of an object': Calls(core.scalar, OBJECT, bytes(8)),
    'memory that is not set': Calls(np.ndarray, (1000,)),
    'a tensor that is not set': Calls(torch.Tensor, 1000),
    'a storage as a value': torch.ones(2).untyped_storage(),
    'a class as a value': torch.Tensor,
    'a view that is too long': view((5,), (1,)),
    'a view by its strides': view((2, 2), (3, 1)),
    'a view by its offset': view((2,), (1,), 3),
    'a view of negative counts': view((-1, -1), (1, 1)),
    'a view that is a bomb': view((1 << 40,), (0,)),
    'a tensor with hooks': with_hooks(),
    'a dict with a method': Calls(OrderedDict, state=dict(items=1)),
    'a namespace with a method': argparse.Namespace(__setstate__=1),
    'a history of texts': Calls(HistoryBuffer.__new__, HistoryBuffer),
    'nested lists': nested(list),
    'nested tuples': nested(tuple),
    'nested tuples as a key': {nested(tuple, 20): 1},
    'a list in itself': cyclic(),
    'a long text named often': ['a' * 10_000] * 100_000,
}


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
