"""Values that checkpoints hold, and values that no checkpoint holds, which are refused."""

from __future__ import annotations

import argparse
import struct
import sys
from collections import Counter, OrderedDict
from typing import Any

import numpy as np
import torch
from mmengine.logging import HistoryBuffer

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
